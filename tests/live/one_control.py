"""A control by itself, what it has told, and how to move it."""

import ipywidgets as widgets

from lab.live.controls import FIELDS, Control, from_config
from lab.train import Config

BY_NAME = {field.name: field for field in FIELDS}
DEFAULTS = from_config(Config())


class Heard(list):
    """The calls that a control made: (name, value) of changes, sentences of refusals."""

    def changed(self, name, value):
        self.append((name, value))

    refused = list.append


def control_of(name, value="as by default"):
    heard = Heard()
    value = DEFAULTS[name] if value == "as by default" else value
    return Control(BY_NAME[name], value, heard.changed, heard.refused), heard


def by_hand(control, **state):
    """What the front end sends when the slider is moved, a number is typed, or something is chosen."""
    kinds = {"position": widgets.IntSlider, "text": widgets.Text, "index": widgets.ToggleButtons}
    for name, value in state.items():
        (one,) = [child for child in control.children if isinstance(child, kinds[name])]
        one.set_state({"index" if name == "index" else "value": value})


def shown(control):
    """Text and slider's position of a number, or the label that is chosen."""
    inputs = control.children[:-1]
    return inputs[0].label if len(inputs) == 1 else tuple(one.value for one in inputs)
