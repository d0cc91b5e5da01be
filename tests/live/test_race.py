"""The controller of live training: wishes, frames and errors, without widgets."""

import asyncio
import gc
import threading
import time
import weakref
from itertools import pairwise

import numpy as np
import pytest

from lab.data import DataError
from lab.live import race
from lab.live.race import Race
from lab.nn import batchnorm_backward, batchnorm_forward
from lab.nn.network import Network
from lab.train import Training
from tests.live.stage import (
    CONFIG,
    PATIENCE,
    Screen,
    frames_pass,
    live,
    paused,
    slow_relu,
    small_data,
    start,
    until,
)

# --- frames and runs -------------------------------------------------------------------------------


@live
async def test_frames_and_runs_are_counted():
    """Frames count from 1 in each run, runs from 1; updates grow by `speed` from frame to frame."""
    race, screen = start(speed=3)
    await until(lambda: len(screen) >= 5)
    race.reset()
    await until(lambda: screen.last.run == 2 and screen.last.number >= 3)
    for run in (1, 2):
        frames = [frame for frame in screen if frame.run == run]
        assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
        steps = [frame.step for frame in frames]
        assert steps[0] == 1
        assert all(0 <= after - before <= 3 for before, after in pairwise(steps))
        assert steps[:3] == [1, 4, 7]


@live
async def test_frame_tells_what_there_is_to_see():
    """A frame holds the loss of each update and the accuracies of both networks."""
    race, screen = start(speed=7)
    await until(lambda: screen and screen.last.step > 20)
    frame = screen.last
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
    _, screen = start(speed=29)
    await until(lambda: len(screen) >= 2)
    np.testing.assert_array_equal(screen[1].chosen.loss, expected.loss)


@live
async def test_data_set_is_the_one_of_train():
    """Without data of one's own the explorer trains on the same samples as `train` with its configuration."""
    config = CONFIG.replace(dataset="digits", epochs=1)
    expected = Training.from_config(config)
    next(iter(expected))
    _, screen = start(config, data=None, speed=1)
    await until(lambda: screen and screen.last.run == 1)
    first = next(frame for frame in screen if frame.run == 1)
    assert first.total_steps == expected.total_steps
    np.testing.assert_array_equal(first.chosen.loss, expected.loss)


@live
async def test_pair_without_normalization_is_bit_equal():
    """Weights and minibatches are shared: with the same settings the two runs can't be told apart."""
    race, screen = start(CONFIG.replace(normalization=None), speed=20)
    await until(lambda: screen and screen.last.step > 50)
    np.testing.assert_array_equal(screen.last.chosen.loss, screen.last.twin.loss)
    assert screen.last.chosen.accuracies == screen.last.twin.accuracies
    race.choose(normalization="batchnorm")
    await until(lambda: screen.last.run == 2 and screen.last.step > 1)
    assert (screen.last.chosen.loss != screen.last.twin.loss).any()


# --- wishes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_playing", [True, False])
@live
async def test_choice_starts_again_and_shows_at_once(is_playing):
    """A new setting shows after one update, also while paused, and whoever paused stays paused."""
    race, screen = start() if is_playing else await paused()
    await until(lambda: screen and screen.last.is_playing == is_playing)
    race.choose(weight_scale=0.07)
    await until(lambda: screen.last.run == 2)
    first = next(frame for frame in screen if frame.run == 2)
    assert (first.number, first.step) == (1, 1)
    assert first.chosen.config == CONFIG.replace(weight_scale=0.07)
    assert first.twin.config == CONFIG.replace(weight_scale=0.07, normalization=None)
    await frames_pass()
    assert screen.last.is_playing == is_playing
    assert (screen.last.step > 1) == is_playing


@live
async def test_choices_add_up():
    """A second slider leaves the first one's setting as it is."""
    race, screen = await paused()
    race.choose(weight_scale=0.07)
    await until(lambda: screen.last.run == 2)
    race.choose(batch_size=25)
    await until(lambda: screen.last.run == 3)
    assert screen.last.chosen.config == CONFIG.replace(weight_scale=0.07, batch_size=25)


@live
async def test_many_changes_queue_nothing_up():
    """Two hundred changes between two frames make one run, with the last of them."""
    race, screen = start()
    await until(lambda: screen)
    for scale in np.linspace(0.1, 0.9, 200):
        race.choose(weight_scale=float(scale))
    await until(lambda: screen.last.run == 2)
    await frames_pass(10)
    assert screen.last.run == 2
    assert screen.last.chosen.config.weight_scale == 0.9


