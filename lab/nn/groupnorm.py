"""Group normalization (Wu and He, 2018, equations 1 to 7).

    out = gamma * x_hat + beta,    x_hat = (x - mean) / sqrt(var + eps)

The C channels of a sample are divided into groups; mean and variance (biased) are taken over the
channels and positions of one group in one sample. One group is layer norm over the sample, C groups
are instance norm.
"""

from numbers import Integral
from typing import Any, ClassVar, NamedTuple

from lab.nn.backend import Array
from lab.nn.layer import Into, Layer, Pair, Param, PerMember, Shape, scale_and_shift
from lab.nn.standardize import (
    CONVENTIONS,
    Standardized,
    convention_of,
    eps_of,
    standardize,
    standardize_backward,
)
from lab.nn.validation import require_array, require_number, require_shape


class GroupNormCache(NamedTuple):
    """What the backward pass needs; `standardized` is that of the groups, one a column."""

    standardized: Standardized  # x_hat: (..., channels and positions of a group, N * groups)
    gamma: Array  # (..., C)
    shape: Shape  # of x


def groupnorm_forward(x: Array, gamma: Array, beta: Array, gn_param: Param) -> tuple[Array, GroupNormCache]:
    """Normalize each group of channels of each sample, then scale and shift each channel.

    x: (N, C) or (N, C, *positions) floats, in a population (K, N, C, *positions).
    gamma, beta: (C,), in a population (K, C); their number of axes tells which of the two it is.
    gn_param: "num_groups", a divisor of C; optional "eps" (1e-5) and "convention".
    Returns (out, cache): out with the shape and dtype of x, and a GroupNormCache.
    Raises ValueError, naming the argument, for anything it can't normalize.
    """
    convention = convention_of(gn_param)
    groups = _by_group(x, gamma, beta, gn_param.get("num_groups"))
    standardized, _, _ = standardize(groups, eps_of(gn_param), convention.ddof, convention.root)
    x_hat = standardized.x_hat.swapaxes(-1, -2).reshape(x.shape)
    gamma = gamma.astype(x.dtype, copy=False)
    out = x_hat * _channels(gamma, x)
    out += _channels(beta.astype(x.dtype, copy=False), x)
    return out, GroupNormCache(standardized, gamma, x.shape)


def groupnorm_backward(
    dout: Array, cache: GroupNormCache, into: Into = (None, None)
) -> tuple[Array, Array, Array]:
    """dout: the shape of x, the gradient with respect to out. into: arrays to write dgamma and dbeta to.
    Returns dx, dgamma, dbeta."""
    standardized, gamma, shape = cache
    require_shape("dout", dout, shape)
    x_hat = standardized.x_hat.swapaxes(-1, -2).reshape(dout.shape)
    samples = gamma.ndim - 1
    others = (samples, *range(samples + 2, dout.ndim))
    dgamma = (dout * x_hat).sum(axis=others, out=into[0])
    dbeta = dout.sum(axis=others, out=into[1])
    columns = standardized.x_hat.swapaxes(-1, -2).shape
    dx_hat = (dout * _channels(gamma, dout)).reshape(columns).swapaxes(-1, -2)
    return standardize_backward(dx_hat, standardized).swapaxes(-1, -2).reshape(dout.shape), dgamma, dbeta


def _by_group(x: Array, gamma: Array, beta: Array, num_groups: Any) -> Array:
    """x as (..., size of a group, N * groups): one column for each group of each sample."""
    for name, array in ("x", x), ("gamma", gamma), ("beta", beta):
        require_array(name, array)
    lead = gamma.ndim - 1
    if x.ndim < lead + 2 or x.dtype.kind != "f":
        raise ValueError(f"x must be floats of shape (N, C, ...), not {x.dtype} of shape {x.shape}")
    expected = (*x.shape[:lead], x.shape[lead + 1])
    for name, per_channel in (("gamma", gamma), ("beta", beta)):
        if per_channel.shape != expected:
            raise ValueError(f"{name} has shape {per_channel.shape}; x {x.shape} needs {expected}")
    channels = x.shape[lead + 1]
    if not isinstance(num_groups, Integral) or num_groups < 1 or channels % num_groups:
        raise ValueError(f"num_groups must be a divisor of the {channels} channels, not {num_groups!r}")
    return x.reshape(*x.shape[:lead], x.shape[lead] * num_groups, -1).swapaxes(-1, -2)


def _channels(per_channel: Array, x: Array) -> Array:
    """(..., C) -> (..., 1, C, 1, ...), to combine with x."""
    positions = x.ndim - per_channel.ndim - 1
    shape = (*per_channel.shape[:-1], 1, per_channel.shape[-1], *[1] * positions)
    return per_channel.reshape(shape)


class GroupNorm(Layer):
    """Group normalization of rows."""

    kind, title, family = "groupnorm", "group norm", "normalization"
    pair: ClassVar[Pair] = (groupnorm_forward, groupnorm_backward)
    axes = (1,)
    settings: ClassVar[tuple[str, ...]] = ("eps", "convention", "num_groups")
    conventions = CONVENTIONS
    offered_with = ("weightstd",)

    def __init__(self, features: int, num_groups: int, eps: PerMember = 1e-5, convention: str = "course"):
        """num_groups: a divisor of the features. Raises ValueError for another number."""
        require_number("num_groups", num_groups, least=1, whole=True)
        if features % num_groups:
            raise ValueError(f"num_groups must divide the {features} units of each layer, not {num_groups!r}")
        param = {"eps": eps, "convention": convention, "num_groups": int(num_groups)}
        super().__init__(scale_and_shift(features), param)
