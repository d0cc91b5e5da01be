"""Curves as a plot wants them: finite numbers only, and no more points than a screen shows."""

import numpy as np

MOST_POINTS = 200  # of one curve: more cost the browser time and show nothing new


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
    low: smaller values are raised to it, as a logarithmic axis needs.
    """
    points = max((len(x) for x, _ in curves), default=0) or 1
    both = np.zeros((2, len(curves), points))
    for i, (x, y) in enumerate(curves):
        for row, values, empty in ((both[0, i], x, 0.0), (both[1, i], y, low or 0.0)):
            row[:] = values[-1] if len(values) else empty
            row[: len(values)] = values
    if low is not None:
        np.maximum(both[1], low, out=both[1])
    return both


def decades(values, least, most):
    """The powers of ten that enclose [least, most] and all values: axes grow by steps, or not at all."""
    values = values[np.isfinite(values) & (values > 0)]
    low = min([least, *([values.min()] if len(values) else [])])
    high = max([most, *([values.max()] if len(values) else [])])
    return 10.0 ** np.floor(np.log10(low) + 1e-9), 10.0 ** np.ceil(np.log10(high) - 1e-9)
