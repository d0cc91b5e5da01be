"""Curves as a plot wants them: finite numbers only, and no more points than a screen shows."""

import numpy as np

MOST_POINTS = 200  # of one curve: more cost the browser time and show nothing new
LIMITS = -6, 9  # exponents of ten: beyond them a loss has vanished, or the run has exploded
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def thinned(loss):
    """(x, y) of a loss curve: the mean over equal runs of updates where there are more than 200 of them.

    loss: (updates,). x counts updates from 1; what isn't finite is left out.
    """
    update = np.arange(1, len(loss) + 1)
    width = -(-len(loss) // MOST_POINTS) or 1
    starts = np.arange(0, len(loss), width)
    if not len(loss):
        return np.zeros(0), np.zeros(0)
    with np.errstate(all="ignore"):
        counts = np.diff(np.append(starts, len(loss)))
        x, y = np.add.reduceat(update, starts) / counts, np.add.reduceat(loss, starts) / counts
    finite = np.isfinite(y)
    return x[finite], y[finite]


def stacked(curves, low=None):
    """Curves of different lengths as one (2, curves, points) array of x and y.

    A shorter curve repeats its last point; an empty one lies at (0, low or 0), where nothing is seen.
    There are two points at least: bqplot takes single points of several curves for one curve.
    low: smaller values are raised to it, as a logarithmic axis needs.
    """
    points = max([2, *(len(x) for x, _ in curves)])
    both = np.zeros((2, len(curves), points))
    for i, (x, y) in enumerate(curves):
        for row, values, empty in ((both[0, i], x, 0.0), (both[1, i], y, low or 0.0)):
            row[:] = values[-1] if len(values) else empty
            row[: len(values)] = values
    if low is not None:
        np.maximum(both[1], low, out=both[1])
    return both


def decades(values, first, last):
    """The exponents of ten that enclose [first, last] and all values, within what an axis shows (LIMITS).

    So an axis grows by steps, or not at all. Values that have no place on a logarithmic axis don't count.
    """
    exponents = np.log10(values[np.isfinite(values) & (values > 0)])
    lowest = min([first, *np.floor(exponents)])
    highest = max([last, *np.ceil(exponents)])
    return int(max(lowest, LIMITS[0])), int(min(highest, LIMITS[1]))


def decade_ticks(first, last):
    """(labels, values) of the powers of ten from `first` to `last`: at most nine, long numbers as 10⁵.

    The labels' keys are numbers as JavaScript writes them.
    """
    exponents = range(first, last + 1, 1 + (last - first) // 9)
    labels = {
        "1" + "0" * k if k > 0 else "0." + "0" * (-k - 1) + "1": "10" + str(k).translate(SUPERSCRIPTS)
        for k in exponents
        if abs(k) > 3
    }
    return labels, np.array([power_of_ten(k) for k in exponents])


def power_of_ten(exponent):
    """The number as it is read, which `10.0**exponent` may miss by a bit."""
    return float(f"1e{exponent}")
