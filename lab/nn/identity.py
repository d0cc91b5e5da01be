"""The identity, out = x: the activation function of deep linear networks (Saxe and others, 2014)."""

from lab.nn.backend import Array
from lab.nn.layer import Layer, Shape
from lab.nn.validation import require_array, require_shape


def identity_forward(x: Array) -> tuple[Array, Shape]:
    """x: floats of any shape. Returns (out, cache), out a copy: a layer behind may work in place."""
    require_array("x", x)
    return x.copy(), x.shape


def identity_backward(dout: Array, cache: Shape) -> Array:
    """dout: the shape of x. Returns dx, a copy."""
    require_shape("dout", dout, cache)
    return dout.copy()


class Identity(Layer):
    kind, title, family = "identity", "identity", "activation"
    pair = identity_forward, identity_backward
