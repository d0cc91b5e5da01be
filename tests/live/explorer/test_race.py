"""The controller of live training: frames, and wishes, without widgets."""

import asyncio
import time
from itertools import pairwise

import numpy as np
import pytest

from lab.live import task
from lab.train import Training
from tests.live.stage import CONFIG, frames_pass, live, paused, slow_relu, small_data, start, until

# --- frames and runs -------------------------------------------------------------------------------


@live
async def test_frames_and_runs_are_counted():
    """Frames count from 1 in each run, runs from 1; updates grow by `speed` from frame to frame."""
    race, frames = start(speed=3)
    await until(lambda: len(frames) >= 5)
    race.reset()
    await until(lambda: frames.last.run == 2 and frames.last.number >= 3)
    for run in (1, 2):
        of_run = [frame for frame in frames if frame.run == run]
        assert [frame.number for frame in of_run] == list(range(1, len(of_run) + 1))
        steps = [frame.step for frame in of_run]
        assert steps[0] == 1
        assert all(0 <= after - before <= 3 for before, after in pairwise(steps))
        assert steps[:3] == [1, 4, 7]


@live
async def test_frame_tells_what_there_is_to_see():
    """A frame holds the loss of each update and the accuracies of both networks."""
    race, frames = start(speed=7)
    await until(lambda: frames and frames.last.step > 20)
    frame = frames.last
    for side in (frame.chosen, frame.twin):
        assert side.loss.shape == (frame.step,)
        assert [accuracy.update for accuracy in side.accuracies][:3] == [1, 5, 10]
    assert frame.chosen.config == CONFIG
    assert frame.twin.config == CONFIG.replace(normalization=None)
    assert frame.epoch == frame.step / 5
    assert frame.total_steps == 500
    assert frame.steps_per_second > 0
    assert frame.error == ""
    race.stop()


@live
async def test_run_is_the_one_of_train():
    """What is shown live is what the one loop trains, whatever the speed."""
    expected = Training.from_config(CONFIG, small_data())
    for _ in range(30):
        next(iter(expected))
    _, frames = start(speed=29)
    await until(lambda: len(frames) >= 2)
    np.testing.assert_array_equal(frames[1].chosen.loss, expected.loss)


@live
async def test_data_set_is_the_one_of_train():
    """Without data of one's own the explorer trains on the same samples as `train` with its configuration."""
    config = CONFIG.replace(dataset="digits", epochs=1)
    expected = Training.from_config(config)
    next(iter(expected))
    _, frames = start(config, data=None, speed=1)
    await until(lambda: frames and frames.last.run == 1)
    first = next(frame for frame in frames if frame.run == 1)
    assert first.total_steps == expected.total_steps
    np.testing.assert_array_equal(first.chosen.loss, expected.loss)


@live
async def test_pair_without_normalization_is_bit_equal():
    """Weights and minibatches are shared: with the same settings the two runs can't be told apart."""
    race, frames = start(CONFIG.replace(normalization=None), speed=20)
    await until(lambda: frames and frames.last.step > 50)
    np.testing.assert_array_equal(frames.last.chosen.loss, frames.last.twin.loss)
    assert frames.last.chosen.accuracies == frames.last.twin.accuracies
    race.choose(normalization="batchnorm")
    await until(lambda: frames.last.run == 2 and frames.last.step > 1)
    assert (frames.last.chosen.loss != frames.last.twin.loss).any()


# --- wishes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_playing", [True, False])
@live
async def test_choice_starts_again_and_shows_at_once(is_playing):
    """A new setting shows after one update, also while paused, and whoever paused stays paused."""
    race, frames = start() if is_playing else await paused()
    await until(lambda: frames and frames.last.is_playing == is_playing)
    race.choose(weight_scale=0.07)
    await until(lambda: frames.last.run == 2)
    first = next(frame for frame in frames if frame.run == 2)
    assert (first.number, first.step) == (1, 1)
    assert first.chosen.config == CONFIG.replace(weight_scale=0.07)
    assert first.twin.config == CONFIG.replace(weight_scale=0.07, normalization=None)
    await frames_pass()
    assert frames.last.is_playing == is_playing
    assert (frames.last.step > 1) == is_playing


@live
async def test_choices_add_up():
    """A second slider leaves the first one's setting as it is."""
    race, frames = await paused()
    race.choose(weight_scale=0.07)
    await until(lambda: frames.last.run == 2)
    race.choose(batch_size=25)
    await until(lambda: frames.last.run == 3)
    assert frames.last.chosen.config == CONFIG.replace(weight_scale=0.07, batch_size=25)


@live
async def test_many_changes_queue_nothing_up():
    """Two hundred changes between two frames make one run, with the last of them."""
    race, frames = start()
    await until(lambda: frames)
    for scale in np.linspace(0.1, 0.9, 200):
        race.choose(weight_scale=float(scale))
    await until(lambda: frames.last.run == 2)
    await frames_pass(10)
    assert frames.last.run == 2
    assert frames.last.chosen.config.weight_scale == 0.9


