"""What a live sweep goes through, as data: another axis is an entry in AXES."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.nn.models.architecture import PLACEMENTS

MODES = (None, "batchnorm", "layernorm")  # a curve for each normalization, where an axis names no others


def _spread(first: Any, last: Any, count: int = 20) -> tuple:
    """So many numbers at equal ratios from 10**first to 10**last, as they are read."""
    return tuple(float(f"{value:.2g}") for value in np.logspace(first, last, count))


@dataclass(frozen=True)
class Axis:
    """What a sweep goes through: values of a field of `Config`, numbers or choices.

    values: rising, or strings. base: of the logarithm that spreads numbers evenly; choices stand one apart.
    fields: what else is set. modes: the normalizations. once: those of them that make no difference between
    the values, so one network stands for all. seeds: how many networks a point trains, as one population,
    which start from different weights and meet the same minibatches.
    """

    values: tuple[Any, ...]
    base: int = 10
    fields: Mapping[str, Any] = field(default_factory=dict)
    modes: tuple[str | None, ...] = MODES
    once: tuple[str | None, ...] = ()
    seeds: int = 1

    @property
    def is_of_choices(self) -> bool:
        return isinstance(self.values[0], str)

    @property
    def places(self) -> np.ndarray:
        """Where the values stand: their logarithms, or their numbers."""
        if self.is_of_choices:
            return np.arange(len(self.values), dtype=float)
        return np.log(self.values) / np.log(self.base)

    def nearest(self, value: Any) -> int:
        """The index of the value nearest to a number; of a choice that isn't there, the first."""
        if self.is_of_choices:
            return self.values.index(value) if value in self.values else 0
        return int(np.abs(np.array(self.values) - value).argmin())


AXES = {
    "weight_scale": Axis(_spread(-4, 0)),
    "batch_size": Axis(tuple(2**k for k in range(1, 9)), base=2, fields={"initialization": "he"}),
    "learning_rate": Axis(
        _spread(-3, 1), fields={"initialization": "he", "optimizer": "sgd", "learning_rate": 0.1}
    ),
    "activation": Axis(
        ("relu", "leaky_relu", "tanh", "sigmoid"),
        fields={"initialization": "he", "hidden_dims": (50,) * 8}, seeds=5,
    ),
    "placement": Axis(
        PLACEMENTS, modes=(None, "batchnorm", "layernorm", "rmsnorm"), once=(None,), seeds=3,
        fields={
            "model": "residual", "hidden_dims": (20,) * 64, "initialization": "he", "batch_size": 50,
            "optimizer": "sgd", "learning_rate": 0.05, "epochs": 2,
        },
    ),
}  # fmt: skip