@live
async def test_a_drag_ends_at_its_last_position():
    """Changes that come faster than runs can be made are left out, and the last one wins."""
    race, screen = start(layers=slow_relu())
    await until(lambda: screen)
    scales = [float(scale) for scale in np.linspace(0.1, 0.9, 100)]

    def drag():
        for scale in scales:
            race.choose(weight_scale=scale)
            time.sleep(0.001)

    await asyncio.to_thread(drag)
    await until(lambda: screen.last.chosen.config.weight_scale == 0.9)
    runs = screen.last.run
    assert runs < 60
    await frames_pass(10)
    assert screen.last.run == runs


@live
async def test_pause_and_play():
    """Nothing is trained while paused; play goes on from there."""
    race, screen = start()
    await until(lambda: screen and screen.last.step > 5)
    race.pause()
    await until(lambda: not screen.last.is_playing)
    step, frames = screen.last.step, len(screen)
    await frames_pass(10)
    assert (screen.last.step, len(screen)) == (step, frames)
    race.play()
    await until(lambda: screen.last.step > step)
    assert screen.last.run == 1


@live
async def test_step_while_paused_is_one_update():
    race, screen = await paused()
    for presses in (1, 1, 3):
        before = screen.last.step
        for _ in range(presses):
            race.step()
        await until(lambda before=before, presses=presses: screen.last.step == before + presses)
        await frames_pass(10)
        assert screen.last.step == before + presses
        assert not screen.last.is_playing


@live
async def test_step_pauses():
    race, screen = start()
    await until(lambda: screen and screen.last.step > 5)
    race.step()
    await until(lambda: not screen.last.is_playing)
    await frames_pass(10)
    *_, before, last = dict.fromkeys(frame.step for frame in screen)  # a frame may be shown twice
    assert last == before + 1


@live
async def test_reset_goes_back_to_the_first_weights():
    """The run after a reset repeats the one before it."""
    race, screen = start()
    await until(lambda: screen and screen.last.step > 20)
    race.reset()
    await until(lambda: screen.last.run == 2 and screen.last.step > 20)
    first, second = (
        next(frame for frame in reversed(screen) if frame.run == run).chosen.loss[:20] for run in (1, 2)
    )
    np.testing.assert_array_equal(first, second)


@live
async def test_run_ends_and_play_starts_again():
    """A run ends at its last update; steps then do nothing, and play begins anew."""
    race, screen = start(CONFIG.replace(epochs=2), speed=3)
    await until(lambda: screen and screen.last.is_done)
    ended, shown = screen.last, len(screen)
    race.step()
    await until(lambda: len(screen) > shown)
    assert (screen.last.run, screen.last.step, screen.last.total_steps) == (1, 10, 10)
    assert screen.last.steps_per_second == pytest.approx(ended.steps_per_second, rel=0.5)
    race.play()
    await until(lambda: screen.last.run == 2 and screen.last.is_done)
    assert screen.last.step == 10


@pytest.mark.parametrize("epochs", [2, 1000])
@live
async def test_no_frames_when_idle(epochs):
    """Nothing is shown while finished or paused, until somebody wishes something."""
    race, screen = start(CONFIG.replace(epochs=epochs))
    await until(lambda: screen and screen.last.step >= 10)
    if epochs > 2:
        race.pause()
    await until(lambda: screen.last.is_done or not screen.last.is_playing)
    shown = len(screen)
    await frames_pass(20)
    assert len(screen) == shown
    race.reset()
    await until(lambda: len(screen) > shown)


@live
async def test_speed_is_updates_from_frame_to_frame():
    race, screen = start(CONFIG.replace(epochs=1000), speed=1)
    await until(lambda: len(screen) >= 3)
    race.speed = 20
    await until(lambda: screen.last.step > 50)
    steps = [frame.step for frame in screen]
    assert steps[:3] == [1, 2, 3]
    assert steps[-1] - steps[-2] == 20


