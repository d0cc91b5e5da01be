"""Affine layer: out = x w + b."""

from lab.nn.backend import namespace
from lab.nn.layer import Layer
from lab.nn.standardize import sum_of_rows
from lab.nn.validation import require_array, require_shape


def affine_forward(x, w, b):
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


def affine_backward(dout, cache, into=(None, None), needs_dx=True):
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


class Affine(Layer):
    """An affine layer that writes its gradients where the network wants them, and that may standardize
    its weights first."""

    is_first = False  # its input is the data: nobody needs dx
    weightstd: Layer | None = None  # a Layer that turns w into w_hat

    def forward(self, x, training):
        w, b = self.values
        if self.weightstd:
            w = self.weightstd.forward(w, training)
        out, self.cache = self.functions[0](x, w, b)
        return out

    def backward(self, dout):
        needs_dx = not self.is_first
        dx, dw, db = self.functions[1](dout, self.cache, into=self.gradients, needs_dx=needs_dx)
        if self.weightstd:
            dw = self.weightstd.backward(dw)
        self._keep((dw, db))
        return dx
