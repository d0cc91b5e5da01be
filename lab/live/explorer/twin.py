"""What the chosen network runs against: its twin, on the same data and the same minibatches."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from lab.live.task import DATA_FIELDS
from lab.train import Config
from lab.train.config import unheard

Twin = Callable[[Config], Config] | Config | Mapping | None


def without_normalization(config: Config) -> Config:
    """The twin that the explorer shows by default."""
    return config.replace(normalization=None)


def differences(config: Config, twin: Config) -> dict[str, Any]:
    """The fields in which the twin differs from the configuration, with the twin's values."""
    ours, theirs = asdict(config), asdict(twin)
    return {name: value for name, value in theirs.items() if value != ours[name]}


def varied(config: Config, differing: Mapping[str, Any]) -> Config:
    """The configuration with what differs in its twin, as far as the twin's model hears it."""
    return config.replace(**{**differing, **unheard(differing.get("model", config.model))})


def paired(config: Config, twin: Config) -> Config:
    """The twin on the configuration's data and minibatches, also where its weights have another seed.

    Raises ValueError for a twin that names other data.
    """
    if twin.data_seed is None and twin.seed != config.seed:
        twin = twin.replace(data_seed=config.stream_seed)
    for name in DATA_FIELDS:
        ours, theirs = getattr(config, name), getattr(twin, name)
        if ours != theirs and name != "dtype":  # networks of either take the same data
            raise ValueError(
                "the twin meets the chosen network's data, and the same minibatches: "
                f"its {'data_seed' if name == 'stream_seed' else name} must be {ours!r}, not {theirs!r}"
            )
    return twin
