"""Layer normalization (Ba, Kiros and Hinton, 2016, equations 3 and 4).

    out = gamma * x_hat + beta,    x_hat = (x - mean) / sqrt(var + eps)

Mean and variance (biased) are taken over the features: one pair for each row, in training and test
mode alike. Up to gamma and beta it is batch normalization of the transposed minibatch.
"""

from typing import NamedTuple

from lab.nn.backend import Array
from lab.nn.layer import Into, Layer, Param, PerMember, scale_and_shift
from lab.nn.standardize import (
    CONVENTIONS,
    Standardized,
    convention_of,
    eps_of,
    fit,
    rows,
    standardize,
    standardize_backward,
    sum_of_rows,
)
from lab.nn.validation import require_shape


class LayerNormCache(NamedTuple):
    """What the backward pass needs; `standardized` is that of the transposed minibatch."""

    standardized: Standardized  # x_hat: (..., D, N)
    gamma: Array  # (..., D)


def layernorm_forward(x: Array, gamma: Array, beta: Array, ln_param: Param) -> tuple[Array, LayerNormCache]:
    """Normalize each row over its features, then scale and shift each feature.

    x: (..., N, D) floats. gamma, beta: (..., D). ln_param: optional "eps" (1e-5) and "convention".
    Returns (out, cache): out with the shape and dtype of x, and a LayerNormCache.
    Raises ValueError, naming the argument, for anything it can't normalize.
    """
    gamma, beta, convention = fit(x, gamma, "gamma"), fit(x, beta, "beta"), convention_of(ln_param)
    standardized, _, _ = standardize(x.swapaxes(-1, -2), eps_of(ln_param), convention.ddof, convention.root)
    out = standardized.x_hat.swapaxes(-1, -2) * rows(gamma)
    out += rows(beta)
    return out, LayerNormCache(standardized, gamma)


def layernorm_backward(
    dout: Array, cache: LayerNormCache, into: Into = (None, None)
) -> tuple[Array, Array, Array]:
    """dout: (..., N, D), the gradient with respect to out. into: arrays to write dgamma and dbeta to.
    Returns dx, dgamma, dbeta."""
    standardized, gamma = cache
    require_shape("dout", dout, standardized.x_hat.swapaxes(-1, -2).shape)
    dgamma = sum_of_rows(dout * standardized.x_hat.swapaxes(-1, -2), out=into[0])
    dbeta = sum_of_rows(dout, out=into[1])
    dx = standardize_backward((dout * rows(gamma)).swapaxes(-1, -2), standardized)
    return dx.swapaxes(-1, -2), dgamma, dbeta


class LayerNorm(Layer):
    """Layer normalization of rows."""

    kind, title, family = "layernorm", "layer norm", "normalization"
    pair = layernorm_forward, layernorm_backward
    axes = (1,)
    settings = ("eps", "convention")
    conventions = CONVENTIONS
    offered_with = ("weightstd",)

    def __init__(self, features: int, eps: PerMember = 1e-5, convention: str = "course"):
        super().__init__(scale_and_shift(features), {"eps": eps, "convention": convention})
