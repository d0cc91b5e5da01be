"""What leaves an explorer: a string to share, a table, pictures."""

import csv
import io
import re
from base64 import b64decode

import numpy as np
import pytest

from lab.live import saving
from lab.live.controls import from_config
from lab.live.explorer.parts import SAVED
from lab.plot import colours
from tests.live.explorer.one_explorer import assert_all_shows_the_last_frame, explore
from tests.live.stage import CONFIG, frames_pass, live, until


@live
async def test_a_shared_string_opens():
    """Typed or pasted: all controls move, and the twin is the usual one."""
    shared = CONFIG.replace(weight_scale=0.5, hidden_dims=(10, 10, 10), normalization="layernorm", noise=True)
    with explore(play=False, twin=CONFIG.replace(seed=7)) as screen:
        await screen.reach(run=1)
        assert screen.control("share").value == CONFIG.share()
        screen.control("share").value = f" {shared.share()} "
        await screen.reach(run=2)
        assert screen.frame.chosen.config == shared == screen.config
        assert screen.frame.twin.config == shared.replace(normalization=None)
        assert screen.values == from_config(shared)
        assert_all_shows_the_last_frame(screen)
        assert f"'{shared.share()}'" in screen.html("lab-copy")
        await frames_pass(5)
        assert screen.now["run"] == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (CONFIG.share()[:-3], "this shared configuration is incomplete or changed: copy the whole string"),
        ("hello", "a shared configuration starts with 'nl1:', this is 'hello'"),
        ("", "a shared configuration starts with 'nl1:', this is ''"),
    ],
)
@live
async def test_a_broken_string_is_refused_and_the_field_returns(wrong, said):
    with explore(play=False) as screen:
        await screen.reach(run=1)
        screen.control("share").value = wrong
        await until(lambda: said in screen.sentence)
        assert screen.control("share").value == CONFIG.share()
        await frames_pass(5)
        assert screen.now["run"] == 1


@live
async def test_the_string_follows_the_controls():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        screen.control("batch size").value = 25
        await screen.reach(run=2)
        assert screen.control("share").value == CONFIG.replace(batch_size=25).share()
        assert screen.control("share").value in screen.html("lab-copy")


def saved(screen, what):
    """(name, content) of the link that Save makes."""
    screen.control("what to save").value = what
    screen.press("Save")
    name, packed = re.search(
        r'download="([^"]+)" href="data:[^,]+;base64,([^"]+)"', screen.html("lab-save")
    ).groups()
    return name, b64decode(packed)


@live
async def test_curves_are_saved_as_a_table():
    """All that is drawn, by name: chosen, twin, ghost and pinned."""
    with explore(speed=10) as screen:
        await screen.reach(step=12)
        await screen.rest()
        screen.press("Pin this run")
        pinned = screen.frame.chosen
        screen.control("name of the run", 0).value = "the first, to compare"
        screen.control("batch size").value = 25
        await screen.reach(run=2)
        await screen.step(2)
        name, content = saved(screen, "curves as CSV")
        assert name == "curves.csv"
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        frame = screen.frame
        sides = {
            "before: batch size 10": frame.ghost, "the first, to compare": pinned,
            "no normalization": frame.twin, "batch norm": frame.chosen,
        }  # fmt: skip
        assert list(dict.fromkeys(row["run"] for row in rows)) == list(sides)
        for name, side in sides.items():
            losses = [float(row["loss"]) for row in rows if row["run"] == name]
            np.testing.assert_array_equal(losses, side.loss)


@live
async def test_a_link_is_there_only_for_the_file_that_is_chosen(monkeypatch):
    """Neither after another choice nor while a file is made does the one before stand there."""
    with explore(play=False) as screen:
        await screen.reach(run=1)
        assert saved(screen, "curves as CSV")[0] == "curves.csv"
        screen.control("what to save").value = "loss as PNG"
        assert screen.html("lab-save") == ""
        assert saved(screen, "loss as SVG")[0] == "loss.svg"
        while_made = []
        monkeypatch.setattr(saving, "picture", lambda *_: while_made.append(screen.html("lab-save")) or b"")
        screen.press("Save")
        assert while_made == [""]
        assert 'download="loss.svg"' in screen.html("lab-save")


@pytest.mark.parametrize(
    ("what", "name", "start", "holds"),
    [
        ("loss as PNG", "loss.png", b"\x89PNG\r\n", b""),
        ("accuracy as SVG", "accuracy.svg", b"<?xml", colours.ROLES["pinned1"].lower().encode()),
    ],
)
@live
async def test_figures_are_saved_as_pictures(what, name, start, holds):
    """Of all that is drawn, each in the colour of its role."""
    with explore(play=False) as screen:
        await screen.reach(run=1)
        screen.press("Pin this run")
        saved_name, content = saved(screen, what)
        assert saved_name == name
        assert content.startswith(start)
        assert holds in content.lower()


def test_what_can_be_saved():
    """Each entry's words name its form and its figure."""
    for label, (form, kind) in SAVED.items():
        assert label.endswith(f" as {form.upper()}")
        assert label.startswith(kind or "curves")
