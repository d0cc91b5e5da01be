"""What is wished of a sweep: a point opens its run; and what can't be."""

import asyncio

import numpy as np
import pytest

from lab.live import Sweep
from lab.live.sweep.axes import AXES, MODES
from lab.train import Config
from tests.live.stage import frames_pass, live, small_data, until
from tests.live.sweep.one_sweep import SMALL, sweep

pytestmark = pytest.mark.usefixtures("many_frames")


# --- wishes ------------------------------------------------------------------------------------------


@live
async def test_buttons():
    with sweep(play=False) as screen:
        await screen.reach(state="paused")
        assert screen.frame.step == 0
        assert "click Play" in screen.sentence
        screen.press("Play")
        await screen.reach(state="finished")
        first = screen.results
        screen.press("Again")
        await until(lambda: screen.now["run"] == 2)
        await screen.reach(state="finished")
        np.testing.assert_array_equal(screen.results.val, first.val)


@pytest.mark.parametrize("twin", ["batchnorm", None])
@live
async def test_a_point_opens_its_run(twin):
    """From the thread that the front end's messages come on; the explorer trains what the point has shown."""
    with sweep() as screen:
        await screen.reach(state="finished")
        mode, value = (0, 12) if twin else (2, 5)
        await asyncio.to_thread(screen.shows("val").click, len(MODES) * value + mode)
        explorer = await screen.opening()
        config = screen.grid.config_of(mode, value)
        assert explorer.config == config
        await until(lambda: explorer.frame.is_done)
        chosen, other = explorer.frame.chosen, explorer.frame.twin
        assert other.config == config.replace(normalization=twin)
        best = max(accuracy.val for accuracy in chosen.accuracies)
        assert best == pytest.approx(screen.results.val[mode, value, 0], abs=0.02)
        assert screen.value.value == AXES["weight_scale"].values[value]
        assert screen.is_visible(explorer.widget)


@live
async def test_a_button_opens_the_network_of_its_row():
    """The second time in the same explorer, whatever its scene was."""
    with sweep(learning_rate=0.002) as screen:
        await screen.reach(state="finished")
        screen.value.slide(4)
        screen.press("Open in the explorer", 1)
        explorer = await screen.opening()
        explorer.control("scene").value = "it vanishes"
        screen.value.slide(6)
        screen.press("Open in the explorer", 2)
        await until(lambda: explorer.config == screen.grid.config_of(2, 6))
        await until(lambda: explorer.frame is not None and explorer.frame.is_done)
        assert screen.opened.widget is explorer.widget
        assert explorer.config.learning_rate == 0.002
        assert explorer.control("scene").value == ""
        assert explorer.control("weight scale").value == AXES["weight_scale"].values[6]


@live
async def test_a_point_that_was_drawn_before_others_joined_is_still_itself():
    """Small batches join in front: then numbers of points have changed, but not yet on the screen."""
    with sweep("batch_size", play=False) as screen:
        await screen.reach(state="paused")
        screen.shows("val").click(1, x=7.0, y=0.5)  # 128 stands first while 256 and 128 are all there is
        explorer = await screen.opening()
        assert explorer.config.batch_size == 128
        assert explorer.config.normalization == MODES[1]


@live
async def test_stop_ends_all_training():
    with sweep(epochs=10_000) as screen:
        screen.press("Open in the explorer", 0)  # before there is a first network: it is remembered
        explorer = await screen.opening()
        screen.widget.stop()
        await frames_pass(2)
        steps = screen.frame.step, explorer.frame.step
        await frames_pass(10)
        assert (screen.frame.step, explorer.frame.step) == steps


@live
async def test_running_the_cell_again_stops_what_it_made(cell):
    """The sweep, and the explorer that was opened from it, also where another cell has run meanwhile."""
    cell("of a sweep", "1")
    with sweep(epochs=10_000) as screen:
        cell("another", "2")
        await until(lambda: screen.frame is not None and screen.frame.step)
        screen.press("Open in the explorer", 0)
        explorer = await screen.opening()
        cell("another", "3")
        with sweep(play=False):
            steps = screen.frame.step, explorer.frame.step
            await until(lambda: screen.frame.step > steps[0] and explorer.frame.step > steps[1])
        cell("of a sweep", "4")
        with sweep(play=False):
            await frames_pass(2)
            steps = screen.frame.step, explorer.frame.step
            await frames_pass(10)
            assert (screen.frame.step, explorer.frame.step) == steps


# --- what can't be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"axis": "depth"}, "the axis of a sweep must be one of weight_scale, batch_size, learning_rate"),
        ({"normalization": "groupnorm"}, "normalization can't be set: it is what the curves"),
        ({"scale": 1}, "scale"),
        ({"epochs": 0}, "epochs"),
    ],
)
@live
async def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sweep(**arguments)


def test_no_running_loop_says_where_to_go():
    with pytest.raises(RuntimeError, match="open the notebook in Jupyter"):
        Sweep(data=small_data(), **SMALL)


@live
async def test_what_cannot_train_is_said():
    """Its data is too small for the largest batch."""
    with sweep("batch_size", data=small_data(rows=100)) as screen:
        await screen.reach(state="stopped")
        assert "batch_size is 256, but there are only 100 training samples" in screen.sentence


@live
async def test_a_run_that_cannot_be_opened_is_said():
    """And what was computed stays."""
    with sweep() as screen:
        await screen.reach(state="finished")
        before = screen.shows("val").grown.y
        screen.grid.config_of = lambda mode, value: Config(batch_size=-1)
        screen.press("Open in the explorer", 0)
        await until(lambda: "batch_size" in screen.sentence)
        np.testing.assert_array_equal(screen.shows("val").grown.y, before)
