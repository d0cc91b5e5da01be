"""Fully connected networks: the course's `FullyConnectedNet`, and the architecture behind it."""

from collections.abc import Mapping, Sequence
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from lab.nn.affine import Affine
from lab.nn.backend import DType
from lab.nn.flatten import Flatten
from lab.nn.layer import Layer, Pair, PerMember, Shape
from lab.nn.models.architecture import Architecture, Settings, sizes_in_words
from lab.nn.network import Network
from lab.nn.validation import require_number

OLD_WORDS = {
    "dropout": "dropout_keep_ratio=, the share of units that stay",
    "use_batchnorm": 'normalization="batchnorm"',
}


def layers(settings: Settings, input_shape: Shape, num_classes: int) -> list[Layer]:
    """affine - [normalization] - [noise] - activation - [dropout] for each hidden layer, then affine."""
    chain: list[Layer]
    chain, size = [Flatten()], prod(input_shape)
    for units in map(int, settings.hidden_dims):
        affine = settings.linear(Affine(size, units))
        chain += [affine, *settings.before_activation((units,)), *settings.activating()]
        size = units
    return [*chain, Affine(size, num_classes)]


FULLY_CONNECTED = Architecture("fully connected", layers, ("hidden_dims",), sizes_in_words)


class FullyConnectedNet(Network):
    """affine - [normalization] - [noise] - activation - [dropout], once for each hidden layer, then
    affine - softmax.

    hidden_dims: sizes of the hidden layers. input_dim: features of a sample. num_classes: classes.
    normalization, dropout_keep_ratio, activation, eps, bn_momentum, convention, num_groups, noise: see
    `lab.nn.models.architecture.Settings`. reg, weight_scale, dtype, seed, initialization, data_seed, xp: see
    `lab.nn.network.Network`.
    layers: own function pairs in place of the lab's, such as {"batchnorm": (forward, backward)}.
    dropout, use_batchnorm: words of older courses, which are refused with those that took their place.

    weight_scale, reg, eps and seed may be sequences of length K, which makes a population of K members.
    Raises ValueError, naming the argument, for settings that don't exist or don't fit.
    """

    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int = 3 * 32 * 32,
        num_classes: int = 10,
        dropout_keep_ratio: float = 1,
        normalization: str | None = None,
        reg: PerMember = 0.0,
        weight_scale: PerMember = 1e-2,
        dtype: DType = np.float32,
        seed: PerMember = None,
        activation: str = "relu",
        initialization: str = "normal",
        eps: PerMember = 1e-5,
        bn_momentum: float | None = None,
        convention: str = "course",
        num_groups: int = 1,
        layers: Mapping[str, Pair] | None = None,
        noise: Mapping[str, float] | bool | None = None,
        data_seed: int | None = None,
        xp: ModuleType = np,
        *,
        dropout: Any = None,
        use_batchnorm: Any = None,
    ):
        for name, value in (("dropout", dropout), ("use_batchnorm", use_batchnorm)):
            if value is not None:
                raise ValueError(f"FullyConnectedNet has no {name}: write {OLD_WORDS[name]}")
        for name, value in (("input_dim", input_dim), ("num_classes", num_classes)):
            require_number(name, value, least=1, whole=True)
        settings = Settings(
            hidden_dims=hidden_dims, dropout_keep_ratio=dropout_keep_ratio, normalization=normalization,
            activation=activation, eps=eps, bn_momentum=bn_momentum, convention=convention,
            num_groups=num_groups, noise=noise,
        )  # fmt: skip
        shape, classes = (int(input_dim),), int(num_classes)
        super().__init__(
            FULLY_CONNECTED.chain(settings, shape, classes), shape, reg=reg, weight_scale=weight_scale,
            initialization=initialization, dtype=dtype, seed=seed, data_seed=data_seed, own=layers, xp=xp,
            members=settings.members,
        )  # fmt: skip
        self.input_dim = int(input_dim)
