"""The explorer's controls as data, and the widget that each of them is.

A control holds a value of its own: slider and number field only show it. Each of them reacts to what
differs from that value, so a change passes through once, whichever of the two it came from.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import ipywidgets as widgets

from lab.live import words
from lab.nn.layers import normalizing
from lab.nn.models.architecture import SHAPING
from lab.train import Config
from lab.train.config import unheard

NONE = "none"  # in place of None, which to a selection means that nothing is selected
MOST_TYPED = 20  # characters of what was typed that a sentence repeats
DEFAULT_WIDTH = Config().hidden_dims[0]  # shown for a network without hidden layers
LIVE_WIDTH_FACTOR = 1 / 16  # shown for a network that hears none: an update at full width takes seconds


@dataclass(frozen=True)
class Field:
    """What a control sets. It is either a number, with positions of its slider, or one of some choices."""

    name: str
    label: str
    explanation: str  # what it does and when it matters
    positions: tuple[float | None, ...] = ()  # rising; any number between first and last may be typed
    whole: bool = False
    usual: str = ""  # the word for None, which then comes before all positions
    choices: tuple[tuple[str, Any], ...] = ()  # (label, value)
    is_main: bool = False  # always shown, not behind the fold
    # Why a network with this configuration doesn't hear it, a sentence, "" where it does.
    idle: Callable[[Config], str] = lambda config: ""
    # Which of its choices a network with this configuration hears; None is all of them.
    heard: Callable[[Config], Collection] | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest number."""
        numbers = [position for position in self.positions if position is not None]
        return numbers[0], numbers[-1]

    def text(self, value: Any) -> str:
        """A number as it is shown and typed."""
        return self.usual if value is None else f"{value:.12g}".replace("e-0", "e-")

    def number(self, text: str) -> Any:
        """What was typed, as the configuration takes it. Raises ValueError, a sentence, for what can't be."""
        text, (least, most) = text.strip(), self.limits
        if self.usual and text in ("", self.usual):
            return None
        try:
            value = float(text if self.whole else text.replace(",", ".", 1))
            fits = least <= value <= most and not (self.whole and value % 1)
        except ValueError:
            fits = False
        if not fits:
            kind = "a whole number " if self.whole else ""
            said = text[:MOST_TYPED] or "empty"
            allowed = f"{kind}between {self.text(least)} and {self.text(most)}"
            raise ValueError(f"{self.label} must be {allowed}, not {said}")
        return int(value) if self.whole else value

    def joined(self, value: Any) -> "Field":
        """The field with this value allowed."""
        if self.choices:
            known = [choice for _, choice in self.choices]
            # First: that is where a selection stands when its choices change.
            return self if value in known else replace(self, choices=((str(value), value), *self.choices))
        least, most = self.limits
        if value in self.positions or least <= value <= most:
            return self
        rising = sorted({*self.positions, value}, key=lambda position: (position is not None, position))
        return replace(self, positions=tuple(rising))

    def nearest(self, value: Any) -> int:
        """The index of the position nearest to a value."""
        if value in self.positions:
            return self.positions.index(value)
        numbers = [index for index, position in enumerate(self.positions) if position is not None]
        return min(numbers, key=lambda index: abs(self.positions[index] - value))


def _decades(first: Any, last: Any, a_decade: int = 10) -> tuple:
    """Powers of ten from 10**first to 10**last, and equal ratios between them, in numbers that are read."""
    return tuple(float(f"{10 ** (k / a_decade):.2g}") for k in range(first * a_decade, last * a_decade + 1))


def _choices(labels: Any) -> tuple:
    """(label, value) of a table from values to labels."""
    return tuple((label, value) for value, label in labels.items())


def _of_initialization(config: Config) -> str:
    return "" if config.initialization == "normal" else "Without effect: the initialization sets it."


