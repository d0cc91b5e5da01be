"""Standardization: what batch, layer and group norm and weight standardization have in common.

    x_hat = (x - mean) * inv_std,    mean and variance over the second-to-last axis

With rows and columns swapped, layer norm is the same arithmetic on the transposed minibatch.
Functions take arrays of any number of leading axes, written `...`; NumPy and CuPy arrays alike.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lab.nn.backend import Array, namespace
from lab.nn.layer import Param
from lab.nn.validation import require_array, require_setting

BLOCK = 128  # rows that are added up one after the other


class Convention(NamedTuple):
    """Where published code differs in what it calls normalization."""

    ddof: int = 0  # the variance divides by n - ddof
    root: str = "inside"  # where eps stands; see `standardize`
    momentum: float = 0.9
    momentum_weighs: str = "running"  # or "batch": which of the two statistics it multiplies
    initial_var: float = 0.0
    running_ddof: int = 0  # the same for the variance that is kept for test mode


CONVENTIONS = {
    "course": Convention(),
    "pytorch": Convention(momentum=0.1, momentum_weighs="batch", initial_var=1.0, running_ddof=1),
    "unbiased": Convention(ddof=1),
    "eps_outside": Convention(root="outside"),
}


class Standardized(NamedTuple):
    """x_hat and what its backward pass needs."""

    x_hat: Array  # (..., N, D)
    inv_std: Array  # (..., D)
    dof: int  # what the sum of squares was divided by
    # -2 * (d inv_std / d var) / inv_std**3: 1 with eps inside the root, (std + eps) / std outside
    eps_factor: Array | float


def standardize(
    x: Array, eps: float | Array = 1e-5, ddof: int = 0, root: str = "inside"
) -> tuple[Standardized, Array, Array]:
    """Subtract the mean over the second-to-last axis and divide by the standard deviation.

    x: (..., N, D) floats. eps: number, or an array that combines with (..., D).
    root: "inside" 1 / sqrt(var + eps), "outside" 1 / (sqrt(var) + eps), "floor" 1 / sqrt(max(var, eps)).
    Returns (Standardized, mean, var), the statistics of shape (..., D).
    """
    n = x.shape[-2]
    dof = max(n - ddof, 1)
    first = x[..., :1, :]
    x_hat = x - first  # sums of what is far from zero would lose its digits in float32
    mean = sum_of_rows(x_hat) / n
    x_hat -= rows(mean)
    mean += first[..., 0, :]
    var = sum_of_rows(x_hat * x_hat) / dof

    inv_std, eps_factor = inverse_std(var, eps, root)
    x_hat *= rows(inv_std)
    return Standardized(x_hat, inv_std, dof, eps_factor), mean, var


def inverse_std(var: Array, eps: float | Array, root: str) -> tuple[Array, float | Array]:
    """What x - mean is multiplied by, in the dtype of var, and the `eps_factor` of its derivative."""
    xp = namespace(var)
    if root == "inside":
        inv_std, eps_factor = 1 / xp.sqrt(var + eps), 1.0
    elif root == "outside":
        std = xp.sqrt(var)
        inv_std = 1 / (std + eps)
        eps_factor = xp.where(std > 0, (std + eps) / xp.where(std > 0, std, 1), 1).astype(
            var.dtype, copy=False
        )
    else:
        inv_std = 1 / xp.sqrt(xp.maximum(var, eps))
        eps_factor = (var > eps).astype(var.dtype)  # below the floor the variance has no influence
    return inv_std.astype(var.dtype, copy=False), eps_factor


def standardize_backward(dx_hat: Array, standardized: Standardized) -> Array:
    """The closed form of the backward pass (Ioffe and Szegedy, 2015, section 3, with the nodes folded).

    dx = inv_std * (dx_hat - mean(dx_hat) - x_hat * sum(dx_hat * x_hat) / dof * eps_factor)

    dx_hat: (..., N, D). Returns dx of the same shape.
    """
    x_hat, inv_std, dof, eps_factor = standardized
    dx = x_hat * rows(sum_of_rows(dx_hat * x_hat) * eps_factor / -dof)
    dx += dx_hat
    dx -= rows(sum_of_rows(dx_hat) / dx_hat.shape[-2])
    dx *= rows(inv_std)
    return dx


def sum_of_rows(x: Array, out: Array | None = None) -> Array:
    """x: (..., N, D). Returns (..., D), the sum over N, in blocks, for float32 forgets what is added to a
    large sum."""
    n = x.shape[-2]
    if n <= BLOCK:
        return x.sum(axis=-2, out=out)
    parts = (x[..., i : i + BLOCK, :].sum(axis=-2) for i in range(0, n, BLOCK))
    total = sum(parts)
    if out is None:
        return total
    out[...] = total
    return out


def rows(per_feature: Array) -> Array:
    """(..., D) -> (..., 1, D), to combine with (..., N, D)."""
    return per_feature[..., None, :]


def fit(x: Array, per_feature: Array, name: str) -> Array:
    """per_feature in the dtype of x. Raises ValueError unless it has one entry for each feature of x."""
    require_array("x", x)
    require_array(name, per_feature)
    if x.ndim < 2 or x.dtype.kind != "f":
        raise ValueError(f"x must be floats of shape (N, D), not {x.dtype} of shape {x.shape}")
    expected = (*x.shape[:-2], x.shape[-1])
    if per_feature.shape != expected:
        raise ValueError(f"{name} has shape {per_feature.shape}; x {x.shape} needs {expected}")
    return per_feature.astype(x.dtype, copy=False)


def eps_of(param: Param) -> float | Array:
    """`param["eps"]` (1e-5), a number from 0 on; in a population also an array, one for each member."""
    eps = param.get("eps", 1e-5)
    require_setting("eps", eps)
    return eps


def convention_of(param: Param, table: Mapping[str, Any] = CONVENTIONS) -> Any:
    """The convention that `param["convention"]` is or names ("course"). Raises ValueError if unknown."""
    name = param.get("convention", "course")
    if isinstance(name, Convention):
        return name
    if name not in table:
        raise ValueError(f"convention must be one of {', '.join(table)}, not {name!r}")
    return table[name]
