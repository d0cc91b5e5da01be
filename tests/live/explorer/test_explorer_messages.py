"""Few messages, of shapes that bqplot understands; and many explorers in one kernel."""

import asyncio

import bqplot
import pytest

from lab.live import Explorer, task
from lab.live.explorer import race
from lab.live.explorer.messages import CATCH_UP, SAID_EVERY
from tests.live.explorer.one_explorer import ROLES, explore
from tests.live.stage import CONFIG, frames_pass, live, small_data, until

# --- one among many ----------------------------------------------------------------------------------


@live
async def test_two_explorers_do_not_disturb_each_other():
    with explore() as right:
        with explore() as left:
            await until(lambda: left.reached(step=5) and right.reached(step=5))
            left.press("Pause")
            right.control("batch size").value = 25
            await until(lambda: left.reached(state="paused") and right.reached(run=2, state="training"))
            assert left.now["run"] == 1
            assert left.config == CONFIG
        at = right.now["step"]
        await until(lambda: right.now["step"] > at)


@live
async def test_running_the_cell_again_stops_the_explorer_before(cell):
    cell("of an explorer", "1")
    others = asyncio.all_tasks()
    with explore() as first:
        (task,) = asyncio.all_tasks() - others
        await first.reach(step=5)
        cell("of an explorer", "2")
        with explore() as second:
            await until(task.cancelled)
            before = first.frame
            await second.reach(step=20)
            assert first.frame is before


@pytest.mark.parametrize("end", ["stop", "close"])
@live
async def test_stop_and_close_end_the_training(end):
    others = asyncio.all_tasks()
    with explore() as screen:
        (task,) = asyncio.all_tasks() - others
        await screen.reach(step=5)
        getattr(screen.widget, end)()
        await until(task.cancelled)
        getattr(screen.widget, end)()


def test_an_explorer_may_outlive_its_loop():
    """The kernel ends, and then Python throws the explorer away."""

    async def make():
        return Explorer(CONFIG, data=small_data())

    asyncio.run(make()).close()


# --- pitfalls: messages ------------------------------------------------------------------------------

GROWING = ("LinearScale", "Axis")  # by a step: once in a while


def regular(messages):
    """How many there are beside those of axes that grow."""
    return sum(kind not in GROWING for _, kind, _ in messages)


@pytest.mark.parametrize("speed", [1, 5, 50])
@live
async def test_at_most_two_messages_a_frame(messages, watched, monkeypatch, speed):
    """Four messages a frame cost 45 ms: one for the loss, and one for another part in turn."""
    monkeypatch.setattr(race, "LOOK", 5 * task.FRAME)
    with explore(epochs=100_000, speed=speed) as screen:
        await until(lambda: screen.frame is not None and screen.frame.number > SAID_EVERY)
        messages.clear()
        watched.frames.clear()
        await until(lambda: len(watched.frames) >= 40)
        assert messages.kinds["Lines"] >= len(watched.frames)
        assert regular(messages) <= 2 * len(watched.frames)
        assert len(messages) - regular(messages) <= 12
        screen.widget.stop()


@live
async def test_no_messages_when_idle(messages):
    with explore() as screen:
        await screen.reach(step=5)
        await screen.rest()
        messages.clear()
        await frames_pass(20)
        assert messages == []


@live
async def test_a_move_of_a_slider_costs_few_messages(messages, watched):
    """The first frame of a run sends the loss and one part more; what stays as it is sends nothing."""
    with explore(epochs=1000) as screen:
        await screen.reach(step=2 * SAID_EVERY)
        first = []

        def begin(frame):
            if frame.run == 2:
                first.append(-regular(messages))

        def end(frame):
            if frame.run == 2:
                first[-1] += regular(messages)

        watched.before, watched.after = begin, end
        screen.control("weight scale").value = 0.05
        await until(lambda: len(first) >= 10)
        assert first[0] <= 2
        assert max(first) <= 2 + CATCH_UP
        assert sum(first) <= 2 * len(first) + 8


@live
async def test_captions_that_stay_send_nothing(messages):
    """A step at rest sends what it changes: curves, signals, status and sentences."""
    with explore(play=False) as screen:
        await screen.reach(run=1)
        await screen.step()
        messages.clear()
        await screen.step()
        figures = {"loss": 1, "activations": 2, "update": 1}
        assert messages.kinds["Lines"] == sum(figures.values())
        assert messages.kinds["HTML"] <= 2 + len(screen.figures)
        assert not messages.kinds.keys() - {"Lines", "HTML", *GROWING}


@live
async def test_no_animation_and_no_legend_of_bqplot():
    """bqplot's own legend covers data: names stand in the title and above the figure."""
    with explore() as screen:
        figures = screen.parts(bqplot.Figure)
        assert len(figures) == 4
        for figure in figures:
            assert figure.animation_duration == 0
            assert not any(mark.display_legend for mark in figure.marks)


@live
async def test_first_update_shows_two_curves():
    """bqplot squeezes arrays: one point of two curves would become one curve of two points."""
    with explore() as screen:
        shapes = []
        for figure in screen.figures:
            for style in ("solid", "dashed", "band", "guide"):
                mark = figure.lines(style)
                mark.observe(lambda change: shapes.append(change["new"].shape), ["x", "y"])
        await screen.reach(step=3)
        assert len(shapes) > 2
        assert all(len(shape) == 2 and shape[0] == len(ROLES) and shape[1] >= 2 for shape in shapes)
