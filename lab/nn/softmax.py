"""Softmax cross-entropy: loss = mean over the rows of -log(exp(x_y) / sum_c exp(x_c))."""

import numpy as np

from lab.nn.backend import Array, namespace
from lab.nn.validation import require_array


def softmax_loss(x: Array, y: Array) -> tuple[Array, Array]:
    """The mean cross-entropy of the scores and its gradient.

    x: (..., N, C) float scores. y: (N,) integer labels in 0 .. C - 1, one for each row.
    Returns (loss, dx): loss of shape (...), dx with the shape and dtype of x.
    Raises ValueError for anything else.
    """
    require_array("x", x)
    require_array("y", y)
    xp, (n, classes) = namespace(x), x.shape[-2:]
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise ValueError(f"y must be {n} integer labels, one for each row of x, not {y.dtype} of {y.shape}")
    if xp is np and not 0 <= y.min() <= y.max() < classes:  # on a device, asking would mean waiting for it
        raise ValueError(f"y must hold labels 0 to {classes - 1}, not {y.min()} to {y.max()}")
    shifted = x - x.max(axis=-1, keepdims=True)  # exp can't overflow, and the result is the same
    exp = xp.exp(shifted)
    total = exp.sum(axis=-1, keepdims=True)
    correct = (..., xp.arange(n), y)
    loss = (xp.log(total[..., 0]) - shifted[correct]).sum(axis=-1) / n
    dx = exp / total
    dx[correct] -= 1
    dx /= n
    return loss, dx