@live
async def test_a_drag_ends_at_its_last_position():
    """Changes that come faster than runs can be made are left out, and the last one wins."""
    race, frames = start(layers=slow_relu())
    await until(lambda: frames)
    scales = [float(scale) for scale in np.linspace(0.1, 0.9, 100)]

    def drag():
        for scale in scales:
            race.choose(weight_scale=scale)
            time.sleep(0.001)

    await asyncio.to_thread(drag)
    await until(lambda: frames.last.chosen.config.weight_scale == 0.9)
    runs = frames.last.run
    assert runs < 60
    await frames_pass(10)
    assert frames.last.run == runs


@live
async def test_pause_and_play():
    """Nothing is trained while paused; play goes on from there."""
    race, frames = start()
    await until(lambda: frames and frames.last.step > 5)
    race.pause()
    await until(lambda: not frames.last.is_playing)
    step, count = frames.last.step, len(frames)
    await frames_pass(10)
    assert (frames.last.step, len(frames)) == (step, count)
    race.play()
    await until(lambda: frames.last.step > step)
    assert frames.last.run == 1


@live
async def test_step_while_paused_is_one_update():
    race, frames = await paused()
    for presses in (1, 1, 3):
        before = frames.last.step
        for _ in range(presses):
            race.step()
        await until(lambda before=before, presses=presses: frames.last.step == before + presses)
        await frames_pass(10)
        assert frames.last.step == before + presses
        assert not frames.last.is_playing


@live
async def test_step_pauses():
    race, frames = start()
    await until(lambda: frames and frames.last.step > 5)
    race.step()
    await until(lambda: not frames.last.is_playing)
    await frames_pass(10)
    *_, before, last = dict.fromkeys(frame.step for frame in frames)  # a frame may be shown twice
    assert last == before + 1


@live
async def test_reset_goes_back_to_the_first_weights():
    """The run after a reset repeats the one before it."""
    race, frames = start()
    await until(lambda: frames and frames.last.step > 20)
    race.reset()
    await until(lambda: frames.last.run == 2 and frames.last.step > 20)
    first, second = (
        next(frame for frame in reversed(frames) if frame.run == run).chosen.loss[:20] for run in (1, 2)
    )
    np.testing.assert_array_equal(first, second)


@live
async def test_run_ends_and_play_starts_again():
    """A run ends at its last update; steps then do nothing, and play begins anew."""
    race, frames = start(CONFIG.replace(epochs=2), speed=3)
    await until(lambda: frames and frames.last.is_done)
    ended, shown = frames.last, len(frames)
    race.step()
    await until(lambda: len(frames) > shown)
    assert (frames.last.run, frames.last.step, frames.last.total_steps) == (1, 10, 10)
    assert frames.last.steps_per_second == pytest.approx(ended.steps_per_second, rel=0.5)
    race.play()
    await until(lambda: frames.last.run == 2 and frames.last.is_done)
    assert frames.last.step == 10


@pytest.mark.parametrize("epochs", [2, 1000])
@live
async def test_no_frames_when_idle(epochs):
    """Nothing is shown while finished or paused, until somebody wishes something."""
    race, frames = start(CONFIG.replace(epochs=epochs))
    await until(lambda: frames and frames.last.step >= 10)
    if epochs > 2:
        race.pause()
    await until(lambda: frames.last.is_done or not frames.last.is_playing)
    shown = len(frames)
    await frames_pass(20)
    assert len(frames) == shown
    race.reset()
    await until(lambda: len(frames) > shown)


@live
async def test_speed_is_updates_from_frame_to_frame():
    race, frames = start(CONFIG.replace(epochs=1000), speed=1)
    await until(lambda: len(frames) >= 3)
    race.speed = 20
    await until(lambda: frames.last.step > 50)
    steps = [frame.step for frame in frames]
    assert steps[:3] == [1, 2, 3]
    assert steps[-1] - steps[-2] == 20


@pytest.mark.parametrize("epochs", [3, 50, 100, 400])
@live
async def test_by_default_a_run_takes_ten_seconds_whatever_its_number_of_updates(epochs, monkeypatch):
    """Two hundred frames, each the same number of updates ahead; fewer where there are fewer updates."""
    monkeypatch.setattr(task, "FRAME", 0.0)
    _, frames = start(CONFIG.replace(epochs=epochs))
    await until(lambda: frames and frames.last.is_done)
    steps = np.diff([frame.step for frame in frames])
    usual = max(1, epochs * 5 / 200)
    assert np.abs(steps[steps > 0] - usual).max() <= 1  # the first update stands in a frame of its own
    assert len(steps) == pytest.approx(min(200, 5 * epochs), abs=3)


@pytest.mark.parametrize("speed", [0, -3, 2.5, "fast", True])
@live
async def test_a_speed_that_is_none(speed):
    with pytest.raises(ValueError, match="speed, in updates from frame to frame, must be"):
        start(speed=speed)
