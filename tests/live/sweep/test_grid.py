"""The grid of a sweep without widgets: numbers and choices, one network a point or several seeds."""

import asyncio

import numpy as np
import pytest

from lab.live import task
from lab.live.sweep.axes import AXES, MODES, Axis
from lab.live.sweep.grid import USUAL, Grid, Results
from lab.train import train
from tests.live.stage import Frames, frames_pass, live, small_data, until

SMALL = {"hidden_dims": (8, 8), "batch_size": 10, "epochs": 2, "dataset": "own data"}
NORMS = ("batchnorm", None, "groupnorm+weightstd")


@pytest.fixture
def optimizers(monkeypatch):
    """An axis of choices, with normalizations and seeds of its own."""
    axis = Axis(("sgd", "momentum", "adam"), modes=NORMS, seeds=3, fields={"num_groups": 2})
    monkeypatch.setitem(AXES, "optimizer", axis)
    return axis


def start(name, **fields):
    frames = Frames()
    return Grid(
        name, USUAL.replace(**{**AXES[name].fields, **SMALL, **fields}), frames, data=small_data()
    ), frames


async def finished(name, **fields):
    """A grid that has trained to its end, and its results."""
    grid, frames = start(name, **fields)
    await until(lambda: frames and frames.last.is_done)
    grid.stop()
    assert frames.last.error == ""
    return grid, frames.last.results


# --- axes --------------------------------------------------------------------------------------------


def test_numbers_stand_at_their_logarithms_and_choices_one_apart():
    numbers, choices = Axis((2, 4, 16), base=2), Axis(("b", "a", "c"))
    assert (numbers.is_of_choices, choices.is_of_choices) == (False, True)
    np.testing.assert_allclose(numbers.places, [1, 2, 4])
    np.testing.assert_array_equal(choices.places, [0, 1, 2])
    assert [numbers.nearest(value) for value in (1, 3.5, 9, 100)] == [0, 1, 1, 2]
    assert [choices.nearest(value) for value in ("b", "c", "another")] == [0, 2, 0]


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_axes_of_the_lab(axis):
    """Their configurations exist, and numbers rise."""
    assert set(axis.once) <= set(axis.modes)
    assert axis.is_of_choices or list(axis.values) == sorted(axis.values)
    assert (np.diff(axis.places) > 0).all()
    USUAL.replace(**axis.fields)


# --- seeds -------------------------------------------------------------------------------------------


@live
async def test_every_seed_is_a_run_of_its_own_on_the_same_minibatches(optimizers):
    grid, results = await finished("optimizer", seed=4)
    assert results.val.shape == (3, 3, 3)
    for mode, norm in enumerate(NORMS):
        for value, optimizer in enumerate(optimizers.values):
            config = grid.config_of(mode, value)
            assert (config.normalization, config.optimizer, config.seed) == (norm, optimizer, 4)
            for number in range(3):
                run = train(config.replace(seed=4 + number, data_seed=4), small_data())
                assert results.val[mode, value, number] == pytest.approx(run.val_acc.max(), abs=0.02)
                assert results.loss[mode, value, number] == pytest.approx(run.loss[-5:].mean(), rel=1e-3)
    assert (np.ptp(results.loss, axis=-1) > 0).all()


@live
async def test_all_points_of_choices_grow_together(optimizers, trainings):
    """At no time is a network more than an update ahead of another."""
    grid, frames = start("optimizer")
    apart = []
    while not (frames and frames.last.is_done):
        steps = [training.step for training in trainings]
        apart.append(max(steps, default=0) - min(steps, default=0))
        await asyncio.sleep(0)
    grid.stop()
    assert max(apart) == 1
    assert [training.net.members for training in trainings] == [3] * 9


