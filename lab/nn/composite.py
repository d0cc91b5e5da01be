"""Layers made of layers."""

from collections.abc import Iterable, Iterator

from lab.nn.backend import Array
from lab.nn.layer import Layer, Shape, fit


class Sequential(Layer):
    """Layers, one behind the other, as one."""

    kind = title = "sequential"

    def __init__(self, layers: Iterable[Layer]):
        super().__init__()
        self.layers = tuple(layers)

    def walk(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer.walk()

    def fit(self, shape: Shape) -> Shape:
        return fit(self.layers, super().fit(shape))

    def forward(self, x: Array, training: bool) -> Array:
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, dout: Array) -> Array:
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class Residual(Sequential):
    """x + F(x), where F is a chain of layers (He and others, 2016, equation 1)."""

    kind = title = "residual"

    def fit(self, shape: Shape) -> Shape:
        out = super().fit(shape)
        if out != shape:
            raise ValueError(f"what is added to x must have its shape {shape} a sample, not {out}")
        return shape

    def forward(self, x: Array, training: bool) -> Array:
        return x + super().forward(x, training)

    def backward(self, dout: Array) -> Array:
        return dout + super().backward(dout)
