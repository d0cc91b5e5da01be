"""Rectified linear unit (Nair and Hinton, 2010): out = max(x, 0)."""

from lab.nn.backend import Array, namespace
from lab.nn.layer import Layer
from lab.nn.validation import require_shape


def relu_forward(x: Array) -> tuple[Array, Array]:
    """x: floats of any shape. Returns (out, cache), out with the shape and dtype of x."""
    xp = namespace(x)
    # NumPy's loop for the number 0 is much slower, and so is one over images in different orders of memory.
    zeros = xp.zeros(x.shape, x.dtype) if x.ndim < 4 else xp.zeros_like(x)
    return xp.maximum(x, zeros), x


def relu_backward(dout: Array, cache: Array) -> Array:
    """dout: the shape of x. Returns dx; at 0 the slope is taken to be 0."""
    require_shape("dout", dout, cache.shape)
    return dout * (cache > 0)


class ReLU(Layer):
    kind, title, family = "relu", "ReLU", "activation"
    pair = relu_forward, relu_backward
    cuts = True
