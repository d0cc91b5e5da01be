"""A small convolutional network."""

from math import prod
from typing import Any

from lab.nn.affine import Affine
from lab.nn.conv import Conv
from lab.nn.flatten import Flatten
from lab.nn.layer import Layer, Shape, fit
from lab.nn.max_pool import MaxPool
from lab.nn.models.architecture import Architecture, Settings, sizes_in_words

POOLED_FROM = 4  # pixels: smaller images are left as they are


def layers(settings: Settings, input_shape: Shape, num_classes: int) -> list[Layer]:
    """conv 3×3 - [normalization] - [noise] - activation - [dropout] for each of hidden_dims, its channels;
    max pooling 2×2 behind each as long as the image has four pixels a side; then affine."""
    chain, shape = [], input_shape
    for channels in map(int, settings.hidden_dims):
        conv = settings.linear(Conv(shape[0], channels))
        block = [conv, *settings.before_activation((channels, *shape[1:])), *settings.activating()]
        if min(shape[1:]) >= POOLED_FROM:
            block.append(MaxPool(2))
        chain += block
        shape = fit(block, shape)
    return [*chain, Flatten(), Affine(prod(shape), num_classes)]


def in_words(settings: Any) -> str:
    """ "convolutional 3×16"."""
    return f"convolutional {sizes_in_words(settings)}"


CONVOLUTIONAL = Architecture("convolutional", layers, ("hidden_dims",), in_words, least=(1, 1, 1))
