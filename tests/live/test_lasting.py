"""What stays of a widget in a saved notebook: a picture of how it stood when it came to rest."""

import asyncio
import io
import re

import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.image import imread

from lab.files import ASSETS
from lab.live import BackwardGraph, Explorer, LayerByHand, Sweep, lasting, saving
from lab.plot import colours
from tests.live.stage import CONFIG, live, small_data, until

STYLE = (ASSETS / "explorer.css").read_text("utf-8")


class Output:
    """The handle of an output that a notebook shows."""

    def __init__(self):
        self.pngs = []

    def update(self, bundle, *, metadata, raw):
        assert metadata["image/png"]["width"] == lasting.WIDTH
        self.pngs.append(bundle["image/png"])


@pytest.fixture
def displayed(monkeypatch):
    """The outputs that were shown, each with its handle."""
    shown = []

    def display(bundle, *, metadata, raw, display_id):
        assert (raw, display_id) == (True, True)
        shown.append((bundle, metadata, Output()))
        return shown[-1][2]

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(lasting, "REST", 0.01)
    return shown


def holds(png, colour):
    """Whether a picture has points of this colour."""
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    picture = np.round(imread(io.BytesIO(png))[..., :3] * 255)
    return (np.abs(picture - rgb) < 3).all(axis=-1).any()


@live
async def test_an_explorer_leaves_its_last_curves(displayed):
    """Once it rests, and again after each rest; a widget's text is a sentence, not its traits."""
    explorer = Explorer(CONFIG.replace(epochs=6), data=small_data(), play=False)
    bundle, _ = DisplayFormatter().format(explorer)
    assert bundle["text/plain"] == "Explorer: run this cell, and it is live"
    ((first, metadata, output),) = displayed
    assert imread(io.BytesIO(first["image/png"])).shape[:2] == (1, 1)
    assert metadata["image/png"] == {"width": lasting.WIDTH, "height": 1}
    await until(lambda: explorer.frame is not None)
    await asyncio.sleep(0.1)
    assert output.pngs == []  # one update is nothing to keep
    explorer.race.play()
    await until(lambda: output.pngs)
    assert explorer.frame.is_done
    for role in ("chosen", "twin"):
        assert holds(output.pngs[0], colours.ROLES[role])
    explorer.race.choose(weight_scale=0.1)
    await until(lambda: len(output.pngs) == 2)
    explorer.close()


@live
async def test_a_sweep_leaves_its_last_curves(displayed):
    sweep = Sweep("batch_size", data=small_data(rows=300), epochs=1, hidden_dims=(5,))
    DisplayFormatter().format(sweep)
    await until(lambda: displayed[0][2].pngs)
    for mode in sweep.grid.axis.modes:
        assert holds(displayed[0][2].pngs[-1], colours.NORMALIZATIONS[mode])
    sweep.close()


@live
async def test_nothing_is_drawn_where_nobody_sees_it(monkeypatch):
    monkeypatch.setattr(lasting, "REST", 0.0)
    explorer = Explorer(CONFIG.replace(epochs=6), data=small_data())
    drawn = []
    monkeypatch.setattr(saving, "last_picture", lambda *_: drawn.append(1) or b"")
    await until(lambda: explorer.frame is not None and explorer.frame.is_done)
    await asyncio.sleep(0.05)
    assert drawn == []
    explorer.close()


def test_lessons_say_what_to_do():
    for widget in LayerByHand(), BackwardGraph():
        assert repr(widget) == f"{type(widget).__name__}: run this cell, and it is live"


def test_the_style_sheet_knows_the_picture():
    """It hides it beside the live widget, by its width."""
    assert re.findall(r'img\[width="(\d+)"\]', STYLE) == [str(lasting.WIDTH)]
