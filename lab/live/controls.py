"""The explorer's controls as data, and the widget that each of them is.

A control holds a value of its own: slider and number field only show it. Each of them reacts to what
differs from that value, so a change passes through once, whichever of the two it came from.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import ipywidgets as widgets

from lab.live import words
from lab.train import Config

NONE = "none"  # in place of None, which to a selection means that nothing is selected
MOST_TYPED = 20  # characters of what was typed that a sentence repeats
DEFAULT_WIDTH = Config().hidden_dims[0]  # shown for a network without hidden layers


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
    # Whether a network with this configuration doesn't hear it, and the sentence that says so.
    is_idle: Callable[[Config], bool] = lambda config: False
    idle: str = ""

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest number."""
        numbers = [position for position in self.positions if position is not None]
        return numbers[0], numbers[-1]

    def text(self, value) -> str:
        """A number as it is shown and typed."""
        return self.usual if value is None else f"{value:.12g}".replace("e-0", "e-")

    def number(self, text: str):
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

    def joined(self, value) -> "Field":
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

    def nearest(self, value) -> int:
        """The index of the position nearest to a value."""
        if value in self.positions:
            return self.positions.index(value)
        numbers = [index for index, position in enumerate(self.positions) if position is not None]
        return min(numbers, key=lambda index: abs(self.positions[index] - value))


def _decades(first, last, a_decade=10):
    """Powers of ten from 10**first to 10**last, and equal ratios between them, in numbers that are read."""
    return tuple(float(f"{10 ** (k / a_decade):.2g}") for k in range(first * a_decade, last * a_decade + 1))


def _choices(labels):
    """(label, value) of a table from values to labels."""
    return tuple((label, value) for value, label in labels.items())


def _is_plain(config):
    return config.normalization is None


# In the order of the screen.
FIELDS = (
    Field(
        "weight_scale", "weight scale", "Spread of the first weights.",
        positions=_decades(-4, 0), is_main=True,
        is_idle=lambda config: config.initialization != "normal",
        idle="Without effect: the initialization sets it.",
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
        "depth", "depth", "Hidden layers; signals shrink or grow with each of them.",
        positions=tuple(range(1, 21)), whole=True,
    ),
    Field(
        "width", "width", "Units of each hidden layer; more learn more, and slower.",
        positions=(5, 10, 20, 50, 100, 200, 500), whole=True,
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
        positions=_decades(-12, -1, 1), is_idle=_is_plain, idle="Without effect: there is no normalization.",
    ),
    Field(
        "noise", "noise", "Random shift and scale of each unit before its activation.",
        choices=(("off", False), ("on", True)),
    ),
    Field(
        "num_groups", "groups", "Of units in group norm; their number must divide the width.",
        positions=(1, 2, 4, 5, 10, 20, 25, 50, 100, 125, 250, 500), whole=True,
        is_idle=lambda config: "groupnorm" not in (config.normalization or ""),
        idle="Without effect: there is no group norm.",
    ),
    Field(
        "convention", "convention", "Details on which papers differ: the variance, the eps.",
        choices=(
            ("course", "course"), ("PyTorch", "pytorch"), ("unbiased variance", "unbiased"),
            ("eps outside the root", "eps_outside"), ("official weight std.", "official"),
            ("scaled weight std.", "scaled"),
        ),
        is_idle=_is_plain, idle="Without effect: there is no normalization.",
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


def to_config(values: dict[str, Any], changed: str | None = None) -> dict[str, Any]:
    """The fields of `Config` that these values of controls make, by name.

    values: of all controls, by name. changed: only what this control has a part in; default: all.
    """
    made = {name: value for name, value in values.items() if name not in ("depth", "width")}
    made["hidden_dims"] = (values["width"],) * values["depth"]
    if changed is None:
        return made
    name = "hidden_dims" if changed in ("depth", "width") else changed
    return {name: made[name]}


def from_config(config: Config) -> dict[str, Any]:
    """The value of each control, by name; the width is that of the first hidden layer."""
    values = {field.name: getattr(config, field.name) for field in FIELDS if field.name not in _DERIVED}
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
        value,
        changed: Callable[[str, Any], None],
        refused: Callable[[str], None],
    ):
        self.field, self._value, self._changed, self._refused = field.joined(value), value, changed, refused
        self._is_locked = self._is_idle = False
        self._explanation = widgets.HTML(self._explained())
        self._inputs = self._number_and_slider() if field.positions else [self._selection()]
        super().__init__([*self._inputs, self._explanation])
        self.add_class("lab-control")
        self.add_class(f"lab-control-{field.name}")

    @property
    def value(self):
        """What is set, as `from_config` gives it."""
        return self._value

    @property
    def is_locked(self) -> bool:
        """Whether it is locked against changes by hand."""
        return self._is_locked

    @is_locked.setter
    def is_locked(self, is_locked):
        self._is_locked = is_locked
        self._rest()

    def hear(self, *configs: Config):
        """Rest, and say why, where no network with one of these configurations hears it."""
        is_idle = all(self.field.is_idle(config) for config in configs)
        if is_idle != self._is_idle:
            self._is_idle = is_idle
            self._explanation.value = self._explained()
            self._rest()

    def _rest(self):
        for one in self._inputs:
            one.disabled = self._is_locked or self._is_idle

    def show(self, value):
        """Set the value from outside; `changed` is not called."""
        self.field, self._value = self.field.joined(value), value
        if self.field.positions:
            text, slider = self._inputs
            slider.max = len(self.field.positions) - 1
            slider.value, text.value = self.field.nearest(value), self.field.text(value)
            self._explanation.value = self._explained()
        else:
            (selection,) = self._inputs
            if selection.options != self._options():
                selection.options = self._options()
            selection.value = NONE if value is None else value

    def _number_and_slider(self):
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

    def _selection(self):
        """Buttons: in a list, JupyterLab would take the arrow keys for itself, and letters for commands."""
        selection = widgets.ToggleButtons(
            options=self._options(), value=NONE if self._value is None else self._value,
            description=self.field.label, tooltip=self.field.label,
        )  # fmt: skip
        selection.observe(self._choose, "value")
        return selection

    def _options(self):
        return tuple((label, NONE if value is None else value) for label, value in self.field.choices)

    def _explained(self):
        said = escape(self.field.idle if self._is_idle else self.field.explanation)
        if self._is_idle:
            return f'<span class="lab-explanation">{said}</span>'
        if self.field.positions:
            least, most = map(self.field.text, self.field.limits)
            said += f" <span>{least} to {most}.</span>"
        return f'<span class="lab-explanation">{said}</span>'

    def _move(self, change):
        if change["new"] != self.field.nearest(self._value):
            self._take(self.field.positions[change["new"]])

    def _type(self, change):
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

    def _take(self, value):
        """A number that was typed or moved to: slider and number field both show it."""
        text, slider = self._inputs
        before, self._value = self._value, value
        slider.value, text.value = self.field.nearest(value), self.field.text(value)
        if value != before:
            self._changed(self.field.name, value)

    def _choose(self, change):
        value = None if change["new"] == NONE else change["new"]
        if value != self._value:
            self._value = value
            self._changed(self.field.name, value)
