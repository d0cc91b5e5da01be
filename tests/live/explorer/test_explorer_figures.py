"""Figures that show the last frame, whatever is chosen to be seen, with finite numbers only."""

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import ipywidgets as widgets
import numpy as np
import pytest

from lab.data import Data
from lab.live import curves, task
from lab.live.explorer import race
from lab.live.explorer.messages import CATCH_UP, REST, messages_worth
from lab.live.explorer.views import VIEWS
from lab.live.explorer.widget import FIRST_VIEWS, OTHERS
from tests.live.explorer.one_explorer import assert_all_shows_the_last_frame, assert_shows, explore
from tests.live.figure import classes
from tests.live.stage import CONFIG, live, small_data, until

# --- what is drawn -----------------------------------------------------------------------------------


@live
async def test_curves_are_those_of_the_race(trainings):
    """At rest the marks hold what was measured of both networks, and the words tell of them."""
    with explore(speed=7) as screen:
        await screen.reach(step=30)
        await screen.rest()
        for role, training in zip(("chosen", "twin"), trainings, strict=True):
            x, y = screen.figure("loss").curve(role)
            np.testing.assert_array_equal(x, np.arange(1, len(training.loss) + 1))
            np.testing.assert_allclose(y, np.log10(training.loss))
            for mark, part in (("solid", "train"), ("dashed", "val")):
                expected = [getattr(accuracy, part) for accuracy in training.accuracies]
                np.testing.assert_array_equal(screen.figure("accuracy").curve(role, mark)[1], expected)
        assert not any(figure.has("ghost") for figure in screen.figures)
        assert_all_shows_the_last_frame(screen)
        assert screen.title == ("Batch norm against no normalization own data · 2×8 ReLU · Adam 0.001")


@live
async def test_the_title_names_the_roles_in_their_colours():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        named = re.findall(r'<i class="(\w+)"></i>([\w ]+)', screen.html("lab-title"))
        assert [(role, name.strip()) for role, name in named] == [
            ("chosen", "Batch norm against"),
            ("twin", "no normalization"),
        ]


@pytest.mark.parametrize("speed", [1, 50])
@live
async def test_every_part_is_drawn_at_every_speed(speed, monkeypatch, messages):
    """There are always new accuracies and signals, and still all parts get their turn."""
    monkeypatch.setattr(race, "LOOK", 5 * task.FRAME)
    with explore(epochs=10_000, speed=speed, views=("accuracy", "activations", "update")) as screen:
        drawn = [(0, "solid"), (1, "solid"), (1, "dashed"), (2, "solid"), (2, "band"), (3, "solid")]
        marks = [screen.figures[number].lines(style).model_id for number, style in drawn]
        parts = [*marks, "lab-status", "lab-sentence"]

        def order():
            """What was drawn, one part after the other."""
            for model, kind, state in list(messages):
                if kind == "Lines" and "y" in state:
                    yield model
                elif kind == "HTML" and "value" in state:
                    yield next((name for name in parts if f'class="{name}"' in state["value"]), "words")

        def rounds():
            counts = Counter(order())
            return min(counts[part] for part in parts)

        await until(lambda: rounds() >= 3)
        beside_loss = [part for part in order() if part != marks[0]]
        for part in marks[1:]:  # nothing queues up: all have their turn before one has its second
            turns = [index for index, one in enumerate(beside_loss) if one == part]
            assert max(after - before for before, after in pairwise(turns)) <= 2 * (len(parts) + 4)


@pytest.mark.parametrize(("updates_per_second", "messages"), [(0, 1), (800, 1), (20, 1), (5, 4), (0.5, 40)])
def test_a_frame_that_took_long_is_worth_more_messages(updates_per_second, messages):
    """So that all figures of a slow network show the same moment, and no more messages come in a second."""
    frame = race.RaceFrame(
        run=1, number=CATCH_UP + 1, step=5, total_steps=9, epoch=0.0, steps_per_second=updates_per_second,
        is_playing=True, is_done=False, chosen=None, twin=None,
    )  # fmt: skip
    assert messages_worth(frame) == messages
    assert messages_worth(replace(frame, number=REST)) == messages - 1
    assert messages_worth(replace(frame, number=1)) == 1


@pytest.mark.parametrize("views", [OTHERS[:3], OTHERS[3:6], OTHERS[5:8]])
@live
async def test_no_nan_reaches_a_mark_when_a_run_diverges(views):
    """NaN points flood the browser's console: marks hold finite numbers that a logarithmic axis can show."""
    diverging = CONFIG.replace(
        normalization=None, optimizer="sgd", learning_rate=1e6, weight_scale=10.0, epochs=6
    )
    twin = lambda config: config.replace(  # noqa: E731
        learning_rate=0.01, weight_scale=0.1, normalization="batchnorm"
    )
    with explore(diverging, twin=twin, views=views) as screen:
        marks = [mark for figure in screen.figures for mark in figure.plot.marks]
        seen = []
        for mark in marks:
            mark.observe(lambda change: seen.append(change["new"]), ["x", "y"])
        await screen.reach(state="finished")
        assert len(seen) > len(marks)
        assert all(np.isfinite(values).all() for values in seen)
        assert all(np.isfinite([*figure.x_span, *figure.y_span]).all() for figure in screen.figures)
        assert "No normalization, " in screen.sentence
        assert "diverged at update" in screen.sentence