@pytest.mark.parametrize(("name", "together"), [("weight_scale", 3), ("batch_size", 1)])
@live
async def test_numbers_may_have_seeds_too(name, together, monkeypatch, trainings):
    """Each point is then a population of its seeds; large batches still go first."""
    values = {"weight_scale": (0.01, 0.1, 1.0), "batch_size": (2, 8, 32)}[name]
    monkeypatch.setitem(AXES, name, Axis(values, seeds=2))
    monkeypatch.setattr("lab.live.sweep.grid.SLICE", 0.0)  # others have a turn after each update
    grid, frames = start(name)
    most = 0
    while not (frames and frames.last.is_done):
        going = {getattr(t.config, name) for t in trainings if t.step and not t.is_done}
        most = max(most, len(going))
        await asyncio.sleep(0)
    grid.stop()
    results = frames.last.results
    assert most == together
    assert {training.net.members for training in trainings} == {2}
    order = values if together > 1 else values[::-1]
    assert [getattr(t.config, name) for t in trainings] == [value for value in order for _ in MODES]
    assert np.isfinite(results.val).all()
    run = train(grid.config_of(1, 2), small_data())
    assert results.loss[1, 2, 0] == pytest.approx(run.loss[len(run.loss) // 2 :].mean(), rel=1e-3)


@live
async def test_a_long_update_is_a_slice_of_its_own(monkeypatch, optimizers):
    """However long it takes, the kernel may do something else after it."""
    monkeypatch.setattr(task, "BUSY", 60)
    monkeypatch.setattr("lab.live.sweep.grid.SLICE", 0.0)
    grid, frames = start("optimizer")
    turns = 0
    while not (frames and frames.last.is_done):
        turns += bool(frames and frames.last.run)
        await asyncio.sleep(0)
    grid.stop()
    assert turns >= frames.last.step


# --- what is the same for all values -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["optimizer", "weight_scale", "batch_size"])
@live
async def test_a_mode_that_makes_no_difference_is_trained_once(name, monkeypatch, trainings):
    """Its results stand at all values, from the start on."""
    values = {"weight_scale": (0.01, 0.1), "batch_size": (2, 8), "optimizer": ("sgd", "adam")}[name]
    seeds = 1 if name == "weight_scale" else 2
    monkeypatch.setitem(AXES, name, Axis(values, once=(None,), seeds=seeds))
    grid, results = await finished(name)
    of_none = [training for training in trainings if training.config.normalization is None]
    assert of_none == trainings[:1]
    assert trainings[0].net.members == (None if seeds == 1 else seeds)
    assert (np.ptp(results.loss[0], axis=0) == 0).all()
    assert (np.ptp(results.loss[1:], axis=1) > 0).all()
    run = train(grid.config_of(0, 0), small_data())
    assert results.val[0, 1, 0] == pytest.approx(run.val_acc.max(), abs=0.02)


# --- results -----------------------------------------------------------------------------------------


def test_the_mean_loss_is_that_of_the_networks_that_live():
    share = np.array([[[0.2, 0.4], [0.1, 0.2], [0.5, np.nan]]])
    loss = np.array([[[1.0, 3.0], [np.nan, 2.0], [np.inf, np.nan]]])
    diverged = np.array([[[False, False], [True, False], [True, True]]])
    results = Results(share, share, loss, diverged)
    np.testing.assert_allclose(results.mean("val"), [[0.3, 0.15, np.nan]])
    np.testing.assert_array_equal(results.mean("loss"), [[2, 2, np.nan]])
    assert list(results.measured) == [0, 1]


@live
async def test_some_seeds_may_diverge(optimizers):
    """Their marks are their own; the others go on."""
    _, results = await finished("optimizer", learning_rate=30.0, activation="leaky_relu", epochs=10)
    some = results.diverged.any(axis=-1)
    assert some.any()
    assert not some.all()
    assert np.isfinite(results.loss[~results.diverged]).all()
    assert np.isfinite(results.val).all()


@live
async def test_pausing_and_again(optimizers, monkeypatch):
    monkeypatch.setattr(task, "BUSY", task.FRAME)  # a frame ends soon, so that there are some on the way
    grid, frames = start("optimizer", epochs=20)
    await until(lambda: frames and 0 < frames.last.step < frames.last.total_steps)
    grid.pause()
    await until(lambda: not frames.last.is_playing)
    step = frames.last.step
    await frames_pass(3)
    assert frames.last.step == step
    grid.play()
    await until(lambda: frames.last.is_done)
    first = frames.last.results
    grid.reset()
    await until(lambda: frames.last.run == 2 and frames.last.is_done)
    grid.stop()
    np.testing.assert_array_equal(frames.last.results.val, first.val)
