"""The leaf functions once more, compiled: same names, same signatures, the same numbers.

Whether numba is there changes how long a run takes and nothing else. What no kernel (`lab.nn.kernels`) is
written for goes to the NumPy function, which also raises the errors. Loading takes half a second;
`lab.nn.compiled` decides when that pays, and nothing else imports this module.
"""

from functools import partial

import numpy as np

from lab.nn import affine, batchnorm, layernorm, optim, relu, softmax, spatial_batchnorm
from lab.nn.images import channels_last
from lab.nn.kernels import (
    adam,
    add_to_rows,
    cut,
    cut_backward,
    scale_columns,
    shift_rows,
    softmax_rows,
    standardize_columns,
    standardize_columns_backward,
    standardize_rows,
    standardize_rows_backward,
    sum_of_rows,
)
from lab.nn.layernorm import LayerNormCache
from lab.nn.standardize import BLOCK, Standardized, convention_of, inverse_std

# --- affine -------------------------------------------------------------------------------------------


def affine_forward(x, w, b):
    if x.ndim <= w.ndim and x.shape[-1] == w.shape[-2]:  # there is nothing to flatten
        out = x @ w
        if add_to_rows(out, b):
            return out, (x, w)
    return affine.affine_forward(x, w, b)


def affine_backward(dout, cache, into=(None, None), needs_dx=True):
    (x, w), (dw, db) = cache, into
    if db is None or x.ndim > w.ndim or not dout.flags.c_contiguous or not sum_of_rows(dout, db):
        return affine.affine_backward(dout, cache, into, needs_dx)
    dw = np.matmul(x.swapaxes(-1, -2), dout, out=dw)
    return dout @ w.swapaxes(-1, -2) if needs_dx else None, dw, db


# --- batch norm ---------------------------------------------------------------------------------------


def batchnorm_forward(x, gamma, beta, bn_param):
    mean, var, eps = bn_param.get("running_mean"), bn_param.get("running_var"), bn_param.get("eps", 1e-5)
    mode, convention, n = bn_param.get("mode"), convention_of(bn_param), x.shape[-2]
    if type(mean) is type(var) is np.ndarray and x.flags.c_contiguous:
        out, x_hat = np.empty_like(x), np.empty_like(x)
        plain = type(eps) is type(bn_param.get("momentum", convention.momentum)) is float
        if mode == "train" and n > 1 and convention.root == "inside" and plain:
            weights, dof = batchnorm.running_weights(bn_param, convention, n), n - convention.ddof
            inv_std, mean, var = np.empty_like(mean), mean.copy(), var.copy()
            if standardize_columns(x, gamma, beta, eps, dof, *weights, out, x_hat, inv_std, mean, var):
                bn_param["running_mean"], bn_param["running_var"] = mean, var
                return out, ((x_hat, inv_std, dof, 1.0), gamma, True)  # a BatchNormCache without the names
        elif mode == "test":
            inv_std, eps_factor = inverse_std(var, eps, convention.root)
            if scale_columns(x, mean, inv_std, gamma, beta, out, x_hat):
                return out, ((x_hat, inv_std, n, eps_factor), gamma, False)
    return batchnorm.batchnorm_forward(x, gamma, beta, bn_param)


def batchnorm_backward_alt(dout, cache, into=(None, None)):
    (x_hat, inv_std, dof, eps_factor), gamma, training = cache
    if training and type(eps_factor) is float and dout.flags.c_contiguous and x_hat.flags.c_contiguous:
        dx, (dgamma, dbeta) = np.empty_like(dout), into
        if dgamma is None:
            dgamma, dbeta = np.empty_like(inv_std), np.empty_like(inv_std)
        if standardize_columns_backward(dout, x_hat, inv_std, gamma, dof, dx, dgamma, dbeta):
            return dx, dgamma, dbeta
    return batchnorm.batchnorm_backward_alt(dout, cache, into)


# --- layer norm ---------------------------------------------------------------------------------------


def layernorm_forward(x, gamma, beta, ln_param):
    eps, convention = ln_param.get("eps", 1e-5), convention_of(ln_param)
    if convention.root == "inside" and type(eps) is float and x.flags.c_contiguous:
        dof = max(x.shape[-1] - convention.ddof, 1)
        out, x_hat, inv_std = np.empty_like(x), np.empty_like(x), np.empty(x.shape[:-1], x.dtype)
        if standardize_rows(x, gamma, beta, eps, dof, out, x_hat, inv_std):
            return out, LayerNormCache(Standardized(x_hat.swapaxes(-1, -2), inv_std, dof, 1.0), gamma)
    return layernorm.layernorm_forward(x, gamma, beta, ln_param)


