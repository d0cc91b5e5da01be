"""What architectures are built from, and what one is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import numpy as np

from lab.nn.dropout import Dropout
from lab.nn.layer import Layer, PerMember, Shape, fit
from lab.nn.layers import ACTIVATIONS, CONVENTIONS, LAYERS, NORMALIZATIONS, normalizing
from lab.nn.linear import Linear
from lab.nn.noise import NOISE, Noise
from lab.nn.validation import require_choice, require_known, require_number, require_numbers, shown

MOST_LAYERS = 1000
PLACEMENTS = ("pre", "post", "sandwich")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that architectures are built from, and the layers that they make.

    hidden_dims: sizes of the hidden layers. placement: of the normalization in a residual block, see
    `lab.nn.models.residual`. width_factor: what the published numbers of channels are multiplied by.
    activation, normalization: one of `lab.nn.layers.ACTIVATIONS`, `NORMALIZATIONS`. eps, bn_momentum (None is
    the convention's), convention, num_groups: of the normalizations, see `lab.nn.standardize` and
    `lab.nn.weightstd`. noise: True, or sizes as in `lab.nn.noise.NOISE`. dropout_keep_ratio: probability to
    keep a unit; 1 is no dropout.
    Raises ValueError, naming the setting, its value and what is allowed.
    """

    hidden_dims: Sequence[int] = (100, 100, 100, 100, 100)
    placement: str = "pre"
    width_factor: float = 1.0
    activation: str = "relu"
    normalization: str | None = None
    num_groups: int = 1
    noise: Mapping[str, float] | bool | None = None
    dropout_keep_ratio: float = 1.0
    eps: PerMember = 1e-5
    bn_momentum: float | None = None
    convention: str = "course"

    def __post_init__(self) -> None:
        require_choice("normalization", self.normalization, NORMALIZATIONS)
        require_choice("activation", self.activation, ACTIVATIONS)
        require_choice("convention", self.convention, CONVENTIONS)
        require_choice("placement", self.placement, PLACEMENTS)
        require_number("width_factor", self.width_factor, above=0)
        sizes = self.hidden_dims
        if not isinstance(sizes, Sequence | np.ndarray) or isinstance(sizes, str):
            raise ValueError(f"hidden_dims must be a list of whole numbers, not {shown(sizes)}")
        if len(sizes) > MOST_LAYERS:
            raise ValueError(f"hidden_dims may have {MOST_LAYERS} layers, not {len(sizes)}")
        for size in sizes:
            require_number("each of hidden_dims", size, least=1, whole=True)
        require_numbers("eps", self.eps, least=0)
        require_number("dropout_keep_ratio", self.dropout_keep_ratio, above=0, most=1)
        if self.bn_momentum is not None:
            require_number("bn_momentum", self.bn_momentum, least=0, most=1)
        if not (self.noise is None or isinstance(self.noise, bool | Mapping)):
            raise ValueError(f"noise must be True, None or its sizes by name, not {self.noise!r}")
        if isinstance(self.noise, Mapping):
            require_known("noise", self.noise, NOISE)
            for name, amount in self.noise.items():
                require_number(f"noise[{name!r}]", amount)

    @property
    def members(self) -> int | None:
        """K where eps has a value for each member of a population, which no layer may hear."""
        return len(self.eps) if np.ndim(self.eps) else None

    def linear(self, layer: Linear) -> Linear:
        """The layer, whose weights are standardized if they are to be."""
        _, weights = normalizing(self.normalization)
        if weights:
            make: Callable[..., Any] = weights
            layer.weightstd = make(**self._taken_by(weights))
        return layer

    def normalization_of(self, shape: Shape) -> list[Layer]:
        """The normalization of samples of this shape, (D,) or (C, H, W), if there is one."""
        layer, _ = normalizing(self.normalization, axes=len(shape))
        make: Callable[..., Layer] | None = layer
        return [make(shape[0], **self._taken_by(layer))] if make and layer else []

    def before_activation(self, shape: Shape) -> list[Layer]:
        """The normalization and the noise, if there are any."""
        noise = [Noise(NOISE if self.noise is True else self.noise)] if self.noise else []
        return [*self.normalization_of(shape), *noise]

    def activating(self) -> list[Layer]:
        """The activation, and dropout if there is any."""
        dropout = [Dropout(self.dropout_keep_ratio)] if self.dropout_keep_ratio != 1 else []
        return [LAYERS[self.activation](), *dropout]

    def _taken_by(self, layer: type[Layer]) -> dict[str, Any]:
        given = {
            "eps": self.eps if np.ndim(self.eps) else float(self.eps),
            "momentum": self.bn_momentum,
            "num_groups": self.num_groups,
            "convention": self.convention if self.convention in layer.conventions else "course",
        }
        return {name: given[name] for name in layer.settings}


SETTINGS = tuple(field.name for field in fields(Settings))


@dataclass(frozen=True)
class Architecture:
    """A way to make chains of layers, found by its name in `lab.nn.models.MODELS`.

    title: the name in words. layers: (settings, input_shape, num_classes) -> the chain. shape: which of
    SHAPING it hears. in_words: (settings) -> its sizes, short. least: the smallest images that it takes,
    (C, H, W), or () where it takes rows.
    """

    title: str
    layers: Callable[[Settings, Shape, int], list[Layer]]
    shape: tuple[str, ...]
    in_words: Callable[[Any], str]
    least: Shape = ()

    def chain(self, settings: Settings, input_shape: Shape, num_classes: int) -> list[Layer]:
        """The layers, from the data to the scores. Raises ValueError for settings that don't fit."""
        fits = len(input_shape) == 3 and all(a >= b for a, b in zip(input_shape, self.least, strict=False))
        if self.least and not fits:
            _, height, width = self.least
            raise ValueError(
                f"{self.title} takes images of at least {height}×{width} pixels, not samples of shape "
                f"{input_shape}"
            )
        return self.layers(settings, input_shape, num_classes)

    def unheard(self) -> tuple[str, ...]:
        """Those of SHAPING that decide nothing about it."""
        return tuple(name for name in SHAPING if name not in self.shape)

    def size(self, settings: Settings, input_shape: Shape, num_classes: int) -> tuple[int, int]:
        """How many numbers a network of it learns, and how many come out of its layers for a sample."""
        chain = self.chain(settings, input_shape, num_classes)
        fit(chain, input_shape)
        layers = [layer for one in chain for layer in one.walk()]
        learned = sum(prod(parameter.shape) for layer in layers for parameter in layer.parameters)
        return learned, sum(prod(one.out_shape(one.in_shape)) for one in layers if one.in_shape is not None)


SHAPING = ("hidden_dims", "placement", "width_factor")  # what one architecture hears and another doesn't


def sizes_in_words(settings: Any) -> str:
    """Of the hidden layers: "5×100", "100-50"."""
    sizes = settings.hidden_dims
    if not len(sizes):
        return "no hidden layer"
    return f"{len(sizes)}×{sizes[0]}" if len(set(sizes)) == 1 else "-".join(map(str, sizes))
