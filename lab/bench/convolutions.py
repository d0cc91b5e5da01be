"""The thirteen convolutions of VGG16 (Simonyan and Zisserman, 2015, configuration D), without what is between
them, on minibatches of CIFAR's size.

Every candidate computes with the same images and weights: forward all thirteen, then backward, for the
gradients of weights, biases and, except for the data, images.
"""

import tracemalloc
from typing import NamedTuple

import numpy as np

from lab.nn import conv_backward, conv_forward
from lab.nn.conv import CHUNK
from lab.nn.images import channels_first

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # filters, convolutions; behind each images halve
BATCH_SIZE, SIDE, KERNEL = 128, 32, 3
PARAM = {"stride": 1, "pad": 1}


class Convolution(NamedTuple):
    """One of them, in float32. x: with channels last in memory."""

    x: np.ndarray  # (N, C, H, W)
    w: np.ndarray  # (F, C, HH, WW)
    b: np.ndarray  # (F,)

    @property
    def is_first(self):
        """Whether x is the data."""
        return self.x.shape[1] == 3


def convolutions(width):
    """All of them, from the first one on; width: what the published numbers of filters are multiplied by."""
    rng, channels, side, layers = np.random.default_rng(0), 3, SIDE, []
    for filters, repeats in BLOCKS:
        for _ in range(repeats):
            units = int(filters * width)
            x = channels_first(rng.standard_normal((BATCH_SIZE, side, side, channels), np.float32))
            w = rng.standard_normal((units, channels, KERNEL, KERNEL), np.float32)
            w *= np.float32((2 / w[0].size) ** 0.5)
            layers.append(Convolution(x, w, np.zeros(units, np.float32)))
            channels = units
        side //= 2
    return layers


class Lab:
    """The lab's convolutions."""

    def __init__(self, layers):
        self.layers = layers

    def gradients(self):
        """dx, dw, db of each convolution, from the last one on; what comes out of it is taken for dout."""
        forward = [conv_forward(layer.x, layer.w, layer.b, PARAM) for layer in self.layers]
        return [
            conv_backward(out, cache, needs_dx=not layer.is_first)
            for layer, (out, cache) in reversed(list(zip(self.layers, forward, strict=True)))
        ]

    def run(self):
        """Forward and backward of a minibatch: one update's worth."""
        self.gradients()
        return 0.0


class Floor:
    """The same products, of matrices that are ready, into arrays that are."""

    def __init__(self, layers):
        rng = np.random.default_rng(0)

        def matrix(*shape):
            return rng.standard_normal(shape, np.float32)

        self.products = []  # (two matrices, where their product goes, how often)
        for layer in layers:
            n, channels, height, width = layer.x.shape
            filters, area = len(layer.w), layer.w[0, 0].size
            rows = min(CHUNK, n * height * width)
            windows, kernels, out = (
                matrix(rows, area * channels),
                matrix(area * channels, filters),
                matrix(rows, filters),
            )
            each = [
                (windows, kernels, out),
                (matrix(filters, rows), windows, matrix(filters, area * channels)),
            ]
            if not layer.is_first:
                each.append(
                    (matrix(rows, area * filters), matrix(area * filters, channels), matrix(rows, channels))
                )
            self.products += [(*product, n * height * width // rows) for product in each]

    def run(self):
        """The products of a minibatch."""
        for one, other, out, times in self.products:
            for _ in range(times):
                np.matmul(one, other, out=out)
        return 0.0


def peak(layers):
    """MB that the lab holds at most, images and weights of all layers included."""
    tracemalloc.start()
    Lab(layers).run()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (most + sum(array.nbytes for layer in layers for array in layer)) / 2**20
