"""Logistic sigmoid: out = 1 / (1 + exp(-x))."""

import math

from lab.nn.backend import Array, namespace
from lab.nn.layer import Layer
from lab.nn.validation import require_shape


def sigmoid_forward(x: Array) -> tuple[Array, Array]:
    """x: floats of any shape. Returns (out, cache), out with the shape and dtype of x."""
    # (1 + tanh(x / 2)) / 2 is the same function, and doesn't overflow.
    out = namespace(x).tanh(x * 0.5)
    out += 1
    out *= 0.5
    return out, out


def sigmoid_backward(dout: Array, cache: Array) -> Array:
    """dout: the shape of x. Returns dx = dout * out * (1 - out)."""
    require_shape("dout", dout, cache.shape)
    return dout * cache * (1 - cache)


class Sigmoid(Layer):
    kind, title, family = "sigmoid", "sigmoid", "activation"
    pair = sigmoid_forward, sigmoid_backward
    saturates_beyond = 2 * math.atanh(math.sqrt(0.95))  # the slope is (1 - tanh(x / 2)**2) / 4
