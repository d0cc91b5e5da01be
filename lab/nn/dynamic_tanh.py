"""Dynamic tanh (Zhu and others, 2025, section 4), which stands where a normalization would and is none.

    out = gamma * tanh(alpha * x) + beta

alpha is one learned number, 0.5 at the start. Nothing is measured: what a normalization brings back from far
away is cut off here, and what vanishes stays small.
"""

from typing import NamedTuple

from lab.nn.backend import Array, namespace
from lab.nn.layer import Into, Layer, Parameter, Shape, scale_and_shift
from lab.nn.standardize import sum_of_rows
from lab.nn.validation import require_array, require_shape


class DynamicTanhCache(NamedTuple):
    """What the backward pass needs."""

    x: Array  # (..., N, C, positions); rows have one position
    squashed: Array  # tanh(alpha * x)
    alpha: Array  # (..., 1)
    gamma: Array  # (..., C)
    shape: Shape  # of x


def dynamic_tanh_forward(x: Array, alpha: Array, gamma: Array, beta: Array) -> tuple[Array, DynamicTanhCache]:
    """Squash all entries alike, then scale and shift each feature.

    x: (N, D) floats, or (N, C, *positions); in a population (K, N, D) or (K, N, C, *positions).
    alpha: (1,). gamma, beta: (D,) or (C,). In a population (K, 1), and (K, D) or (K, C); the number of axes
        of gamma tells which of the two it is.
    Returns (out, cache): out with the shape and dtype of x, and a DynamicTanhCache.
    Raises ValueError, naming the argument, for shapes that don't fit.
    """
    alpha, gamma, beta = _fit(x, alpha, gamma, beta)
    by_channel = x.reshape(*x.shape[: gamma.ndim + 1], -1)
    squashed = namespace(x).tanh(by_channel * alpha[..., None, None])
    out = squashed * gamma[..., None, :, None]
    out += beta[..., None, :, None]
    return out.reshape(x.shape), DynamicTanhCache(by_channel, squashed, alpha, gamma, x.shape)


def dynamic_tanh_backward(
    dout: Array, cache: DynamicTanhCache, into: Into = (None, None, None)
) -> tuple[Array, Array, Array, Array]:
    """dx = alpha * dz and dalpha = sum(x * dz), with dz = dout * gamma * (1 - tanh(alpha * x)**2).

    dout: the shape of x, the gradient with respect to out. into: arrays to write dalpha, dgamma and dbeta to.
    Returns dx, dalpha, dgamma, dbeta.
    """
    x, squashed, alpha, gamma, shape = cache
    require_shape("dout", dout, shape)
    dout = dout.reshape(x.shape)
    dbeta = sum_of_rows(dout.sum(axis=-1), out=into[2])
    dgamma = sum_of_rows((dout * squashed).sum(axis=-1), out=into[1])
    dz = dout * gamma[..., None, :, None]
    dz *= 1 - squashed * squashed
    dalpha = sum_of_rows((x * dz).sum(axis=(-2, -1))[..., None], out=into[0])
    dz *= alpha[..., None, None]
    return dz.reshape(shape), dalpha, dgamma, dbeta


def _fit(x: Array, alpha: Array, gamma: Array, beta: Array) -> list[Array]:
    """The parameters in the dtype of x. Raises ValueError unless alpha is one number, and the others have an
    entry for each channel of x."""
    parameters = {"alpha": alpha, "gamma": gamma, "beta": beta}
    for name, array in {"x": x, **parameters}.items():
        require_array(name, array)
    lead = max(gamma.ndim - 1, 0)
    if x.ndim < lead + 2 or x.dtype.kind != "f":
        raise ValueError(f"x must be floats of shape (N, D) or (N, C, ...), not {x.dtype} of shape {x.shape}")
    per_channel = (*x.shape[:lead], x.shape[lead + 1])
    expected = {"alpha": (*x.shape[:lead], 1), "gamma": per_channel, "beta": per_channel}
    for name, array in parameters.items():
        if array.shape != expected[name]:
            raise ValueError(f"{name} has shape {array.shape}; x {x.shape} needs {expected[name]}")
    return [array.astype(x.dtype, copy=False) for array in parameters.values()]


class DynamicTanh(Layer):
    """Dynamic tanh of rows, or of images with gamma and beta for each channel."""

    kind, title, family = "dynamic_tanh", "dynamic tanh", "normalization"
    pair = dynamic_tanh_forward, dynamic_tanh_backward
    axes = (1, 3)

    def __init__(self, features: int, alpha: float = 0.5):
        """features: of a row, or the channels of images. alpha: what it starts from (section 4)."""
        super().__init__([Parameter("alpha", "other", (1,), alpha), *scale_and_shift(features)])
