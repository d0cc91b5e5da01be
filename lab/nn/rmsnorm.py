"""Root mean square normalization (Zhang and Sennrich, 2019, equation 4).

    out = gamma * x_hat,    x_hat = x / sqrt(mean(x**2) + eps)

The mean square is taken over the features: one for each row, in training and test mode alike. It is layer
norm without mean and beta: scaling a row changes nothing, shifting it does.
"""

from typing import NamedTuple

import numpy as np

from lab.nn.backend import Array
from lab.nn.layer import Into, Layer, Param, Parameter, PerMember, Shape
from lab.nn.standardize import eps_of, inverse_std, sum_of_rows
from lab.nn.validation import require_array, require_shape


class RMSNormCache(NamedTuple):
    """What the backward pass needs."""

    x_hat: Array  # (..., N, C, positions); rows have one position
    inv_rms: Array  # (..., N)
    gamma: Array  # (..., C)
    shape: Shape  # of x


def rmsnorm_forward(x: Array, gamma: Array, rms_param: Param) -> tuple[Array, RMSNormCache]:
    """Divide each row by the root of its mean square, then scale each feature.

    x: (N, D) floats, or (N, C, *positions) with the mean square over channels and positions of a sample; in a
        population (K, N, D) or (K, N, C, *positions).
    gamma: (D,) or (C,), in a population (K, D) or (K, C); its number of axes tells which of the two it is.
    rms_param: optional "eps" (1e-5), in a population also an array (K, 1).
    Returns (out, cache): out with the shape and dtype of x, and a RMSNormCache.
    Raises ValueError, naming the argument, for anything it can't normalize.
    """
    gamma = _fit(x, gamma)
    by_channel = x.reshape(*x.shape[: gamma.ndim + 1], -1)
    wide = by_channel.astype(np.promote_types(x.dtype, np.float32), copy=False)  # float16 can't hold squares
    inv_rms, _ = inverse_std((wide * wide).mean(axis=(-2, -1)), eps_of(rms_param), "inside")
    x_hat = (wide * inv_rms[..., None, None]).astype(x.dtype, copy=False)
    out = (x_hat * gamma[..., None, :, None]).reshape(x.shape)
    return out, RMSNormCache(x_hat, inv_rms, gamma, x.shape)


def rmsnorm_backward(dout: Array, cache: RMSNormCache, into: Into = (None,)) -> tuple[Array, Array]:
    """dx = inv_rms * (dx_hat - x_hat * mean(dx_hat * x_hat)), with dx_hat = gamma * dout.

    dout: the shape of x, the gradient with respect to out. into: an array to write dgamma to.
    Returns dx, dgamma.
    """
    x_hat, inv_rms, gamma, shape = cache
    require_shape("dout", dout, shape)
    dout = dout.reshape(x_hat.shape)
    dgamma = sum_of_rows((dout * x_hat).sum(axis=-1), out=into[0])
    dx = dout * gamma[..., None, :, None]
    dx -= x_hat * (dx * x_hat).mean(axis=(-2, -1))[..., None, None]
    dx *= inv_rms[..., None, None]
    return dx.reshape(shape), dgamma


def _fit(x: Array, gamma: Array) -> Array:
    """gamma in the dtype of x. Raises ValueError unless it has one entry for each channel of x."""
    require_array("x", x)
    require_array("gamma", gamma)
    lead = max(gamma.ndim - 1, 0)
    if x.ndim < lead + 2 or x.dtype.kind != "f":
        raise ValueError(f"x must be floats of shape (N, D) or (N, C, ...), not {x.dtype} of shape {x.shape}")
    expected = (*x.shape[:lead], x.shape[lead + 1])
    if gamma.shape != expected:
        raise ValueError(f"gamma has shape {gamma.shape}; x {x.shape} needs {expected}")
    return gamma.astype(x.dtype, copy=False)


class RMSNorm(Layer):
    """RMS normalization of rows, or of images over channels and positions."""

    kind, title, family = "rmsnorm", "RMS norm", "normalization"
    pair = rmsnorm_forward, rmsnorm_backward
    axes = (1, 3)
    settings = ("eps",)

    def __init__(self, features: int, eps: PerMember = 1e-5):
        """features: of a row, or the channels of images."""
        super().__init__([Parameter("gamma", "scale", (features,), 1.0)], {"eps": eps})
