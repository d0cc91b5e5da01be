"""One `Config` says what is trained on what, and how; sliders, command line and results all speak it."""

import base64
import inspect
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from lab.nn.backend import BACKENDS
from lab.nn.network import validate as validate_network
from lab.nn.noise import NOISE
from lab.nn.optim import OPTIMIZERS
from lab.nn.schedule import SCHEDULES

SHARED = "nl1:"  # starts a configuration in one string; the digit is the version of the format
SAMPLINGS = ("epoch", "with_replacement")
AUGMENTATIONS = (None, "flip", "shift", "flip+shift")
PREPROCESSINGS = (None, "unit", "mean_image", "standardize")
# What a FullyConnectedNet is built from, besides the sizes that the data decides.
NETWORK_FIELDS = (
    "hidden_dims", "activation", "normalization", "num_groups", "noise", "initialization", "weight_scale",
    "reg", "dropout_keep_ratio", "eps", "bn_momentum", "convention", "seed", "data_seed", "dtype",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is trained on what, and how. Raises ValueError, naming the field, for what can't be.

    dataset, train_size, val_size (None: what the data set has), preprocessing: see `lab.data.load`.
    augmentation: None, "flip", "shift" (4 pixels) or "flip+shift".
    hidden_dims … convention: see `lab.nn.FullyConnectedNet`. noise: None, True or its sizes.
    optimizer: "sgd", "momentum", "rmsprop", "adam"; optim_config: its coefficients. learning_rate: the base
    rate of the schedule "constant", "step", "cosine" or "cyclic"; schedule_config: see `lab.nn.schedule`.
    batch_size; sampling: "epoch" visits every sample once an epoch, "with_replacement" draws each minibatch
    anew, as courses do; epochs. reg multiplies 0.5 * sum(w**2).
    seed: of the weights. data_seed: of split, minibatches, dropout and noise; None is `seed`.
    dtype: "float32" or "float64". backend: "numpy", "cupy" or "auto".
    """

    dataset: str = "digits"
    train_size: int | None = 1000
    val_size: int | None = None
    preprocessing: str | None = "standardize"
    augmentation: str | None = None
    hidden_dims: tuple[int, ...] = (100, 100, 100, 100, 100)
    activation: str = "relu"
    normalization: str | None = "batchnorm"
    num_groups: int = 5
    noise: Mapping[str, float] | bool | None = None
    initialization: str = "normal"
    weight_scale: float = 2e-2
    optimizer: str = "adam"
    optim_config: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float = 1e-3
    schedule: str = "constant"
    schedule_config: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 50
    sampling: str = "epoch"
    epochs: int = 10
    reg: float = 0.0
    dropout_keep_ratio: float = 1.0
    eps: float = 1e-5
    bn_momentum: float | None = None
    convention: str = "course"
    seed: int = 0
    data_seed: int | None = None
    dtype: str = "float32"
    backend: str = "numpy"

    def __post_init__(self):
        object.__setattr__(self, "hidden_dims", tuple(self.hidden_dims))
        for name in ("optim_config", "schedule_config"):
            object.__setattr__(self, name, dict(getattr(self, name)))
        if self.noise is True:
            object.__setattr__(self, "noise", NOISE.copy())
        elif not self.noise:
            object.__setattr__(self, "noise", None)
        _validate(self)
        validate_network({**self.network(), "layers": None, "input_dim": 1, "num_classes": 1})

    def __hash__(self):
        return hash(self.to_json())

    def network(self) -> dict[str, Any]:
        """The arguments of `FullyConnectedNet` that stand in the configuration."""
        return {name: getattr(self, name) for name in NETWORK_FIELDS}

    def replace(self, **changes) -> "Config":
        """A configuration that differs in these fields. Raises ValueError for fields that don't exist."""
        _require_fields(changes)
        return replace(self, **changes)

    def to_json(self) -> str:
        """All fields as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Read what `to_json` wrote; fields that are missing keep their defaults. Raises ValueError."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"this is not the JSON of a configuration: {error}") from None
        if not isinstance(values, dict):
            raise ValueError(f"the JSON of a configuration is an object, not {text[:40]!r}")
        _require_fields(values)
        return cls(**values)

    def share(self) -> str:
        """The configuration in one short string that can be pasted in a chat: "nl1:…"."""
        default = asdict(Config())
        changed = {name: value for name, value in asdict(self).items() if value != default[name]}
        packed = zlib.compress(json.dumps(changed, separators=(",", ":")).encode(), 9)
        return SHARED + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def from_share(cls, text: str) -> "Config":
        """Read what `share` wrote. Raises ValueError for a string that was cut or changed."""
        text = text.strip()
        if not text.startswith(SHARED):
            raise ValueError(f"a shared configuration starts with {SHARED!r}, this is {text[:12]!r}")
        packed = text[len(SHARED) :]
        try:
            unpacked = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))).decode()
        except (ValueError, zlib.error):
            raise ValueError(
                "this shared configuration is incomplete or changed: copy the whole string"
            ) from None
        return cls.from_json(unpacked)


def _require_fields(values):
    known = [f.name for f in fields(Config)]
    for name in values:
        if name not in known:
            raise ValueError(f"a configuration has no field {name!r}; it has: {', '.join(known)}")


def _validate(config):
    """Raise ValueError for whatever the network's own validation doesn't see."""
    choices = {
        "preprocessing": PREPROCESSINGS,
        "augmentation": AUGMENTATIONS,
        "optimizer": tuple(OPTIMIZERS),
        "schedule": tuple(SCHEDULES),
        "sampling": SAMPLINGS,
        "dtype": ("float32", "float64"),
        "backend": BACKENDS,
    }
    for name, allowed in choices.items():
        if getattr(config, name) not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(map(str, allowed))}, not {getattr(config, name)!r}"
            )
    least = {
        "train_size": 1,
        "val_size": 1,
        "num_groups": 1,
        "batch_size": 1,
        "epochs": 1,
        "seed": 0,
        "data_seed": 0,
    }
    optional = ("train_size", "val_size", "data_seed")
    for name, smallest in least.items():
        value = getattr(config, name)
        if value is None and name in optional:
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < smallest:
            raise ValueError(f"{name} must be a whole number from {smallest} on, not {value!r}")
    for name in ("weight_scale", "learning_rate", "reg", "dropout_keep_ratio", "eps", "bn_momentum"):
        value = getattr(config, name)
        if value is None and name == "bn_momentum":
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | np.number)
            or not np.isfinite(value)
        ):
            raise ValueError(f"{name} must be a number, not {value!r}")
    if config.learning_rate < 0:
        raise ValueError(f"learning_rate must not be negative, not {config.learning_rate!r}")
    if config.batch_size == 1 and "batchnorm" in (config.normalization or ""):
        raise ValueError(
            "batch_size 1 can't be batch-normalized: the variance of one row is zero. Take 2 or more."
        )
    _require_settings(config, "optim_config", OPTIMIZERS[config.optimizer].coefficients)
    taken = list(inspect.signature(SCHEDULES[config.schedule]).parameters)[3:]
    _require_settings(config, "schedule_config", taken)


def _require_settings(config, name, allowed):
    for setting, value in getattr(config, name).items():
        if setting not in allowed:
            raise ValueError(f"{name} has no {setting!r}; it may have: {', '.join(allowed) or 'nothing'}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name}[{setting!r}] must be a number, not {value!r}")
