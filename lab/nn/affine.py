"""Affine layer: out = x w + b."""

from lab.nn.backend import Array, namespace
from lab.nn.layer import Into, Parameter, Shape
from lab.nn.linear import Linear
from lab.nn.standardize import sum_of_rows
from lab.nn.validation import require_array, require_shape

AffineCache = tuple[Array, Array]  # x, w


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineCache]:
    """x: (N, ...), flattened to (N, D); w: (D, M); b: (M,). Returns (out, cache), out (N, M).

    In a population w is (K, D, M), b (K, M) and x (K, N, D), or (N, D) shared by all members.
    Raises ValueError when the sizes don't fit.
    """
    for name, array in ("x", x), ("w", w), ("b", b):
        require_array(name, array)
    flat = x.reshape(x.shape[0], -1) if w.ndim == 2 else x
    if flat.shape[-1] != w.shape[-2]:
        raise ValueError(
            f"x of shape {x.shape} has {flat.shape[-1]} features; w {w.shape} needs {w.shape[-2]}"
        )
    require_shape("b", b, (*w.shape[:-2], w.shape[-1]))
    out = flat @ w
    out += b[..., None, :]
    return out, (x, w)


def affine_backward(
    dout: Array, cache: AffineCache, into: Into = (None, None), needs_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dout: (..., N, M). Returns dx, dw, db.

    into: arrays (dw, db) to write to. needs_dx: False where x is the data, to save a product; dx is None.
    """
    x, w = cache
    flat = x.reshape(x.shape[0], -1) if w.ndim == 2 else x
    require_shape("dout", dout, (*w.shape[:-2], flat.shape[-2], w.shape[-1]))
    xp = namespace(dout)
    dw = xp.matmul(flat.swapaxes(-1, -2), dout, out=into[0])
    db = sum_of_rows(dout, out=into[1])
    dx = (
        (dout @ w.swapaxes(-1, -2)).reshape(x.shape if w.ndim == 2 else dout.shape[:-1] + (-1,))
        if needs_dx
        else None
    )
    return dx, dw, db


class Affine(Linear):
    kind, title = "affine", "affine layer"
    pair = affine_forward, affine_backward
    axes = (1,)

    def __init__(self, fan_in: int, fan_out: int):
        """fan_in, fan_out: features of a row before and after."""
        weight = Parameter("W", "weight", (fan_in, fan_out), fan_in=fan_in, fan_out=fan_out)
        super().__init__([weight, Parameter("b", "bias", (fan_out,))])

    def out_shape(self, shape: Shape) -> Shape:
        fan_in, fan_out = self.parameters[0].shape
        if shape != (fan_in,):
            raise ValueError(f"the affine layer takes rows of {fan_in} features, not {shape[0]}")
        return (fan_out,)
