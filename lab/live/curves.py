"""Curves as a plot wants them: finite numbers only, and no more points than a screen shows.

Logarithmic axes carry exponents of ten: a figure then has one kind of scale, whatever it shows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_POINTS = 200  # of one curve: more cost the browser time and show nothing new
BELOW = -1000.0  # where the exponent of zero is drawn: under every axis, as float64 ends at -324
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NOTHING = np.zeros(0), np.zeros(0)


def thinned(loss: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of a loss curve: the mean over equal runs of updates where there are more than 200 of them.

    loss: (updates,). x counts updates from 1; what isn't finite is left out.
    """
    update = np.arange(1, len(loss) + 1)
    width = -(-len(loss) // MOST_POINTS) or 1
    starts = np.arange(0, len(loss), width)
    if not len(loss):
        return NOTHING
    with np.errstate(all="ignore"):
        counts = np.diff(np.append(starts, len(loss)))
        x, y = np.add.reduceat(update, starts) / counts, np.add.reduceat(loss, starts) / counts
    shown = np.isfinite(y)
    return x[shown], y[shown]


def drawable(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of a curve that have a place in a figure: all but nan and inf. -inf, the exponent of zero,
    is under every axis."""
    shown = ~np.isnan(y) & (y < np.inf)
    return x[shown], y[shown]


def exponents(y: np.ndarray) -> np.ndarray:
    """log10 of y; -inf where it is zero, or less."""
    with np.errstate(all="ignore"):
        return np.log10(np.maximum(y, 0))


def band(x: np.ndarray, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    """The outline of the area between two curves, as one closed curve."""
    return np.concatenate([x, x[::-1], x[:1]]), np.concatenate([high, low[::-1], high[:1]])


def stacked(curves: Sequence[tuple[Any, Any]], rest: float = 0.0) -> np.ndarray:
    """Curves of different lengths as one (2, curves, points) array of x and y.

    A shorter curve repeats its last point; an empty one lies at (0, rest), where nothing is seen.
    There are two points at least: bqplot takes single points of several curves for one curve.
    """
    points = max([2, *(len(x) for x, _ in curves)])
    both = np.zeros((2, len(curves), points))
    for i, (x, y) in enumerate(curves):
        for row, values, empty in ((both[0, i], x, 0.0), (both[1, i], y, rest)):
            row[:] = values[-1] if len(values) else empty
            row[: len(values)] = values
    return both


def whole_span(values: Any, first: Any, last: Any) -> tuple:
    """The whole numbers that enclose [first, last] and all values: an axis grows by steps, or not at all."""
    values = values[np.isfinite(values)]
    return float(min([first, *np.floor(values)])), float(max([last, *np.ceil(values)]))


def round_span(values: Any, first: Any, last: Any) -> tuple:
    """(first, the smallest of 1, 2, 5, 10, 20, … times `last` that no value exceeds)."""
    values = values[np.isfinite(values)]
    highest = max([last, *values])
    decade = 10 ** np.floor(np.log10(highest / last))
    return first, float(last * decade * next(k for k in (1, 2, 5, 10) if highest <= last * decade * k))


def layer_ticks(count: int) -> np.ndarray:
    """The first of so many layers and, of many, round numbers of them: 1, 10, 20, …; at most eleven."""
    step = next(k * 10**d for d in range(4) for k in (1, 2, 5) if count <= 10 * k * 10**d)
    return np.union1d(1, np.arange(step, count + 1, step))


def decade_ticks(first: Any, last: Any) -> tuple:
    """(labels, values) of the exponents from `first` to `last`, at most six: 0.01, 1, 100, 10⁴.

    The labels' keys are numbers as JavaScript writes them.
    """
    values = np.arange(first, last + 1, 1 + (last - first) // 6)
    labels = {
        f"{k:.0f}": f"{10.0**k:g}" if abs(k) <= 3 else "10" + f"{k:.0f}".translate(SUPERSCRIPTS)
        for k in values
    }
    return labels, values
