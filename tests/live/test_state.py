"""What a page is told of a widget when it opens it."""

import json

import ipywidgets as widgets
import pytest

from lab.live import BackwardGraph, Explorer, LayerByHand, Sweep
from tests.live.screen import Screen
from tests.live.stage import CONFIG, live, small_data

MAKE = {
    "explorer": lambda: Explorer(CONFIG, data=small_data()),
    "sweep": lambda: Sweep(data=small_data(), hidden_dims=(8,), batch_size=10, epochs=1),
    "layer by hand": LayerByHand,
    "backward graph": BackwardGraph,
}


def everything(screen):
    """The widget and all that it is made of."""
    parts = [screen.widget, *screen.parts(widgets.Widget)]
    for figure in screen.figures:
        for one in (*figure.plot.marks, *figure.plot.axes):
            parts.append(one)
            parts += one.scales.values() if hasattr(one, "scales") else [one.scale]
    return parts + [part.layout for part in parts if hasattr(part, "layout")]


def only_bytes(value):
    """Arrays travel beside the message, and all else in it."""
    assert isinstance(value, memoryview | bytes), f"{value!r} can't be sent"
    return "bytes"


@pytest.mark.parametrize("name", MAKE)
@live
async def test_every_part_can_be_sent(name):
    """As it is when it is made, and when it has drawn something."""
    screen = Screen(MAKE[name]())
    for is_drawn in (False, True):
        if is_drawn and name in ("explorer", "sweep"):
            await screen.reach(step=10)
        for part in everything(screen):
            state = json.loads(json.dumps(part.get_state(), default=only_bytes))
            assert state["_model_name"]
    screen.widget.close()
