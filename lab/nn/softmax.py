"""Softmax cross-entropy: loss = mean over the rows of -log(exp(x_y) / sum_c exp(x_c))."""

from lab.nn.backend import namespace


def softmax_loss(x, y):
    """The mean cross-entropy of the scores and its gradient.

    x: (..., N, C) float scores. y: (N,) integer labels in 0 .. C - 1, one for each row.
    Returns (loss, dx): loss of shape (...), dx with the shape and dtype of x.
    """
    xp, n = namespace(x), x.shape[-2]
    shifted = x - x.max(axis=-1, keepdims=True)  # exp can't overflow, and the result is the same
    exp = xp.exp(shifted)
    total = exp.sum(axis=-1, keepdims=True)
    correct = (..., xp.arange(n), y)
    loss = (xp.log(total[..., 0]) - shifted[correct]).sum(axis=-1) / n
    dx = exp / total
    dx[correct] -= 1
    dx /= n
    return loss, dx
