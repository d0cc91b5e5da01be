"""Batch normalization (Ioffe and Szegedy, 2015, Algorithm 1).

    out = gamma * x_hat + beta,    x_hat = (x - mean) / sqrt(var + eps)

Mean and variance (biased) are taken over the minibatch: one pair for each of the D features.
Every function takes a single network's activations, x (N, D) with gamma and beta (D,), or a
population's, (K, N, D) with (K, D); `...` stands for the optional K. NumPy and CuPy arrays alike.
"""

from types import ModuleType
from typing import ClassVar, NamedTuple

import numpy as np

from lab.nn.backend import Array, namespace
from lab.nn.layer import Into, Layer, Pair, Param, PerMember, scale_and_shift
from lab.nn.standardize import (
    CONVENTIONS,
    Convention,
    Standardized,
    convention_of,
    eps_of,
    fit,
    inverse_std,
    rows,
    standardize,
    sum_of_rows,
)
from lab.nn.validation import require_setting, require_shape


class BatchNormCache(NamedTuple):
    """What the backward passes need."""

    standardized: Standardized
    gamma: Array  # (..., D)
    training: bool


def batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, BatchNormCache]:
    """Normalize each feature over the minibatch, then scale and shift it.

    x: (..., N, D) floats. gamma, beta: (..., D).
    bn_param: "mode" is "train" or "test"; optional are "eps" (1e-5), "convention" ("course", see
        `lab.nn.standardize.CONVENTIONS`) and "momentum" (the convention's, 0.9). Training mode makes
        and updates "running_mean" and "running_var", (..., D):
        running = momentum * running + (1 - momentum) * batch, from zero. Test mode reads them.
    Returns (out, cache): out with the shape and dtype of x, and a BatchNormCache.
    Raises ValueError, naming the argument, for anything it can't normalize.
    """
    mode, eps, convention = bn_param.get("mode"), eps_of(bn_param), convention_of(bn_param)
    gamma, beta = fit(x, gamma, "gamma"), fit(x, beta, "beta")

    if mode == "train":
        if x.shape[-2] < 2:
            raise ValueError(
                f"batch normalization needs more than one row in training mode (x has shape {x.shape}): the "
                "variance of one row is zero. Use a larger batch, test mode, or layer normalization."
            )
        standardized, mean, var = standardize(x, eps, convention.ddof, convention.root)
        _update_running(bn_param, convention, x.shape[-2], mean, var)
    elif mode == "test":
        if "running_mean" not in bn_param or "running_var" not in bn_param:
            raise ValueError("test mode needs running_mean and running_var: train on a batch first")
        running_var = fit(x, bn_param["running_var"], "running_var")
        inv_std, eps_factor = inverse_std(running_var, eps, convention.root)
        x_hat = x - rows(fit(x, bn_param["running_mean"], "running_mean"))
        x_hat *= rows(inv_std)
        standardized = Standardized(x_hat, inv_std, x.shape[-2], eps_factor)
    else:
        raise ValueError(f"bn_param['mode'] must be 'train' or 'test', not {mode!r}")

    out = standardized.x_hat * rows(gamma)
    out += rows(beta)
    return out, BatchNormCache(standardized, gamma, mode == "train")


def batchnorm_backward(
    dout: Array, cache: BatchNormCache, into: Into = (None, None)
) -> tuple[Array, Array, Array]:
    """Backpropagate through the graph of batch normalization, node by node.

    dout: (..., N, D), the gradient with respect to out. into: arrays to write dgamma and dbeta to.
    Returns dx, dgamma, dbeta.
    """
    (x_hat, inv_std, dof, eps_factor), gamma, training = cache
    require_shape("dout", dout, x_hat.shape)
    dgamma = sum_of_rows(dout * x_hat, out=into[0])
    dbeta = sum_of_rows(dout, out=into[1])
    dx_hat = dout * rows(gamma)
    dcentred = dx_hat * rows(inv_std)
    if not training:  # mean and var were constants
        return dcentred, dgamma, dbeta

    centred = x_hat / rows(inv_std)
    dinv_std = sum_of_rows(dx_hat * centred)
    dvar = -0.5 * inv_std**3 * eps_factor * dinv_std
    dcentred += rows(dvar) * 2 / dof * centred
    dmean = -sum_of_rows(dcentred)
    return dcentred + rows(dmean) / dout.shape[-2], dgamma, dbeta


def batchnorm_backward_alt(
    dout: Array, cache: BatchNormCache, into: Into = (None, None)
) -> tuple[Array, Array, Array]:
    """The same gradients from the closed form.

    Folding the nodes above: dx = gamma * inv_std * (dout - mean(dout) - x_hat * mean(dout * x_hat)).
    """
    (x_hat, inv_std, dof, eps_factor), gamma, training = cache
    require_shape("dout", dout, x_hat.shape)
    products = dout * x_hat
    dgamma = sum_of_rows(products, out=into[0])
    dbeta = sum_of_rows(dout, out=into[1])
    if not training:
        return dout * rows(gamma * inv_std), dgamma, dbeta

    dx = namespace(dout).multiply(x_hat, rows(dgamma * eps_factor / -dof), out=products)
    dx += dout
    dx -= rows(dbeta / dout.shape[-2])
    dx *= rows(gamma * inv_std)
    return dx, dgamma, dbeta


def running_weights(bn_param: Param, convention: Convention, n: int) -> tuple[float, float, float]:
    """Three numbers (keep, add, unbiased): running = keep * running + add * batch, where the batch's
    variance, of n rows, is first multiplied by `unbiased`."""
    momentum = bn_param.get("momentum", convention.momentum)
    require_setting("momentum", momentum, most=1)
    keep = momentum if convention.momentum_weighs == "running" else 1 - momentum
    return keep, 1 - keep, (n - convention.ddof) / (n - max(convention.ddof, convention.running_ddof))


def _update_running(bn_param: Param, convention: Convention, n: int, mean: Array, var: Array) -> None:
    """Fold the minibatch's statistics into the running ones, as the convention says."""
    keep, add, unbiased = running_weights(bn_param, convention, n)
    if unbiased != 1:
        var = var * unbiased
    bn_param["running_mean"] = keep * bn_param.get("running_mean", 0.0) + add * mean
    bn_param["running_var"] = keep * bn_param.get("running_var", convention.initial_var) + add * var


class BatchNorm(Layer):
    """Batch normalization of rows, which keeps running statistics for test mode."""

    kind, title, family = "batchnorm", "batch norm", "normalization"
    pair: ClassVar[Pair] = (batchnorm_forward, batchnorm_backward_alt)
    axes = (1,)
    settings = ("eps", "momentum", "convention")
    conventions = CONVENTIONS
    offered_with = ("weightstd",)
    needs_batch = True

    def __init__(
        self, features: int, eps: PerMember = 1e-5, momentum: float | None = None, convention: str = "course"
    ):
        """momentum: of the running statistics; None is the convention's."""
        if momentum is None:
            momentum = CONVENTIONS[convention].momentum
        settings = {"eps": eps, "convention": convention, "momentum": float(momentum)}
        super().__init__(scale_and_shift(features), settings)

    def start(self, members: int | None, xp: ModuleType, dtype: np.dtype) -> None:
        """There is a test mode before the first update, too."""
        super().start(members, xp, dtype)
        (features,), lead = self.parameters[0].shape, () if members is None else (members,)
        initial_var = CONVENTIONS[self.param["convention"]].initial_var
        self.param["running_mean"] = xp.zeros((*lead, features), dtype=dtype)
        self.param["running_var"] = xp.full((*lead, features), initial_var, dtype=dtype)