def _of_model(name: str) -> Callable:
    """Why a model doesn't hear this field."""

    def idle(config: Config) -> str:
        title = config.architecture.title
        return f"Without effect on a {title} network." if name in unheard(config.model) else ""

    return idle


def _of_normalization(name: str) -> Callable:
    """Why a normalization doesn't hear this field."""

    def idle(config: Config) -> str:
        if config.normalization is None:
            return "Without effect: there is no normalization."
        if any(name in layer.settings for layer in _normalizations(config)):
            return ""
        return f"Without effect on {words.NORMALIZATIONS[config.normalization]}."

    return idle


def _of_placement(config: Config) -> str:
    no_place = "" if config.normalization else "Without effect: there is no normalization."
    return _of_model("placement")(config) or no_place


def _normalizations(config: Config) -> list:
    """The classes of layers that normalize in a network with this configuration."""
    layers = normalizing(config.normalization, axes=len(config.architecture.least) or 1)
    return [layer for layer in layers if layer]


def _conventions(config: Config) -> Any:
    return {name for layer in _normalizations(config) for name in layer.conventions}


# In the order of the screen.
FIELDS = (
    Field(
        "weight_scale", "weight scale", "Spread of the first weights.",
        positions=_decades(-4, 0), is_main=True, idle=_of_initialization,
    ),
    Field(
        "batch_size", "batch size", "Samples in an update.",
        positions=(1, 2, 3, 5, 10, 20, 50, 100, 200, 500), whole=True, is_main=True,
    ),
    Field(
        "normalization", "normalization", "What each hidden layer standardizes.",
        choices=tuple((name.replace(" norm +", " +"), mode) for mode, name in words.NORMALIZATIONS.items()),
        is_main=True,
    ),
    Field(
        "learning_rate", "learning rate", "How far an update goes; too far, and the loss explodes.",
        positions=_decades(-5, 1),
    ),
    Field(
        "model", "model", "How the layers are put together.", choices=_choices(words.MODELS),
    ),
    Field(
        "depth", "depth", "Hidden layers or blocks; signals shrink or grow with each.",
        positions=(*range(1, 21), 32, 48, 64, 100), whole=True, idle=_of_model("hidden_dims"),
    ),
    Field(
        "width", "width", "Units or channels of a layer; more learn more, and slower.",
        positions=(5, 8, 10, 16, 20, 32, 50, 100, 200, 500), whole=True, idle=_of_model("hidden_dims"),
    ),
    Field(
        "width_factor", "width factor", "Share of the published channels; all of them learn slowly.",
        positions=tuple(1 / k for k in (32, 16, 8, 4, 2, 1)), idle=_of_model("width_factor"),
    ),
    Field(
        "placement", "placement", "Where a residual block has its normalization.",
        choices=_choices(words.PLACEMENTS), idle=_of_placement,
    ),
    Field(
        "activation", "activation", "What bends each unit's output; sigmoid and tanh saturate.",
        choices=_choices(words.ACTIVATIONS),
    ),
    Field(
        "initialization", "initialization", "He and Xavier set the weight scale from the layer's size.",
        choices=_choices(words.INITIALIZATIONS),
    ),
    Field(
        "optimizer", "optimizer", "How a gradient becomes an update; Adam hides its size.",
        choices=_choices(words.OPTIMIZERS),
    ),
    Field(
        "reg", "L2", "Pulls the weights to zero; against overfitting.",
        positions=(0.0, *_decades(-6, 1)),
    ),
    Field(
        "dropout_keep_ratio", "dropout keep ratio", "Share of units kept in an update; 1 is no dropout.",
        positions=tuple(k / 20 for k in range(2, 21)),
    ),
    Field(
        "eps", "eps", "Added to each variance; large, it switches the norm off.",
        positions=_decades(-12, -1, 1), idle=_of_normalization("eps"),
    ),
    Field(
        "noise", "noise", "Random shift and scale of each unit before its activation.",
        choices=(("off", False), ("on", True)),
    ),
    Field(
        "num_groups", "groups", "Of units in group norm; their number must divide the width.",
        positions=(1, 2, 4, 5, 8, 10, 20, 25, 50, 100, 125, 250, 500), whole=True,
        idle=_of_normalization("num_groups"),
    ),
    Field(
        "convention", "convention", "Details on which papers differ: the variance, the eps.",
        choices=(
            ("course", "course"), ("PyTorch", "pytorch"), ("unbiased variance", "unbiased"),
            ("eps outside the root", "eps_outside"), ("official weight std.", "official"),
            ("scaled weight std.", "scaled"),
        ),
        idle=_of_normalization("convention"), heard=_conventions,
    ),
    Field(
        "dataset", "data set", "What both networks learn; all but digits are downloaded.",
        choices=_choices(words.DATASETS),
    ),
    Field(
        "train_size", "training samples", "Few are soon learnt by heart; usual is 1000, or all.",
        positions=(None, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000),
        whole=True, usual="usual",
    ),
    Field(
        "seed", "seed", "Draws weights and minibatches; is it luck? Try another.",
        positions=tuple(range(100)), whole=True,
    ),
    Field(
        "epochs", "epochs", "Passes over the training samples until the run ends.",
        positions=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000), whole=True,
    ),
    Field(
        "backend", "device", "What computes; a GPU is worth it for wide networks only.",
        choices=_choices(words.DEVICES),
    ),
)  # fmt: skip
_DERIVED = ("depth", "width", "noise")  # not a field of Config, or not as it stands there
_SIZES = ("depth", "width")


