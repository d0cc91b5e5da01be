"""One `Config` says what is trained on what, and how; sliders, command line and results all speak it."""

import base64
import inspect
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from lab.nn.backend import BACKENDS
from lab.nn.models import MODELS
from lab.nn.models.architecture import SETTINGS, Architecture, Settings
from lab.nn.noise import NOISE
from lab.nn.optim import OPTIMIZERS
from lab.nn.population import validate as validate_network
from lab.nn.schedule import SCHEDULES
from lab.nn.validation import require_choice, require_known, require_number

SHARED = "nl1:"  # starts a configuration in one string; the digit is the version of the format
MOST_SHARED = 20_000  # letters of JSON in it: a thousand layers have fewer
SAMPLINGS = ("epoch", "with_replacement")
AUGMENTATIONS: tuple[str | None, ...] = (None, "flip", "shift", "flip+shift")
PREPROCESSINGS: tuple[str | None, ...] = (None, "unit", "mean_image", "standardize")
# From where to where the coefficients of optimizers and schedules go.
COEFFICIENTS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("momentum", "decay_rate", "beta1", "beta2"), (0, 1 - 1e-9)),
    **dict.fromkeys(("epsilon", "factor", "final", "lowest"), (0, np.inf)),
    **dict.fromkeys(("every", "half_cycle", "rise"), (1, np.inf)),
}
# What a network is built from, besides the sizes that the data decides.
NETWORK_FIELDS = (
    "model", *SETTINGS, "initialization", "weight_scale", "reg", "seed", "data_seed", "dtype",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Config:
    """What is trained on what, and how. Raises ValueError, naming the field, for what can't be.

    dataset, val_size, preprocessing: see `lab.data.load`. train_size: None is 1000, or all if fewer.
    augmentation: None, "flip", "shift" (4 pixels) or "flip+shift".
    model: an architecture, see `lab.nn.models.MODELS`. hidden_dims … convention: see
    `lab.nn.models.architecture.Settings`; what the model doesn't hear of hidden_dims, placement and
    width_factor stays at its default.
    optimizer: "sgd", "momentum", "rmsprop", "adam"; optim_config: its coefficients. learning_rate: the base
    rate of the schedule "constant", "step", "cosine", "cyclic" or "warmup"; schedule_config: see
    `lab.nn.schedule`.
    batch_size; sampling: "epoch" visits every sample once an epoch, "with_replacement" draws each minibatch
    anew, as courses do; epochs. reg multiplies 0.5 * sum(w**2).
    seed: of the weights. data_seed: of split, minibatches, dropout and noise; None is `seed`.
    dtype: "float32" or "float64". backend: "numpy", "cupy" or "auto".
    """

    dataset: str = "digits"
    train_size: int | None = None
    val_size: int | None = None
    preprocessing: str | None = "standardize"
    augmentation: str | None = None
    model: str = "fully_connected"
    hidden_dims: tuple[int, ...] = (100, 100, 100, 100, 100)
    placement: str = "pre"
    width_factor: float = 1.0
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

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            object.__setattr__(self, name, _plain(value))
        if self.noise is True:
            object.__setattr__(self, "noise", NOISE.copy())
        elif not self.noise:
            object.__setattr__(self, "noise", None)
        _validate(self)

    def __hash__(self) -> int:
        return hash(self.to_json())

    @property
    def stream_seed(self) -> int:
        """The seed of split, minibatches, dropout and noise."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def architecture(self) -> Architecture:
        """What the model is built by."""
        return MODELS[self.model]

    @property
    def settings(self) -> Settings:
        """What its layers are made from."""
        return Settings(**{name: getattr(self, name) for name in SETTINGS})

    def network(self) -> dict[str, Any]:
        """The arguments of `lab.nn.models.build` that stand in the configuration."""
        return {name: getattr(self, name) for name in NETWORK_FIELDS}

    def replace(self, **changes: Any) -> "Config":
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
        except (TypeError, ValueError, RecursionError) as error:  # of numbers and brackets without end, too
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
        text = str(text).strip()
        if not text.startswith(SHARED):
            raise ValueError(f"a shared configuration starts with {SHARED!r}, this is {text[:12]!r}")
        packed = text[len(SHARED) :]
        try:
            raw = base64.b64decode(packed + "=" * (-len(packed) % 4), b"-_", validate=True)
            reader = zlib.decompressobj()
            unpacked = reader.decompress(raw, MOST_SHARED).decode()
        except (ValueError, zlib.error):
            reader, unpacked = None, ""
        if reader is None or not (reader.eof or reader.unconsumed_tail):
            raise ValueError("this shared configuration is incomplete or changed: copy the whole string")
        if not reader.eof:
            raise ValueError(f"this shared configuration holds more than {MOST_SHARED} letters: too many")
        return cls.from_json(unpacked)


def unheard(model: str) -> dict[str, Any]:
    """The fields that decide nothing about a model, and their defaults, where they have to stay."""
    default = {field.name: field.default for field in fields(Config)}
    return {name: default[name] for name in MODELS[model].unheard()}


def _plain(value: Any) -> Any:
    """The value without NumPy's types, and a copy of what could be changed from outside."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _require_fields(values: Iterable[str]) -> None:
    require_known("a configuration", values, [f.name for f in fields(Config)])


def _validate(config: Config) -> None:
    """Raise ValueError for what can't be trained, whatever the data."""
    require_choice("model", config.model, MODELS)
    architecture = config.architecture
    for name, default in unheard(config.model).items():
        if getattr(config, name) != default:
            raise ValueError(
                f"a {architecture.title} network has no {name}: leave it at {default!r}, "
                f"not {getattr(config, name)!r}"
            )
    chain = architecture.chain(config.settings, architecture.least or (1,), 1)
    require_choice("preprocessing", config.preprocessing, PREPROCESSINGS)
    require_choice("augmentation", config.augmentation, AUGMENTATIONS)
    require_choice("dtype", config.dtype, ("float32", "float64"))
    require_choice("backend", config.backend, BACKENDS)
    for name in ("train_size", "val_size", "data_seed"):
        if getattr(config, name) is not None:
            require_number(name, getattr(config, name), least=0 if name == "data_seed" else 1, whole=True)
    # Here one number, not one for each member.
    for name in ("seed", "weight_scale", "learning_rate", "reg", "eps"):
        require_number(name, getattr(config, name), least=0, whole=name == "seed")
    validate_network(vars(config))
    validate_schedule(vars(config))
    if config.batch_size == 1 and any(one.needs_batch for layer in chain for one in layer.walk()):
        raise ValueError(
            "batch_size 1 can't be batch-normalized: the variance of one row is zero. Take 2 or more."
        )


def validate_schedule(given: Mapping[str, Any]) -> None:
    """Check how it is trained: optimizer, learning_rate, schedule, batch_size, … {name: value}.

    Raises ValueError, naming the field, the value and what is allowed.
    """
    require_choice("optimizer", given["optimizer"], OPTIMIZERS)
    require_choice("schedule", given["schedule"], SCHEDULES)
    require_choice("sampling", given["sampling"], SAMPLINGS)
    for name in ("batch_size", "epochs"):
        require_number(name, given[name], least=1, whole=True)
    for rate in np.ravel(np.asarray(given["learning_rate"], dtype=object)):
        require_number("learning_rate", rate, least=0)
    taken = list(inspect.signature(SCHEDULES[given["schedule"]]).parameters)[3:]
    for name, known in (
        ("optim_config", OPTIMIZERS[given["optimizer"]].coefficients),
        ("schedule_config", taken),
    ):
        settings = given[name]
        if not isinstance(settings, Mapping):
            raise ValueError(f"{name} must be a dict of settings by name, not {settings!r}")
        require_known(name, settings, known)
        for setting, value in settings.items():
            least, most = COEFFICIENTS[setting]
            require_number(f"{name}[{setting!r}]", value, least, most)
