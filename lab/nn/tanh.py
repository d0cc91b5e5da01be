"""Hyperbolic tangent: out = tanh(x)."""

import math

from lab.nn.backend import Array, namespace
from lab.nn.layer import Layer
from lab.nn.validation import require_shape


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """x: floats of any shape. Returns (out, cache), out with the shape and dtype of x."""
    out = namespace(x).tanh(x)
    return out, out


def tanh_backward(dout: Array, cache: Array) -> Array:
    """dout: the shape of x. Returns dx = dout * (1 - out**2)."""
    require_shape("dout", dout, cache.shape)
    return dout * (1 - cache * cache)


class Tanh(Layer):
    kind, title, family = "tanh", "tanh", "activation"
    pair = tanh_forward, tanh_backward
    saturates_beyond = math.atanh(math.sqrt(0.95))  # the slope is 1 - tanh(x)**2