@pytest.mark.parametrize("epochs", [3, 50, 100, 1000])
@live
async def test_by_default_a_run_takes_ten_seconds_whatever_its_number_of_updates(epochs, monkeypatch):
    """Two hundred frames, each the same number of updates ahead; fewer where there are fewer updates."""
    monkeypatch.setattr(race, "FRAME", 0.0)
    _, screen = start(CONFIG.replace(epochs=epochs))
    await until(lambda: screen and screen.last.is_done)
    steps = np.diff([frame.step for frame in screen])
    usual = max(1, epochs * 5 / 200)
    assert np.abs(steps[steps > 0] - usual).max() <= 1  # the first update stands in a frame of its own
    assert len(steps) == pytest.approx(min(200, 5 * epochs), abs=3)


@pytest.mark.parametrize("speed", [0, -3, 2.5, "fast", True])
@live
async def test_a_speed_that_is_none(speed):
    with pytest.raises(ValueError, match="speed, in updates from frame to frame, must be"):
        start(speed=speed)


# --- twins and ghosts ---------------------------------------------------------------------------------


def negated(x, gamma, beta, bn_param):
    out, cache = batchnorm_forward(x, gamma, beta, bn_param)
    return -out, cache


WRONG = {"batchnorm": (negated, batchnorm_backward)}


@live
async def test_twin_of_own_pairs_is_the_right_one():
    """Own code runs against the lab's, with the same settings."""
    race, screen = start(layers=WRONG)
    await until(lambda: screen)
    assert (screen.last.chosen.own, screen.last.twin.own) == (("batchnorm",), ())
    assert screen.last.chosen.config == screen.last.twin.config
    assert (screen.last.chosen.loss != screen.last.twin.loss).all()
    race.stop()


@live
async def test_twin_of_other_pairs():
    """A mapping as twin is the same network with these pairs."""
    race, screen = start(twin=WRONG)
    await until(lambda: screen)
    assert (screen.last.chosen.own, screen.last.twin.own) == ((), ("batchnorm",))
    assert screen.last.chosen.config == screen.last.twin.config
    assert (screen.last.chosen.loss != screen.last.twin.loss).all()
    race.stop()


@live
async def test_twin_as_a_configuration_keeps_its_differences():
    """What a twin differs in stays; all else follows the chosen network."""
    race, screen = await paused(twin=CONFIG.replace(batch_size=25, normalization="layernorm"))
    race.choose(weight_scale=0.07, batch_size=5)
    await until(lambda: screen.last.run == 2)
    expected = CONFIG.replace(weight_scale=0.07, batch_size=25, normalization="layernorm")
    assert screen.last.twin.config == expected
    assert screen.last.chosen.config == CONFIG.replace(weight_scale=0.07, batch_size=5)


@live
async def test_another_race():
    """A new pair of configurations takes the place of the old one, changes included."""
    race, screen = await paused()
    race.choose(weight_scale=0.07)
    await until(lambda: screen.last.run == 2)
    race.race(CONFIG.replace(normalization="groupnorm", num_groups=2), CONFIG.replace(epochs=7))
    await until(lambda: screen.last.run == 3)
    assert screen.last.chosen.config == CONFIG.replace(normalization="groupnorm", num_groups=2)
    assert screen.last.twin.config == CONFIG.replace(epochs=7, num_groups=2).replace(
        normalization="batchnorm", num_groups=5
    )


@live
async def test_a_twin_made_from_other_data_is_refused():
    """In words on the screen, where a function makes it; seeds of the weights alone may differ."""
    _, screen = start(twin=lambda config: config.replace(data_seed=7))
    await until(lambda: screen and screen.last.error)
    assert screen.last.error.endswith("its data_seed must be 0, not 7")
    race, screen = start(twin=CONFIG.replace(seed=7))
    await until(lambda: screen and screen.last.twin)
    assert (screen.last.twin.config.seed, screen.last.twin.config.stream_seed) == (7, 0)
    race.choose(seed=5)
    await until(lambda: screen.last.run == 2)
    assert (screen.last.twin.config.seed, screen.last.twin.config.stream_seed) == (7, 5)


@live
async def test_run_before_stays_as_a_ghost():
    """The run before stays with its curve, but one of a few updates, as of a drag, doesn't replace it."""
    race, screen = start(speed=5)
    await until(lambda: screen and screen.last.step > 20)
    assert screen.last.ghost is None
    race.choose(weight_scale=0.07)
    await until(lambda: screen.last.run == 2)
    first = next(frame for frame in reversed(screen) if frame.run == 1)
    np.testing.assert_array_equal(screen.last.ghost.loss, first.chosen.loss)
    assert screen.last.ghost.config == CONFIG
    race.pause()
    race.choose(weight_scale=0.08)
    await until(lambda: screen.last.run == 3)
    short = screen.last.ghost
    race.choose(weight_scale=0.09)
    await until(lambda: screen.last.run == 4)
    assert screen.last.ghost.config == short.config


