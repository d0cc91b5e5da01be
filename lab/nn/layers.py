"""The registry of layers: everything that lists layers, normalizations or activations reads it here."""

import sys
from collections.abc import Callable
from typing import Any

from lab.nn.affine import Affine
from lab.nn.avg_pool import AvgPool
from lab.nn.batchnorm import BatchNorm
from lab.nn.conv import Conv
from lab.nn.dropout import Dropout
from lab.nn.dynamic_tanh import DynamicTanh
from lab.nn.flatten import Flatten
from lab.nn.groupnorm import GroupNorm
from lab.nn.identity import Identity
from lab.nn.layer import Layer
from lab.nn.layernorm import LayerNorm
from lab.nn.leaky_relu import LeakyReLU
from lab.nn.max_pool import MaxPool
from lab.nn.noise import Noise
from lab.nn.relu import ReLU
from lab.nn.rmsnorm import RMSNorm
from lab.nn.sigmoid import Sigmoid
from lab.nn.spatial_batchnorm import SpatialBatchNorm
from lab.nn.spatial_groupnorm import SpatialGroupNorm, SpatialLayerNorm
from lab.nn.tanh import Tanh
from lab.nn.weightstd import WeightStd

LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in (
        Affine,
        Conv,
        Flatten,
        MaxPool,
        AvgPool,
        BatchNorm,
        LayerNorm,
        GroupNorm,
        SpatialBatchNorm,
        SpatialLayerNorm,
        SpatialGroupNorm,
        RMSNorm,
        DynamicTanh,
        SpatialBatchNorm,
        SpatialLayerNorm,
        SpatialGroupNorm,
        WeightStd,
        Noise,
        ReLU,
        LeakyReLU,
        Sigmoid,
        Tanh,
        Identity,
        Dropout,
    )
}
# The functions of all layers by the names that courses know them by.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: function
    for layer in LAYERS.values()
    for name, function in vars(sys.modules[layer.__module__]).items()
    if name.startswith((f"{layer.kind}_forward", f"{layer.kind}_backward"))
}
ACTIVATIONS = tuple(kind for kind, layer in LAYERS.items() if layer.family == "activation")
_OF_ACTIVATIONS = [
    layer for layer in LAYERS.values() if layer.family == "normalization" and not layer.instead_of
]
_OF_WEIGHTS = [layer for layer in LAYERS.values() if layer.family == "weights"]
NORMALIZATIONS: tuple[str | None, ...] = (
    None,
    *(layer.kind for layer in _OF_ACTIVATIONS),
    *(layer.kind for layer in _OF_WEIGHTS),
    *(
        f"{layer.kind}+{weights.kind}"
        for weights in _OF_WEIGHTS
        for layer in _OF_ACTIVATIONS
        if weights.kind in layer.offered_with
    ),
)
CONVENTIONS = tuple(dict.fromkeys(name for layer in LAYERS.values() for name in layer.conventions))


def normalizing(normalization: str | None, axes: int = 1) -> tuple[type[Layer] | None, type[Layer] | None]:
    """The layers that normalize activations and weights, None for none, in a value of NORMALIZATIONS.

    axes: how many a sample has; images have forms of their own.
    """
    layers = [LAYERS[kind] for kind in (normalization or "").split("+") if kind]
    activations = next((layer for layer in layers if layer.family == "normalization"), None)
    if activations and axes not in activations.axes:
        activations = next(
            (one for one in LAYERS.values() if one.instead_of == activations.kind and axes in one.axes), None
        )
    return activations, next((layer for layer in layers if layer.family == "weights"), None)


def normalization_in_words(normalization: str | None) -> str:
    """A value of NORMALIZATIONS as it is read: "group norm + weight std."."""
    return " + ".join(LAYERS[kind].title for kind in normalization.split("+")) if normalization else "none"
