"""The sweep: all networks train, and curves, slider and table show what they have reached."""

import asyncio
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lab.live import task
from lab.live.sweep.axes import AXES, MODES
from lab.live.sweep.figure import FIGURES, LOSSES
from lab.live.sweep.grid import USUAL, Grid, Results
from lab.live.task import SLICE
from lab.train import train
from tests.live.stage import Frames, frames_pass, live, small_data, until
from tests.live.sweep.one_sweep import ROWS, SMALL, sweep

pytestmark = pytest.mark.usefixtures("many_frames")


# --- training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", list(AXES))
@live
async def test_every_point_is_its_configurations_own_run(axis):
    """Whether it was trained in a population or alone; the figures show it."""
    data = small_data(rows=ROWS)
    with sweep(axis, data=data) as screen:
        await screen.reach(state="finished")
        results, values = screen.results, AXES[axis].values
        assert results.val.shape[-1] == AXES[axis].seeds
        assert list(results.measured) == list(range(len(values)))
        for mode in range(len(MODES)):
            for value in (0, len(values) // 2, len(values) - 1):
                config = screen.grid.config_of(mode, value)
                assert (config.normalization, getattr(config, axis)) == (MODES[mode], values[value])
                run = train(config, data)
                found = {name: getattr(results, name)[mode, value, 0] for name in FIGURES}
                assert found["train"] == pytest.approx(run.train_acc.max(), abs=0.02)
                assert found["val"] == pytest.approx(run.val_acc.max(), abs=0.02)
                last = run.loss[-len(run.loss) // config.epochs :].mean()
                assert results.diverged[mode, value, 0] == (run.diverged_at is not None)
                if run.diverged_at is None:
                    assert found["loss"] == pytest.approx(last, rel=0.05)
        for name in ("train", "val"):
            means = [screen.shows(name).means_of(mode) for mode in screen.modes]
            np.testing.assert_array_equal(means, results.mean(name))


@live
async def test_populations_grow_together(trainings):
    """At no time is a network more than an update ahead of another."""
    frames = Frames()
    config = USUAL.replace(**SMALL, dataset="own data")
    grid = Grid("weight_scale", config, frames, data=small_data(rows=ROWS))
    apart = []
    while not (frames and frames.last.is_done):
        steps = [training.step for training in trainings]
        apart.append(max(steps, default=0) - min(steps, default=0))
        await asyncio.sleep(0)
    grid.stop()
    assert max(apart) == 1
    networks = Counter()
    for training in trainings:
        networks[training.config.normalization] += training.net.members
    assert networks == dict.fromkeys(MODES, len(AXES["weight_scale"].values))


@live
async def test_small_batches_come_last(watched):
    """What is measured is always the upper end of the axis, and grows downwards."""
    with sweep("batch_size") as screen:
        await screen.reach(state="finished")
        seen = [list(frame.results.measured) for frame in watched.frames]
        count = len(AXES["batch_size"].values)
        assert all(measured == list(range(count - len(measured), count)) for measured in seen)
        assert seen[-1] == list(range(count))
        assert any(0 < len(measured) < count for measured in seen)


@live
async def test_accuracies_are_the_best_so_far_and_the_loss_is_that_of_the_last_epoch(trainings):
    with sweep(epochs=3) as screen:
        await screen.reach(state="finished")
        for training in trainings:
            mode = MODES.index(training.config.normalization)
            first = AXES["weight_scale"].values.index(training.config.weight_scale)
            values = slice(first, first + training.net.members)
            measured = np.array([accuracy.val for accuracy in training.measured])
            assert len(measured) == 1 + 3
            np.testing.assert_array_equal(screen.results.val[mode, values, 0], measured.max(axis=0))
            last = training.loss[2 * ROWS // SMALL["batch_size"] :]
            np.testing.assert_array_equal(screen.results.loss[mode, values, 0], last.mean(axis=0))


@live
async def test_training_leaves_the_loop_to_others(monkeypatch):
    """It is given back every few hundredths of a second, however long a frame is."""
    monkeypatch.setattr(task, "BUSY", 60)
    with sweep(epochs=10) as screen:
        turns = 0
        while not (screen.frame and screen.frame.is_done):
            turns += bool(screen.frame and screen.frame.run)
            await asyncio.sleep(0)
        assert turns > screen.frame.seconds / (10 * SLICE)


@live
async def test_a_single_step():
    frames = Frames()
    config = USUAL.replace(**SMALL, dataset="own data")
    grid = Grid("weight_scale", config, frames, data=small_data(rows=ROWS), play=False)
    grid.step()
    await until(lambda: frames and frames.last.step == 1)
    await frames_pass(5)
    assert frames.last.step == 1
    grid.stop()


# --- what is shown -----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", AXES)
@live
async def test_axes_say_what_they_show(axis):
    """Below each figure stands what the control above the table moves; ticks are values, or their words."""
    with sweep(axis, play=False) as screen:
        for figure in screen.figures:
            assert figure.x_axis.label == screen.value.label
            ticks = figure.x_axis.tick_labels
            assert len(ticks) == len(figure.x_axis.tick_values)
            if AXES[axis].is_of_choices:
                assert list(ticks.values()) == screen.value.labels
            else:
                powers = {
                    float(AXES[axis].base) ** float(place): float(word) for place, word in ticks.items()
                }
                assert list(powers) == pytest.approx(list(powers.values()))
            assert figure.x_span[0] < min(figure.x_axis.tick_values)
        train, val, loss = screen.figures
        assert train.y_axis.tick_format == val.y_axis.tick_format == ".0%"
        assert (train.y_span, val.y_span) == ((0, 1), (0, 1))
        assert list(loss.y_axis.tick_labels.values()) == ["≤ 0.001", "0.01", "0.1", "1", "10", "≥ 100"]


@live
async def test_divergence_is_shown_and_said():
    """A cross at the upper end; nothing that isn't finite is sent to the browser."""
    with sweep("learning_rate", activation="leaky_relu", epochs=5) as screen:
        await screen.reach(state="finished")
        diverged = screen.results.diverged
        assert diverged[0, -1]
        assert not diverged[1:].any()
        for figure in screen.figures:
            for mark in (figure.grown, figure.points, figure.crosses):
                assert np.isfinite(mark.x).all()
                assert np.isfinite(mark.y).all()
            assert len(figure.crosses.x) == diverged.sum()
        assert (screen.shows("loss").crosses.y == LOSSES[1]).all()
        assert f"{diverged[0].sum()} diverge" in screen.sentence
        screen.value.slide(len(AXES["learning_rate"].values) - 1)
        assert "diverged" in screen.text("lab-results")


@live
async def test_the_slider_is_linked_to_line_and_table():
    with sweep() as screen:
        await screen.reach(state="finished")
        for position in (3, 17):
            screen.value.slide(position)
            assert screen.value.value == AXES["weight_scale"].values[position]
            for figure in screen.figures:
                np.testing.assert_allclose(10.0 ** np.array(figure.guide), screen.value.value)
            rows = screen.cells
            results = screen.results
            assert rows[0::3] == [f"{share:.0%}" for share in results.train[:, position, 0]]
            assert rows[1::3] == [f"{share:.0%}" for share in results.val[:, position, 0]]
            assert rows[2::3] == [f"{loss:.3g}" for loss in results.loss[:, position, 0]]


@live
async def test_a_number_that_is_typed_takes_the_value_nearest_to_it():
    with sweep() as screen:
        await screen.reach(state="finished")
        control = screen.value
        control.value = "0.6"
        assert (control.value, control.text) == (0.62, "0.62")
        control.value = "7"
        await until(lambda: "weight scale must be between 0.0001 and 1, not 7" in screen.sentence)
        assert control.text == "0.62"
        screen.value.slide(0)
        await until(lambda: "must be" not in screen.sentence)


@pytest.mark.parametrize(("axis", "fields", "value"), [
    ("weight_scale", {}, 0.021), ("weight_scale", {"weight_scale": 0.3}, 0.23), ("learning_rate", {}, 0.078),
    ("batch_size", {"batch_size": 2}, 2),
])  # fmt: skip
@live
async def test_where_the_slider_starts(axis, fields, value):
    with sweep(axis, play=False, **{**SMALL, "batch_size": 32, **fields}) as screen:
        assert screen.value.value == value


@live
async def test_at_rest_all_shows_the_last_frame():
    """Also where the run ended between two turns of a part."""
    with sweep(epochs=5) as screen:
        values = AXES["weight_scale"].values
        await until(lambda: screen.frame and len(screen.results.measured) == len(values))
        screen.press("Pause")
        await screen.reach(state="paused")
        for ending in ("paused", "finished"):
            await screen.reach(state=ending)
            results = screen.results
            np.testing.assert_array_equal(screen.shows("val").grown.y, results.val[:, results.measured, 0])
            assert f"{results.val[1, values.index(screen.value.value), 0]:.0%}" in screen.html("lab-results")
            assert screen.now["step"] == screen.frame.step
            assert ("So far" in screen.sentence) == (ending == "paused")
            screen.press("Play")


@live
async def test_points_stand_value_by_value():
    """The style sheet gives colour and marker by their order."""
    with sweep() as screen:
        await screen.reach(state="finished")
        for number, mode in enumerate(screen.modes):
            x, y, _ = screen.shows("train").points_of(mode)
            np.testing.assert_allclose(10.0**x, AXES["weight_scale"].values)
            np.testing.assert_array_equal(y, screen.results.train[number, :, 0])


@live
async def test_at_most_two_messages_a_frame(messages, watched):
    """While there is always something new: six frames in eight draw a figure."""
    with sweep(play=False) as screen:
        await screen.reach(state="paused")
        rng = np.random.default_rng(0)
        shape = len(MODES), len(AXES["weight_scale"].values), 1
        messages.clear()
        for number in range(2, 82):
            news = Results(*rng.random((3, *shape)), np.zeros(shape, dtype=bool))
            watched.show(replace(screen.frame, number=number, step=number, is_playing=True, results=news))
        assert messages.kinds["Lines"] == messages.kinds["Scatter"] == 60
        assert 140 <= len(messages) <= 160


@live
async def test_no_messages_when_idle(messages):
    """And a frame in which nothing is new draws nothing anew."""
    with sweep() as screen:
        await screen.reach(state="finished")
        messages.clear()
        await frames_pass(20)
        assert messages == []
        screen.grid.look()
        await until(lambda: messages)
        assert messages.kinds == {"HTML": 1}  # the status line, which has the number of the frame