@live
async def test_another_experiment_has_no_ghost_of_the_one_before():
    """A scene, or a configuration that was pasted: what was changed by hand stays, what is unrelated goes."""
    race, screen = start(speed=20)
    await until(lambda: screen and screen.last.step >= 20)
    race.choose(weight_scale=0.07)
    await until(lambda: screen.last.run == 2 and screen.last.step >= 20)
    assert screen.last.ghost is not None
    race.race(CONFIG.replace(learning_rate=0.1))
    await until(lambda: screen.last.run == 3 and screen.last.step >= 20)
    assert screen.last.ghost is None
    race.choose(weight_scale=0.08)
    await until(lambda: screen.last.run == 4)
    assert screen.last.ghost.config.learning_rate == 0.1


@live
async def test_reset_leaves_no_ghost_of_itself():
    race, screen = start(speed=5)
    await until(lambda: screen and screen.last.step > 20)
    race.reset()
    await until(lambda: screen.last.run == 2)
    assert screen.last.ghost is None


@live
async def test_signals_of_both_networks():
    """The first update is observed, while playing some, and each one that is made by hand."""
    race, screen = await paused()
    assert screen.last.chosen.signals.sizes.shape == (2, 3)
    assert screen.last.twin.signals.gradient_norms.shape == (3,)
    before = screen.last.chosen.signals
    race.step()
    await until(lambda: screen.last.chosen.signals is not before)
    assert screen.last.step == screen[0].step + (screen.last.step - screen[0].step)


# --- changing, branching and going back while it runs -----------------------------------------------------


def expected_losses(config, steps, changes=()):
    """What the one loop trains; changes: {update: {name: value}}, made just after this update."""
    training = Training.from_config(config, small_data())
    for _ in range(steps):
        next(iter(training))
        for name, value in dict(changes).get(training.step, {}).items():
            setattr(training, name, value)
    return training.loss


@live
async def test_change_while_it_runs():
    """Learning rate and L2 change without a new run, of both networks, and are remembered."""
    race, screen = await paused()
    at = screen.last.step
    race.change(learning_rate=0.05, reg=0.3)
    for _ in range(5):
        race.step()
    await until(lambda: screen.last.step == at + 5)
    changes = {at: {"learning_rate": 0.05, "reg": 0.3}}
    last = screen.last
    assert last.run == 1
    np.testing.assert_array_equal(last.chosen.loss, expected_losses(CONFIG, at + 5, changes))
    plain = CONFIG.replace(normalization=None)
    np.testing.assert_array_equal(last.twin.loss, expected_losses(plain, at + 5, changes))
    assert last.changes == ((at, "learning rate 0.05, L2 0.3"),)
    assert last.chosen.config == CONFIG.replace(learning_rate=0.05, reg=0.3)
    race.choose(batch_size=25)
    await until(lambda: screen.last.run == 2)
    assert screen.last.chosen.config == CONFIG.replace(learning_rate=0.05, reg=0.3, batch_size=25)
    assert screen.last.changes == ()


@live
async def test_change_that_cannot_be():
    race, screen = await paused()
    with pytest.raises(TypeError, match="only learning_rate, reg can change"):
        race.change(batch_size=3)
    race.change(learning_rate=-1.0)
    await until(lambda: screen.last.error)
    assert screen.last.error.startswith("learning_rate must be")
    race.choose(learning_rate=0.01)
    await until(lambda: screen.last.run == 2 and not screen.last.error)


@live
async def test_back_is_bit_equal():
    """Going back replays to the very same losses and weights, wherever states were kept."""
    race, screen = start(CONFIG.replace(epochs=1000), speed=40)
    await until(lambda: screen and screen.last.step > 700)
    race.back(to=437)
    await until(lambda: screen.last.step == 437)
    assert (screen.last.is_playing, screen.last.returns, screen.last.run) == (False, 1, 1)
    race.step()
    await until(lambda: screen.last.step == 438)
    np.testing.assert_array_equal(screen.last.chosen.loss, expected_losses(CONFIG, 438))
    race.back()
    await until(lambda: screen.last.step == 437)
    race.back(to=-3)
    await until(lambda: screen.last.step == 1)
    race.back()
    await frames_pass()
    assert screen.last.step == 1