def to_config(values: dict[str, Any], changed: str | None = None) -> dict[str, Any]:
    """The fields of `Config` that these values of controls make, by name; what the model doesn't hear is at
    its default.

    values: of all controls, by name; hidden_dims among them goes before depth and width. changed: only what
    this control has a part in; default: all.
    """
    made = {name: value for name, value in values.items() if name not in _SIZES}
    made.setdefault("hidden_dims", (values["width"],) * values["depth"])
    made |= unheard(values["model"])
    if changed is None:
        return made
    names = {"model": ("model", *SHAPING), **dict.fromkeys(_SIZES, ("hidden_dims",))}
    return {name: made[name] for name in names.get(changed, (changed,))}


def from_config(config: Config) -> dict[str, Any]:
    """The value of each control, by name; the width is that of the first hidden layer."""
    values = {field.name: getattr(config, field.name) for field in FIELDS if field.name not in _DERIVED}
    if "width_factor" in unheard(config.model):
        values["width_factor"] = LIVE_WIDTH_FACTOR
    return values | {
        "depth": len(config.hidden_dims),
        "width": (*config.hidden_dims, DEFAULT_WIDTH)[0],
        "noise": config.noise is not None,
    }


class Control(widgets.VBox):
    """Label, number field and slider, or label and choices, with an explanation below.

    value: to start from; one out of range, or not among the choices, joins them. changed(name, value) is
    called once for each change by hand. refused(sentence) is called where what was typed can't be; the last
    good value then stands there again. Both may be called on another thread.
    """

    def __init__(
        self,
        field: Field,
        value: Any,
        changed: Callable[[str, Any], None],
        refused: Callable[[str], None],
    ):
        self.field, self._value, self._changed, self._refused = field.joined(value), value, changed, refused
        self._is_locked, self._idle = False, ""
        self._heard: frozenset | None = None  # of the choices; None is all of them
        self._explanation = widgets.HTML(self._explained())
        self._inputs = self._number_and_slider() if field.positions else [self._selection()]
        super().__init__([*self._inputs, self._explanation])
        self.add_class("lab-control")
        self.add_class(f"lab-control-{field.name}")

    @property
    def value(self) -> Any:
        """What is set, as `from_config` gives it."""
        return self._value

    @property
    def is_locked(self) -> bool:
        """Whether it is locked against changes by hand."""
        return self._is_locked

    @is_locked.setter
    def is_locked(self, is_locked: Any) -> None:
        self._is_locked = is_locked
        self._rest()

    def hear(self, *configs: Config) -> None:
        """Rest, and say why, where no network with one of these configurations hears it; offer the choices
        that one of them hears. Without any configuration it doesn't rest, and offers all."""
        reasons = [self.field.idle(config) for config in configs]
        idle = reasons[0] if reasons and all(reasons) else ""
        if idle != self._idle:
            self._idle = idle
            self._explanation.value = self._explained()
            self._rest()
        if self.field.heard is not None:
            heard = frozenset().union(*map(self.field.heard, configs)) or None
            if heard != self._heard:
                self._heard = heard
                self._offer()

    def _rest(self) -> None:
        for one in self._inputs:
            one.disabled = self._is_locked or bool(self._idle)

    def show(self, value: Any) -> None:
        """Set the value from outside; `changed` is not called."""
        self.field, self._value = self.field.joined(value), value
        if self.field.positions:
            text, slider = self._inputs
            slider.max = len(self.field.positions) - 1
            slider.value, text.value = self.field.nearest(value), self.field.text(value)
            self._explanation.value = self._explained()
        else:
            self._offer()

    def _offer(self) -> None:
        """Show the choices that are heard and the one that is made; of an unheard one, the first is taken."""
        (selection,) = self._inputs
        options, value = self._options(), NONE if self._value is None else self._value
        selection.unobserve(self._choose, "value")
        with selection.hold_sync():
            if selection.options != options:
                selection.options = options
            selection.value = value if value in dict(options).values() else options[0][1]
        selection.observe(self._choose, "value")

    def _number_and_slider(self) -> list:
        text = widgets.Text(
            self.field.text(self._value), description=self.field.label, continuous_update=False
        )
        slider = widgets.IntSlider(
            self.field.nearest(self._value), 0, len(self.field.positions) - 1, readout=False,
            tooltip=self.field.label,
        )  # fmt: skip
        text.observe(self._type, "value")
        slider.observe(self._move, "value")
        return [text, slider]

    def _selection(self) -> Any:
        """Buttons: in a list, JupyterLab would take the arrow keys for itself, and letters for commands."""
        selection = widgets.ToggleButtons(
            options=self._options(), value=NONE if self._value is None else self._value,
            description=self.field.label, tooltip=self.field.label,
        )  # fmt: skip
        selection.observe(self._choose, "value")
        return selection

    def _options(self) -> tuple:
        return tuple(
            (label, NONE if value is None else value)
            for label, value in self.field.choices
            if self._heard is None or value in self._heard
        )

    def _explained(self) -> str:
        said = escape(self._idle or self.field.explanation)
        if self._idle:
            return f'<span class="lab-explanation">{said}</span>'
        if self.field.positions:
            least, most = map(self.field.text, self.field.limits)
            said += f" <span>{least} to {most}.</span>"
        return f'<span class="lab-explanation">{said}</span>'

    def _move(self, change: Any) -> None:
        if change["new"] != self.field.nearest(self._value):
            self._take(self.field.positions[change["new"]])

    def _type(self, change: Any) -> None:
        text, _ = self._inputs
        if change["new"] == self.field.text(self._value):
            return
        try:
            value = self.field.number(change["new"])
        except ValueError as error:
            text.value = self.field.text(self._value)
            self._refused(str(error))
        else:
            self._take(value)

    def _take(self, value: Any) -> None:
        """A number that was typed or moved to: slider and number field both show it."""
        text, slider = self._inputs
        before, self._value = self._value, value
        slider.value, text.value = self.field.nearest(value), self.field.text(value)
        if value != before:
            self._changed(self.field.name, value)

    def _choose(self, change: Any) -> None:
        value = None if change["new"] == NONE else change["new"]
        if value != self._value:
            self._value = value
            self._changed(self.field.name, value)
