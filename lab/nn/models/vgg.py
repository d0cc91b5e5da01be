"""VGG (Simonyan and Zisserman, 2015, table 1, columns A, B, D and E), as small images take it.

Five stages of convolutions 3×3, each followed by max pooling 2×2; behind them one affine layer in the place
of the three that images of 224 pixels had. Normalizations stand behind the convolutions.
"""

from functools import partial
from math import prod
from typing import Any

from lab.nn.affine import Affine
from lab.nn.conv import Conv
from lab.nn.flatten import Flatten
from lab.nn.layer import Layer, Shape
from lab.nn.max_pool import MaxPool
from lab.nn.models.architecture import Architecture, Settings

CHANNELS = (64, 128, 256, 512, 512)  # of each stage, at full width
DEPTHS = {  # layers with weights, of which three were affine: convolutions of each stage
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
LEAST = (1, 32, 32)  # five poolings leave one pixel


def layers(stages: Shape, settings: Settings, input_shape: Shape, num_classes: int) -> list[Layer]:
    """conv - [normalization] - [noise] - activation - [dropout] for each convolution, then affine."""
    chain, shape = [], input_shape
    for convolutions, channels in zip(stages, CHANNELS, strict=True):
        channels = max(1, round(channels * settings.width_factor))
        block = []
        for _ in range(convolutions):
            conv = settings.linear(Conv(shape[0], channels))
            shape = conv.fit(shape)
            block += [conv, *settings.before_activation(shape), *settings.activating()]
        pool = MaxPool(2)
        shape = pool.fit(shape)
        chain += [*block, pool]
    return [*chain, Flatten(), Affine(prod(shape), num_classes)]


def in_words(name: str, settings: Any) -> str:
    """ "VGG 11", "VGG 11 at width ×0.25"."""
    return name if settings.width_factor == 1 else f"{name} at width ×{settings.width_factor:g}"


VGG = {
    f"vgg{depth}": Architecture(
        f"VGG {depth}", partial(layers, stages), ("width_factor",), partial(in_words, f"VGG {depth}"), LEAST
    )
    for depth, stages in DEPTHS.items()
}