@live
async def test_back_over_a_change_takes_it_back():
    race, screen = await paused()
    for _ in range(14):
        race.step()
    await until(lambda: screen.last.step >= 15)
    at = screen.last.step
    race.change(learning_rate=0.05)
    for _ in range(3):
        race.step()
    await until(lambda: screen.last.step == at + 3)
    race.back(to=at + 1)  # the change stands before it
    await until(lambda: screen.last.step == at + 1)
    changes = {at: {"learning_rate": 0.05}}
    np.testing.assert_array_equal(screen.last.chosen.loss, expected_losses(CONFIG, at + 1, changes))
    assert len(screen.last.changes) == 1
    race.back(to=at)
    await until(lambda: screen.last.step == at)
    assert screen.last.changes == ()
    assert screen.last.chosen.config == CONFIG == race.config
    race.step()
    await until(lambda: screen.last.step == at + 1)
    np.testing.assert_array_equal(screen.last.chosen.loss, expected_losses(CONFIG, at + 1))


@live
async def test_branch():
    """The twin becomes the run as it was; what is changed then is changed in the chosen network alone."""
    race, screen = await paused()
    at = screen.last.step
    race.branch()
    await until(lambda: screen.last.branched_at == at)
    race.change(learning_rate=0.05)
    for _ in range(4):
        race.step()
    await until(lambda: screen.last.step == at + 4)
    np.testing.assert_array_equal(screen.last.twin.loss, expected_losses(CONFIG, at + 4))
    changed = expected_losses(CONFIG, at + 4, {at: {"learning_rate": 0.05}})
    np.testing.assert_array_equal(screen.last.chosen.loss, changed)
    race.reset()
    await until(lambda: screen.last.run == 2)
    assert screen.last.branched_at is None
    assert screen.last.twin.config.normalization is None


@live
async def test_back_before_a_branch_brings_the_twin_back():
    race, screen = await paused()
    for _ in range(5):
        race.step()
    await until(lambda: screen.last.step >= 6)
    at = screen.last.step
    race.branch()
    race.step()
    await until(lambda: screen.last.branched_at == at and screen.last.step == at + 1)
    race.back(to=at - 1)
    await until(lambda: screen.last.step == at - 1)
    assert screen.last.branched_at is None
    plain = expected_losses(CONFIG.replace(normalization=None), at - 1)
    np.testing.assert_array_equal(screen.last.twin.loss, plain)


@live
async def test_frames_go_before_updates(monkeypatch):
    """However many updates a frame should have, it ends when its time is over."""
    monkeypatch.setattr("lab.live.race.BUSY", 0.02)
    race, screen = start(CONFIG.replace(epochs=1_000_000), layers=slow_relu(), speed=1_000_000)
    await until(lambda: len(screen) >= 5)
    steps = [frame.step for frame in screen]
    assert all(1 <= after - before <= 10 for before, after in pairwise(steps))
    race.stop()


# --- pitfalls: threads, and the kernel's time ---------------------------------------------------------


@live
async def test_callbacks_of_another_thread_take_effect_on_the_main_loop(monkeypatch):
    """Networks are made and shown in the loop's own thread, wherever the wish came from."""
    threads = []
    make = Training.from_config
    monkeypatch.setattr(
        Training, "from_config", lambda *given: threads.append(threading.get_ident()) or make(*given)
    )
    screen = Screen()
    race, _ = start(show=lambda frame: (threads.append(threading.get_ident()), screen(frame)))
    await until(lambda: screen)
    wishes = {
        "pause": lambda: not screen.last.is_playing,
        "step": lambda: screen.last.step > step,
        "play": lambda: screen.last.is_playing,
        "reset": lambda: screen.last.run == 2,
    }
    for wish, is_seen in wishes.items():
        step = screen.last.step
        thread = threading.Thread(target=getattr(race, wish))
        thread.start()
        await until(is_seen)
        thread.join()
    await asyncio.to_thread(race.choose, batch_size=25)
    await until(lambda: screen.last.run == 3)
    await asyncio.to_thread(race.stop)
    await frames_pass()
    shown = len(screen)
    await frames_pass(10)
    assert len(screen) == shown
    assert set(threads) == {threading.get_ident()}


