"""Runs that change on their way, branch, go back, and are pinned beside each other."""

import ipywidgets as widgets
import numpy as np

from lab.live import words
from lab.live.controls import FIELDS
from tests.live import markup
from tests.live.explorer.one_explorer import (
    LIVE,
    PINS,
    assert_all_shows_the_last_frame,
    assert_shows,
    explore,
)
from tests.live.figure import classes
from tests.live.stage import CONFIG, frames_pass, live, until

LEARNING_RATES = next(field.positions for field in FIELDS if field.name == "learning_rate")

# --- what is changed while it runs -------------------------------------------------------------------


@live
async def test_learning_rate_may_change_the_run_that_goes_on(trainings):
    """With the checkbox no new run starts, and a line stands where it was changed; without it one does."""
    with explore(play=False) as screen:
        await screen.reach(run=1)
        await screen.step(4)
        screen.control(LIVE).value = True
        screen.control("learning rate").value = 0.05
        screen.control("L2").value = 0.1
        await until(lambda: screen.frame.changes)
        assert [training.learning_rate for training in trainings] == [0.05, 0.05]
        assert [training.reg for training in trainings] == [0.1, 0.1]
        assert "learning rate 0.05 from update 5" in screen.status or (
            "L2 0.1 from update 5" in screen.status
        )
        await screen.step()
        assert screen.now | {"frame": 0} == {"run": 1, "frame": 0, "step": 6, "state": "paused"}
        assert (screen.figure("loss").lines("guide").x[0] == 5).all()
        assert_all_shows_the_last_frame(screen)
        screen.control("batch size").value = 25  # which needs a new run all the same
        await screen.reach(run=2)
        assert screen.config == CONFIG.replace(learning_rate=0.05, reg=0.1, batch_size=25)
        screen.control(LIVE).value = False
        screen.control("learning rate").value = 0.1
        await screen.reach(run=3)


@live
async def test_branch():
    """The run as it is becomes the twin; learning rate and L2 then change the chosen network alone."""
    with explore(play=False) as screen:
        await screen.reach(run=1)
        await screen.step(4)
        screen.press("Branch")
        await until(lambda: "Change the learning rate or L2, and they part." in screen.sentence)
        assert screen.title.startswith("Batch norm, changed against batch norm, unchanged")
        screen.control("learning rate").value = 0.05
        await screen.step(3)
        assert screen.now["run"] == 1
        sides = screen.frame.chosen, screen.frame.twin
        assert [side.config.learning_rate for side in sides] == [0.05, CONFIG.learning_rate]
        chosen, twin = (screen.figure("loss").curve(role)[1] for role in ("chosen", "twin"))
        np.testing.assert_array_equal(chosen[:6], twin[:6])
        assert (chosen[6:] != twin[6:]).all()
        assert "branched at update 5" in screen.status
        assert_all_shows_the_last_frame(screen)


@live
async def test_going_back_takes_the_learning_rate_back():
    """The control follows, and whatever was drawn after the update is gone."""
    with explore(play=False) as screen:
        await screen.reach(run=1)
        screen.control(LIVE).value = True
        await screen.step(3)
        screen.control("learning rate").value = 0.05
        await screen.step(3)
        losses = screen.frame.chosen.loss
        screen.control("update").value = 3
        screen.press("Go back there")
        await until(lambda: screen.now["step"] == 3)
        assert CONFIG.learning_rate == 0.001
        assert screen.control("learning rate").text == "0.001"
        assert LEARNING_RATES[screen.control("learning rate").position] == 0.001
        np.testing.assert_allclose(screen.figure("loss").curve("chosen")[1], np.log10(losses[:3]))
        assert_all_shows_the_last_frame(screen)
        assert screen.config == CONFIG


# --- pinned runs -------------------------------------------------------------------------------------


def pins(screen):
    """(name, what it reached) of the pins that are there."""
    boxes = [box for box in screen.parts(widgets.VBox) if "lab-pin" in classes(box)]
    shown = [box.children[:2] for box in boxes if box.layout.display != "none"]
    return [(name.value, markup.text(reached.value)) for name, reached in shown]


def names(screen):
    return [name for name, _ in pins(screen)]


async def pin_runs(screen, seeds):
    """Pin a run of each seed; the sides that were pinned."""
    pinned = []
    for seed in seeds:
        run = screen.now["run"] + 1
        screen.control("seed").value = seed
        await screen.reach(run=run)
        await screen.step(2)
        screen.press("Pin this run")
        pinned.append(screen.frame.chosen)
        await frames_pass(2)
    return pinned


@live
async def test_pinned_runs_are_drawn_and_named():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        assert pins(screen) == []
        sides = await pin_runs(screen, [1, 2])
        assert names(screen) == ["batch norm, weight scale 0.3, batch size 10"] * 2
        assert [reached for _, reached in pins(screen)] == [words.figures(side) for side in sides]
        screen.control("batch size").value = 25
        await screen.reach(run=4)
        for role, side in zip(PINS, sides, strict=False):
            assert_shows(screen.figure("loss"), role, side)
            assert_shows(screen.figure("accuracy"), role, side, "dashed")
            assert_shows(screen.figure("activations"), role, side)
            assert not screen.figure("activations").has(role, "band")
        assert not screen.figure("loss").has(PINS[2])
        screen.control("name of the run", 1).value = "lucky"
        await until(lambda: "lucky" in screen.figure("loss").key)
        assert names(screen)[1] == "lucky"


@live
async def test_a_pinned_run_can_be_opened_and_removed():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        first, second = await pin_runs(screen, [1, 2])
        screen.control("name of the run", 1).value = "second"
        screen.press("Open", 0)
        await screen.reach(run=4)
        assert screen.frame.chosen.config == first.config
        assert screen.control("seed").value == 1
        screen.press("Remove", 0)
        await until(lambda: not screen.figure("loss").has(PINS[1]))
        assert names(screen) == ["second"]
        assert_shows(screen.figure("loss"), PINS[0], second)
        screen.press("Remove", 0)
        await until(lambda: not screen.figure("loss").has(PINS[0]))
        assert pins(screen) == []


@live
async def test_a_fourth_pin_is_refused_in_words():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        sides = await pin_runs(screen, [1, 2, 3])
        screen.press("Pin this run")
        await until(lambda: screen.sentence.startswith("3 runs are pinned: remove one of them first"))
        for role, side in zip(PINS, sides, strict=True):
            assert_shows(screen.figure("loss"), role, side)
        screen.press("Remove", 1)
        await until(lambda: not screen.figure("loss").has(PINS[2]))
        for role, side in zip(PINS, (sides[0], sides[2]), strict=False):
            assert_shows(screen.figure("loss"), role, side)
        screen.press("Step")
        await until(lambda: screen.sentence.startswith("Batch norm: loss"))
        screen.press("Pin this run")
        assert len(pins(screen)) == 3


@live
async def test_nothing_to_pin_or_save_before_there_is_a_run():
    with explore(augmentation="flip") as screen:
        screen.press("Pin this run")
        screen.press("Save")
        assert pins(screen) == []
        assert screen.html("lab-save") == ""
        await screen.reach(state="stopped")
        assert screen.frame is None
        assert "augmentation='flip' needs images" in screen.sentence
        screen.press("Pin this run")
        screen.press("Save")
        assert pins(screen) == []
