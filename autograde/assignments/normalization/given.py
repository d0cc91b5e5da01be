"""What the assignment gives you to build on: affine layers, ReLU, the softmax loss.

They are ordinary function pairs: `x_forward` returns (out, cache), `x_backward` takes the cache back.
"""

import numpy as np

# What this year's course means by batch normalization; the checks go by it.
VARIANT = {"eps": 1e-05, "momentum_weighs": "running", "running_variance": "biased"}


def affine_forward(x, w, b):
    """x: (N, ...), each sample has D numbers. w: (D, M). b: (M,). Returns out (N, M) and a cache."""
    rows = x.reshape(len(x), -1)
    return rows @ w + b, (x.shape, rows, w)


def affine_backward(dout, cache):
    """dout: (N, M). Returns dx with the shape of x, dw (D, M) and db (M,)."""
    shape, rows, w = cache
    return (dout @ w.T).reshape(shape), rows.T @ dout, dout.sum(axis=0)


def relu_forward(x):
    """x: any shape. Returns max(x, 0) and a cache."""
    return np.maximum(x, 0), x > 0


def relu_backward(dout, cache):
    """dout: the shape of x. Returns dx."""
    return dout * cache


def softmax_loss(scores, y):
    """scores: (N, C). y: (N,) labels from 0. Returns the mean cross-entropy and its gradient (N, C)."""
    n = np.arange(len(scores))
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dscores = np.exp(log_p)
    dscores[n, y] -= 1
    return -log_p[n, y].mean(), dscores / len(scores)