@live
async def test_a_wish_from_another_thread_wakes_a_sleeping_task():
    """While paused nothing polls: the wish itself wakes the loop, in a way that is safe between threads."""
    asyncio.get_running_loop().set_debug(True)  # now what isn't safe raises
    race, screen = await paused()
    await asyncio.to_thread(race.step)
    await until(lambda: screen.last.step == 2)


@pytest.mark.parametrize("wish", ["choose", "reset", "pause", "step"])
@live
async def test_a_wish_ends_a_frame_early(wish):
    """Nobody waits for the end of a frame of a million updates."""
    race, screen = start(CONFIG.replace(epochs=1_000_000), layers=slow_relu(), speed=1_000_000)
    await until(lambda: screen)
    await asyncio.sleep(0.05)
    getattr(race, wish)(**({"batch_size": 25} if wish == "choose" else {}))
    if wish in ("choose", "reset"):
        await until(lambda: screen.last.run == 2)
    else:
        await until(lambda: not screen.last.is_playing)
        assert 1 < screen.last.step < 10_000


@live
async def test_no_slice_holds_the_loop():
    """Between two frames of a slow network the loop goes round many times: others get their turn."""
    beats = []

    async def heart():
        while True:
            beats.append(time.perf_counter())
            await asyncio.sleep(0)

    screen = Screen()
    moments = []
    race, _ = start(
        show=lambda frame: (moments.append(time.perf_counter()), screen(frame)), layers=slow_relu(), speed=20
    )
    beating = asyncio.create_task(heart())
    await until(lambda: len(screen) >= 4)
    beating.cancel()
    for began, ended in pairwise(moments[1:4]):  # 20 updates with two passes of 4 ms: 16 slices
        assert sum(began < beat < ended for beat in beats) >= 10
    race.stop()


@live
async def test_accuracy_is_measured_in_slices(monkeypatch):
    """Of a network whose updates take long: between two parts of the samples others get their turn."""
    beats, parts = [], []
    scores = Network.scores

    def slow_scores(net, X):
        parts.append((len(beats), len(X)))
        time.sleep(2 * race.SLICE)
        return scores(net, X)

    async def heart():
        while True:
            beats.append(1)
            await asyncio.sleep(0)

    monkeypatch.setattr(Network, "scores", slow_scores)
    _, screen = start(data=small_data(rows=220), layers=slow_relu(3 * race.SLICE), play=False)
    beating = asyncio.create_task(heart())
    await until(lambda: screen and screen.last.chosen.accuracies)
    beating.cancel()
    assert [rows for _, rows in parts] == [50, 50, 50, 50, 20] * 4  # two parts of the data, two networks
    turns = [turn for turn, _ in parts]
    assert all(before < after for before, after in pairwise(turns))


@live
async def test_a_new_run_does_not_wait_for_accuracies(monkeypatch):
    scored = []

    def slow_scores(net, X):
        scored.append(1)
        time.sleep(0.05)
        return np.zeros((len(X), 3))

    monkeypatch.setattr(Network, "scores", slow_scores)
    monkeypatch.setattr("lab.live.race.SCORED_IN_A_SLICE", 1)
    running, screen = start(data=small_data(rows=100), layers=slow_relu(3 * race.SLICE), play=False)
    await until(lambda: len(scored) > 3)
    running.choose(weight_scale=0.5)
    await until(lambda: screen.last.run == 2)
    assert len(scored) < 50


@live
async def test_the_labs_own_code_may_take_its_time(monkeypatch):
    """A large network is no endless loop."""
    monkeypatch.setattr("lab.live.race.UPDATE", 1e-5)
    running, screen = start()
    await until(lambda: screen and (screen.last.step > 5 or screen.last.error))
    assert screen.last.error == ""
    running.stop()


@live
async def test_what_has_stopped_lets_go_of_its_networks():
    """The page keeps an explorer whose cell was run again; it need not keep what it trained."""
    running, screen = start()
    await until(lambda: screen and screen.last.step > 20)
    nets = [weakref.ref(training.net) for training in running._trainings]
    running.stop()
    await until(lambda: running._task is None)
    await frames_pass()
    gc.collect()
    assert [net() for net in nets] == [None, None]
    assert len(screen.last.chosen.loss) > 20