@live
async def test_loss_axis_grows_by_decades():
    with explore(play=False, normalization=None) as screen:
        await screen.reach(run=1)
        loss = screen.figure("loss")
        assert loss.y_span == (-2, 1)
        screen.control("weight scale").value = 0.8
        screen.control("width").value = 500
        await screen.reach(run=2)
        assert loss.y_span[1] == np.ceil(np.log10(screen.frame.chosen.loss.max())) > 1
        np.testing.assert_array_equal(loss.y_axis.tick_values, curves.decade_ticks(-2, loss.y_span[1])[1])
        screen.control("weight scale").value = 0.1
        screen.control("width").value = 8
        await screen.reach(run=3)
        assert loss.y_span == (-2, 1)


@live
async def test_the_run_before_stays_as_a_ghost():
    with explore(speed=5) as screen:
        await screen.reach(step=20)
        await screen.rest()
        before = screen.frame.chosen
        screen.control("weight scale").value = 0.05
        await screen.reach(run=2)
        ghost = screen.figure("loss").curve("ghost")
        np.testing.assert_array_equal(ghost, VIEWS["loss"].marks["solid"](before, 1))
        assert len(ghost[0]) >= 20
        assert_all_shows_the_last_frame(screen)
        assert "before: weight scale 0.3" in screen.figure("loss").key
        screen.press("Reset")
        await screen.reach(run=3)
        np.testing.assert_array_equal(screen.figure("loss").curve("ghost"), ghost)


@live
async def test_names_with_html_are_text():
    data = small_data()
    named = Data(
        name="<b>mine</b>", classes=("a", "b", "c"), image_shape=None,
        X_test=data["X_val"][:0], y_test=data["y_val"][:0], **data,
    )  # fmt: skip
    with explore(data=named, play=False) as screen:
        await screen.reach(run=1)
        assert "&lt;b&gt;mine&lt;/b&gt;" in screen.html("lab-title")
        screen.press("Pin this run")
        screen.control("name of the run", 0).value = "<u>best</u>"
        await until(lambda: "best" in screen.figure("loss").key)
        assert "&lt;u&gt;best&lt;/u&gt;" in screen.figure("loss").key
        for html in screen.parts(widgets.HTML):
            assert not re.search("<[bu]>(mine|best)", html.value)


# --- views -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_playing", [True, False])
@live
async def test_every_view_can_be_chosen(is_playing):
    """It is drawn from what was seen last, also at rest, and what it doesn't have is cleared."""
    with explore() as screen:
        await screen.reach(step=11)
        await screen.rest()
        for name in (*OTHERS, OTHERS[0]):
            if is_playing:
                screen.press("Play")
                await screen.reach(state="training")
            screen.show(2, name)
            await until(lambda name=name: VIEWS[name].title in screen.figures[2].words)
            await screen.rest()
            assert_all_shows_the_last_frame(screen)
            for mark in ("solid", "band", "dashed"):
                assert screen.figures[2].has("twin", mark) == (
                    mark in VIEWS[name].marks and name != "running"
                )
                assert screen.figures[2].has("chosen", mark) == (mark in VIEWS[name].marks)


@live
async def test_the_loss_can_be_linear():
    with explore(play=False) as screen:
        await screen.reach(run=1)
        await screen.step(3)
        assert screen.figure("loss").offered == ["loss, logarithmic", "loss, linear"]
        screen.show(0, "loss-linear")
        await until(lambda: screen.figure("loss").y_span[0] == 0)
        np.testing.assert_array_equal(screen.figure("loss").curve("chosen")[1], screen.frame.chosen.loss)


@live
async def test_the_layer_of_a_histogram_can_be_chosen():
    with explore(play=False, views=["histogram"]) as screen:
        await screen.reach(run=1, frame=2)
        screen.figure("histogram").choose_layer(2)
        edges, _ = screen.frame.chosen.signals.histogram(2)
        await until(lambda: screen.figure("histogram").curve("chosen")[0][0] == edges[0])


@live
async def test_figures_beside_the_loss_may_be_given():
    """Those that aren't given follow."""
    for views, expected in [
        ((), FIRST_VIEWS),
        (["silent"], ("silent", *FIRST_VIEWS[:2])),
        (["silent", "update", "gradient"], ("silent", "update", "gradient")),
    ]:
        with explore(views=views) as screen:
            assert screen.views == ["loss", *expected]


@live
async def test_presenter(messages):
    """Two large figures; the others are hidden, send nothing, and are up to date when they come back."""
    with explore(play=False, presenter=True) as screen:
        await screen.reach(run=1)
        assert "lab-presenter" in classes(screen.widget)
        assert screen.control("Presenter").value
        heights = [figure.plot.layout.height for figure in screen.figures]
        assert heights == ["350px", "350px", "180px", "180px"]
        await screen.step(10)
        assert_shows(screen.figure("accuracy"), "chosen", screen.frame.chosen)
        assert not screen.figure("activations").has("chosen")
        screen.control("Presenter").value = False
        await until(lambda: screen.figure("activations").has("chosen"))
        assert "lab-presenter" not in classes(screen.widget)
        assert {figure.plot.layout.height for figure in screen.figures} == {"180px"}
        assert_all_shows_the_last_frame(screen)
