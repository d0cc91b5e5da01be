"""Residual fully connected networks: blocks of constant width that add to a stream.

With F = affine behind an activation, and N the normalization, if there is one, a block makes of x

    x + F(x)            without a normalization
    x + F(N(x))         "pre", with one more N behind the last block (He and others, 2016, figure 4)
    N(x + F(x))         "post" (Vaswani and others, 2017, section 3.1)
    x + N(F(N(x)))      "sandwich" (Ding and others, 2021)

De and Smith (2020) and Xiong and others (2020) tell how far signals and gradients differ between them.
"""

from math import prod
from typing import Any

from lab.nn.affine import Affine
from lab.nn.composite import Residual
from lab.nn.flatten import Flatten
from lab.nn.layer import Layer, Shape
from lab.nn.models.architecture import Architecture, Settings, sizes_in_words


def layers(settings: Settings, input_shape: Shape, num_classes: int) -> list[Layer]:
    """affine, then a block for each of hidden_dims, then affine."""
    sizes = {int(size) for size in settings.hidden_dims}
    if len(sizes) != 1:
        given = tuple(settings.hidden_dims)
        raise ValueError(f"a residual network needs hidden_dims of one size, at least one, not {given}")
    (width,) = sizes
    chain = [Flatten(), Affine(prod(input_shape), width)]
    for _ in settings.hidden_dims:
        chain += block(settings, width)
    if settings.placement == "pre":
        chain += settings.normalization_of((width,))
    return [*chain, Affine(width, num_classes)]


def block(settings: Settings, width: int) -> list[Layer]:
    """What stands in the chain for one block."""
    affine = settings.linear(Affine(width, width))
    normalization = settings.normalization_of((width,))
    inside = [*settings.before_activation((width,)), *settings.activating(), affine]
    if settings.placement == "sandwich":
        return [Residual([*inside, *normalization])]
    if settings.placement == "post" and normalization:
        return [Residual([*settings.activating(), affine]), *settings.before_activation((width,))]
    return [Residual(inside)]


def in_words(settings: Any) -> str:
    """ "residual 64×50"."""
    return f"residual {sizes_in_words(settings)}"


RESIDUAL = Architecture("residual", layers, ("hidden_dims", "placement"), in_words)