@live
async def test_two_races_do_not_disturb_each_other():
    (first, left), (second, right) = start(), start(speed=5)
    await until(lambda: left and right)
    first.pause()
    second.choose(batch_size=25)
    await until(lambda: right.last.run == 2 and right.last.step > 20)
    assert not left.last.is_playing
    assert (left.last.run, left.last.chosen.config) == (1, CONFIG)
    first.stop()
    step = right.last.step
    await until(lambda: right.last.step > step)


@live
async def test_stop_ends_for_good():
    """After stop nothing is trained, and wishes are left unheard; a second stop does no harm."""
    race, screen = start()
    await until(lambda: screen)
    race.stop()
    race.stop()
    await frames_pass()
    shown = len(screen)
    race.play()
    race.choose(batch_size=25)
    await frames_pass(10)
    assert len(screen) == shown


def test_stop_after_the_loop_has_ended():
    """When the kernel ends there is no loop any more to tell."""

    async def make():
        return start()[0]

    asyncio.run(make()).stop()


def test_no_running_loop():
    with pytest.raises(RuntimeError, match="running event loop: open the notebook in Jupyter"):
        Race(CONFIG, print)


# --- errors ------------------------------------------------------------------------------------------


@live
async def test_batch_of_one_says_so_and_recovers():
    """A setting that can't be leaves the last good run on the screen, and the next one trains again."""
    race, screen = start()
    await until(lambda: screen and screen.last.step > 5)
    race.choose(batch_size=1)
    await until(lambda: screen.last.error)
    wrong, good = screen.last, screen[-2]
    assert wrong.error.startswith("batch_size 1 can't be batch-normalized")
    assert wrong.run == good.run
    assert not wrong.is_playing
    np.testing.assert_array_equal(wrong.chosen.loss, good.chosen.loss)
    race.play()
    race.step()
    await until(lambda: len(screen) > screen.index(wrong) + 1)
    assert screen.last.error == wrong.error
    race.choose(normalization="layernorm")
    await until(lambda: screen.last.run == 2)
    assert (screen.last.error, screen.last.chosen.config.batch_size) == ("", 1)


@live
async def test_first_configuration_that_fails():
    """Without a first run there are no sides to show, only the sentence."""
    race, screen = start(CONFIG.replace(augmentation="flip"))
    await until(lambda: screen)
    assert screen.last.chosen is None
    assert screen.last.error.startswith("augmentation='flip' needs images")
    race.choose(augmentation=None)
    await until(lambda: screen.last.run == 1)


def own_pair(mistake):
    """Batch norm with a mistake in its forward pass, which `mistake` makes of x."""

    def own_forward(x, gamma, beta, bn_param):
        out, cache = batchnorm_forward(x, gamma, beta, bn_param)
        return mistake(out), cache

    return {"batchnorm": (own_forward, batchnorm_backward)}


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda out: out.no_such_thing, "AttributeError: 'numpy.ndarray' object has no attribute"),
        (lambda out: out + np.zeros(3), "ValueError: operands could not be broadcast together"),
        (lambda out: np.linalg.inv(out), "LinAlgError: Last 2 dimensions of the array must be square"),
    ],
)
@live
async def test_own_pair_that_crashes_shows_its_line(mistake, said):
    """The error of own code comes with the line of that code, also where NumPy raised it."""
    race, screen = start(layers=own_pair(mistake))
    await until(lambda: screen)
    assert screen.last.error.startswith(said)
    assert "(line " in screen.last.error
    assert "of <lambda>: " in screen.last.error
    assert "in own_forward" in screen.last.details
    assert screen.last.details.startswith("Traceback")
    assert not screen.last.is_playing
    race.choose(normalization="layernorm")
    await until(lambda: screen.last.run == 1 and screen.last.step > 5)
    assert screen.last.error == ""


@live
async def test_own_pair_of_a_wrong_shape_is_told_what_is_right():
    race, screen = start(layers=own_pair(lambda out: out[:, :3]))
    await until(lambda: screen)
    assert screen.last.error == "own_forward must return out of shape (10, 8), not an array of shape (10, 3)"
    race.stop()