def layernorm_backward(dout, cache, into=(None, None)):
    (x_hat, inv_std, dof, eps_factor), gamma = cache
    x_hat = x_hat.swapaxes(-1, -2)
    if type(eps_factor) is float and dout.flags.c_contiguous and x_hat.flags.c_contiguous:
        dx, (dgamma, dbeta) = np.empty_like(dout), into
        if dgamma is None:
            dgamma, dbeta = np.empty_like(gamma), np.empty_like(gamma)
        if standardize_rows_backward(dout, x_hat, inv_std, gamma, dof, dx, dgamma, dbeta):
            return dx, dgamma, dbeta
    return layernorm.layernorm_backward(dout, cache, into)


# --- activation and loss ------------------------------------------------------------------------------


def in_memory_order(x):
    """x where it lies in C order; images as rows, whether channels are first or last. Else None."""
    if x.ndim > 3 and not x.flags.c_contiguous:
        x = channels_last(x)
    if not x.flags.c_contiguous:
        return None
    return x if x.ndim < 4 else x.reshape(-1, x.shape[-1])


def relu_forward(x):
    out = np.empty_like(x)
    if x.ndim < 4 and x.flags.c_contiguous:  # rows, the shortest way
        cut(x, out)
        return out, x
    entries = in_memory_order(x)
    if entries is None:
        return relu.relu_forward(x)
    cut(entries, in_memory_order(out))
    return out, x


def relu_backward(dout, cache):
    dx = np.empty_like(dout)
    if dout.ndim < 4 and dout.flags.c_contiguous and cache.flags.c_contiguous:
        return dx if cut_backward(dout, cache, dx) else relu.relu_backward(dout, cache)
    entries, upstream = in_memory_order(cache), in_memory_order(dout)
    fitting = entries is not None and upstream is not None and dout.strides == cache.strides
    if fitting and cut_backward(upstream, entries, in_memory_order(dx)):
        return dx
    return relu.relu_backward(dout, cache)


def softmax_loss(x, y):
    if not x.flags.c_contiguous or not 1 < x.shape[-1] <= BLOCK:
        return softmax.softmax_loss(x, y)
    shifted, dx = np.empty_like(x), np.empty_like(x)
    total, chosen = np.empty((2, *x.shape[:-1]), x.dtype)
    shift_rows(x, shifted)
    y = y.astype(np.int64, copy=False)  # one kernel for labels of every dtype
    if len(y) != x.shape[-2] or not softmax_rows(np.exp(shifted), shifted, y, total, chosen, dx):
        return softmax.softmax_loss(x, y)
    return (np.log(total) - chosen).sum(axis=-1) / x.shape[-2], dx


# --- optimizer ----------------------------------------------------------------------------------------


class Adam(optim.Adam):
    """Adam in one pass over params, gradient, m and v."""

    def _apply(self, params, gradient, rate, epsilon):
        fitting = gradient.shape == params.shape and gradient.dtype == params.dtype
        if not fitting or params.dtype not in (np.float32, np.float64):  # a borrowed network's may be any
            return super()._apply(params, gradient, rate, epsilon)
        vectors, coefficients = (params, gradient, *self.velocities.values()), (self.beta1, self.beta2)
        if not isinstance(rate, np.ndarray):
            adam(*[vector.reshape(-1) for vector in vectors], rate, epsilon, *coefficients)
        else:
            for member_rate, *member in zip(rate[:, 0], *vectors, strict=True):
                adam(*member, float(member_rate), epsilon, *coefficients)


LEAVES = {
    (affine.affine_forward, affine.affine_backward): (affine_forward, affine_backward),
    (batchnorm.batchnorm_forward, batchnorm.batchnorm_backward_alt): (
        batchnorm_forward,
        batchnorm_backward_alt,
    ),
    (layernorm.layernorm_forward, layernorm.layernorm_backward): (layernorm_forward, layernorm_backward),
    (spatial_batchnorm.spatial_batchnorm_forward, spatial_batchnorm.spatial_batchnorm_backward): (
        partial(spatial_batchnorm.spatial_batchnorm_forward, forward=batchnorm_forward),
        partial(spatial_batchnorm.spatial_batchnorm_backward, backward=batchnorm_backward_alt),
    ),
    (relu.relu_forward, relu.relu_backward): (relu_forward, relu_backward),
    softmax.softmax_loss: softmax_loss,
    optim.Adam: Adam,
}
