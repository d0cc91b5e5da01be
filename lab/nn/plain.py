"""The layers in plain NumPy, as one writes them on the board: read these first.

One network, x of shape (N, D), one convention, no checks of what comes in. The layers that the lab trains
with (`batchnorm.py`, `layernorm.py`, `affine.py`) compute the same, and beyond it populations, the
conventions of several libraries, float32 far from zero, and arrays on a device.

Batch normalization: Ioffe and Szegedy (2015), algorithm 1 and the gradients of section 3. Layer
normalization: Ba, Kiros and Hinton (2016), equations 3 and 4.
"""

import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    """x: (N, D). Returns (out, cache) and updates the running statistics in bn_param."""
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mean = x.mean(axis=0)
        var = x.var(axis=0)
        centred = x - mean
        std = np.sqrt(var + eps)
        x_hat = centred / std
        out = gamma * x_hat + beta
        running_mean = momentum * running_mean + (1 - momentum) * mean
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        centred = x - running_mean
        std = np.sqrt(running_var + eps)
        x_hat = centred / std
        out = gamma * x_hat + beta
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    cache = (x_hat, centred, std, gamma)
    return out, cache


def batchnorm_backward(dout, cache):
    """dout: (N, D). Returns dx, dgamma, dbeta."""
    x_hat, centred, std, gamma = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * centred, axis=0) * -0.5 / std**3
    dmean = np.sum(-dx_hat / std, axis=0)
    dx = dx_hat / std + dvar * 2 * centred / N + dmean / N
    return dx, dgamma, dbeta


def layernorm_forward(x, gamma, beta, ln_param):
    """x: (N, D). Returns (out, cache)."""
    eps = ln_param.get("eps", 1e-5)
    mean = x.mean(axis=1, keepdims=True)
    var = x.var(axis=1, keepdims=True)
    centred = x - mean
    std = np.sqrt(var + eps)
    x_hat = centred / std
    out = gamma * x_hat + beta
    cache = (x_hat, centred, std, gamma)
    return out, cache


def layernorm_backward(dout, cache):
    """dout: (N, D). Returns dx, dgamma, dbeta."""
    x_hat, centred, std, gamma = cache
    D = dout.shape[1]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * centred, axis=1, keepdims=True) * -0.5 / std**3
    dmean = np.sum(-dx_hat / std, axis=1, keepdims=True)
    dx = dx_hat / std + dvar * 2 * centred / D + dmean / D
    return dx, dgamma, dbeta


def affine_forward(x, w, b):
    """x: (N, ...), w: (D, M), b: (M,). Returns (out, cache)."""
    flat = x.reshape(x.shape[0], -1)
    out = flat @ w + b
    cache = (x, w)
    return out, cache


def affine_backward(dout, cache):
    """dout: (N, M). Returns dx, dw, db."""
    x, w = cache
    flat = x.reshape(x.shape[0], -1)
    dx = (dout @ w.T).reshape(x.shape)
    dw = flat.T @ dout
    db = np.sum(dout, axis=0)
    return dx, dw, db