@live
async def test_own_pair_that_crashes_later_keeps_its_curves():
    calls = []

    def mistake(out):
        calls.append(1)
        return out if len(calls) < 60 else out.no_such_thing

    _, screen = start(layers=own_pair(mistake))
    await until(lambda: screen and screen.last.error)
    assert len(screen.last.chosen.loss) > 5


@live
async def test_endless_loop_is_stopped(monkeypatch):
    """An update that never ends is stopped at its line; the controls go on to work."""
    monkeypatch.setattr("lab.live.race.UPDATE", 0.2)

    def endless(out):
        while True:
            out = out + 1

    race, screen = start(layers=own_pair(endless))
    await until(lambda: screen and screen.last.error)
    assert screen.last.error.startswith(
        "An update took longer than 0.2 seconds and was stopped; an endless loop? (line "
    )
    assert "of endless: " in screen.last.error
    race.choose(normalization="layernorm")
    await until(lambda: screen.last.run == 1 and screen.last.step > 5)


@live
async def test_own_pair_that_fails_at_once_leaves_the_last_run():
    """A pair that worked in one setting and crashes in the next: the old curves stay."""

    def not_of_five(out):
        return out.no_such_thing if len(out) == 5 else out

    race, screen = start(layers=own_pair(not_of_five), speed=5)
    await until(lambda: screen and screen.last.step > 20)
    race.choose(batch_size=5)
    await until(lambda: screen.last.error)
    assert (screen.last.run, screen.last.chosen.config) == (1, CONFIG)
    assert len(screen.last.chosen.loss) > 20


@live
async def test_controls_live_while_data_loads(monkeypatch):
    """Loading goes on beside the loop."""
    go = threading.Event()

    def load(*_, **__):
        assert go.wait(PATIENCE)
        raise DataError("no such data")

    monkeypatch.setattr("lab.train.loop.load", load)
    race, screen = start()
    await until(lambda: screen)
    race.choose(dataset="mnist", seed=321)
    await until(lambda: screen.last.note)
    await frames_pass()  # the loop isn't held
    go.set()
    await until(lambda: screen.last.error)
    assert (screen.last.error, screen.last.run) == ("no such data", 1)


@live
async def test_missing_data_is_said_in_words(monkeypatch):
    def load(*_, **__):
        raise DataError("there is no network, and the folder of LAB_DATA has no CIFAR-10")

    monkeypatch.setattr("lab.train.loop.load", load)
    _, screen = start(CONFIG.replace(dataset="cifar10", seed=123), data=None)
    await until(lambda: screen and screen.last.error)
    assert screen[0].note == "Loading the data."
    assert screen.last.note == ""
    assert screen.last.error == "there is no network, and the folder of LAB_DATA has no CIFAR-10"


@live
async def test_an_exception_of_the_view_is_reported():
    """A view that fails once shows why, and the task lives on."""
    frames = []

    def show(frame):
        if frame.number == 3 and frame.run == 1:
            raise KeyError("a figure")
        frames.append(frame)

    race, _ = start(show=show)
    await until(lambda: frames and frames[-1].error)
    assert frames[-1].error.startswith("KeyError: 'a figure' (line ")
    assert not frames[-1].is_playing
    race.reset()
    await until(lambda: frames[-1].run == 2 and frames[-1].step > 10)


@live
async def test_a_view_that_always_fails_does_not_end_the_task():
    """The exception goes to the loop's handler, and the next wish is heard."""
    reported, frames, works = [], [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def show(frame):
        if not works:
            raise KeyError("all figures")
        frames.append(frame)

    race, _ = start(show=show)
    await until(lambda: reported)
    assert isinstance(reported[0]["exception"], KeyError)
    works.append(True)
    race.reset()
    await until(lambda: frames and frames[-1].step > 10)


@live
async def test_divergence_is_a_result():
    """A network that explodes is marked, its twin goes on to the end, and nothing is an error."""
    exploding = CONFIG.replace(
        normalization=None, optimizer="sgd", learning_rate=1e6, weight_scale=10.0, epochs=4
    )
    race, screen = start(
        exploding, twin=lambda config: config.replace(learning_rate=0.0, weight_scale=0.01), speed=5
    )
    await until(lambda: screen and screen.last.is_done)
    assert screen.last.chosen.diverged_at is not None
    assert screen.last.twin.diverged_at is None
    assert screen.last.step == screen.last.total_steps == 20
    assert screen.last.error == ""
    race.stop()
