"""Leaky rectified linear unit (Maas, Hannun and Ng, 2013): out = x where x > 0, slope * x elsewhere."""

from lab.nn.backend import Array, namespace
from lab.nn.layer import Layer
from lab.nn.validation import require_shape

LeakyReLUCache = tuple[Array, float]  # x, slope


def leaky_relu_forward(x: Array, slope: float = 0.01) -> tuple[Array, LeakyReLUCache]:
    """x: floats of any shape. Returns (out, cache), out with the shape and dtype of x."""
    return namespace(x).where(x > 0, x, x * slope), (x, slope)


def leaky_relu_backward(dout: Array, cache: LeakyReLUCache) -> Array:
    """dout: the shape of x. Returns dx; at 0 the slope is taken to be that of the left side."""
    x, slope = cache
    require_shape("dout", dout, x.shape)
    return namespace(x).where(x > 0, dout, dout * slope)


class LeakyReLU(Layer):
    kind, title, family = "leaky_relu", "leaky ReLU", "activation"
    pair = leaky_relu_forward, leaky_relu_backward
    cuts = True
