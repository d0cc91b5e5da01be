"""Flattening: the features of each sample in one row, (N, C, H, W) -> (N, C * H * W)."""

from math import prod

from lab.nn.backend import Array
from lab.nn.layer import Layer, Shape


class Flatten(Layer):
    """What stands between images and an affine layer."""

    kind, title = "flatten", "flattening"

    def out_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def forward(self, x: Array, training: bool) -> Array:
        self.cache = x.shape
        return x.reshape(*x.shape[: x.ndim - len(self.in_shape)], -1)

    def backward(self, dout: Array) -> Array:
        return dout.reshape(self.cache)
