"""Twin and ghost of a race; changes, branches and ways back while it runs."""

from itertools import pairwise

import numpy as np
import pytest

from lab.nn import batchnorm_backward, batchnorm_forward
from lab.train import Training
from tests.live.stage import CONFIG, frames_pass, live, paused, slow_relu, small_data, start, until

# --- twins and ghosts ---------------------------------------------------------------------------------


def negated(x, gamma, beta, bn_param):
    out, cache = batchnorm_forward(x, gamma, beta, bn_param)
    return -out, cache


WRONG = {"batchnorm": (negated, batchnorm_backward)}


@live
async def test_twin_of_own_pairs_is_the_right_one():
    """Own code runs against the lab's, with the same settings."""
    race, frames = start(layers=WRONG)
    await until(lambda: frames)
    assert (frames.last.chosen.own, frames.last.twin.own) == (("batchnorm",), ())
    assert frames.last.chosen.config == frames.last.twin.config
    assert (frames.last.chosen.loss != frames.last.twin.loss).all()
    race.stop()


@live
async def test_twin_of_other_pairs():
    """A mapping as twin is the same network with these pairs."""
    race, frames = start(twin=WRONG)
    await until(lambda: frames)
    assert (frames.last.chosen.own, frames.last.twin.own) == ((), ("batchnorm",))
    assert frames.last.chosen.config == frames.last.twin.config
    assert (frames.last.chosen.loss != frames.last.twin.loss).all()
    race.stop()


@live
async def test_twin_as_a_configuration_keeps_its_differences():
    """What a twin differs in stays; all else follows the chosen network."""
    race, frames = await paused(twin=CONFIG.replace(batch_size=25, normalization="layernorm"))
    race.choose(weight_scale=0.07, batch_size=5)
    await until(lambda: frames.last.run == 2)
    expected = CONFIG.replace(weight_scale=0.07, batch_size=25, normalization="layernorm")
    assert frames.last.twin.config == expected
    assert frames.last.chosen.config == CONFIG.replace(weight_scale=0.07, batch_size=5)


@live
async def test_another_race():
    """A new pair of configurations takes the place of the old one, changes included."""
    race, frames = await paused()
    race.choose(weight_scale=0.07)
    await until(lambda: frames.last.run == 2)
    race.race(CONFIG.replace(normalization="groupnorm", num_groups=2), CONFIG.replace(epochs=7))
    await until(lambda: frames.last.run == 3)
    assert frames.last.chosen.config == CONFIG.replace(normalization="groupnorm", num_groups=2)
    assert frames.last.twin.config == CONFIG.replace(epochs=7, num_groups=2).replace(
        normalization="batchnorm", num_groups=5
    )


@live
async def test_a_twin_made_from_other_data_is_refused():
    """In words on the screen, where a function makes it; seeds of the weights alone may differ."""
    _, frames = start(twin=lambda config: config.replace(data_seed=7))
    await until(lambda: frames and frames.last.error)
    assert frames.last.error.endswith("its data_seed must be 0, not 7")
    race, frames = start(twin=CONFIG.replace(seed=7))
    await until(lambda: frames and frames.last.twin)
    assert (frames.last.twin.config.seed, frames.last.twin.config.stream_seed) == (7, 0)
    race.choose(seed=5)
    await until(lambda: frames.last.run == 2)
    assert (frames.last.twin.config.seed, frames.last.twin.config.stream_seed) == (7, 5)


@live
async def test_run_before_stays_as_a_ghost():
    """The run before stays with its curve, but one of a few updates, as of a drag, doesn't replace it."""
    race, frames = start(speed=5)
    await until(lambda: frames and frames.last.step > 20)
    assert frames.last.ghost is None
    race.choose(weight_scale=0.07)
    await until(lambda: frames.last.run == 2)
    first = next(frame for frame in reversed(frames) if frame.run == 1)
    np.testing.assert_array_equal(frames.last.ghost.loss, first.chosen.loss)
    assert frames.last.ghost.config == CONFIG
    race.pause()
    race.choose(weight_scale=0.08)
    await until(lambda: frames.last.run == 3)
    short = frames.last.ghost
    race.choose(weight_scale=0.09)
    await until(lambda: frames.last.run == 4)
    assert frames.last.ghost.config == short.config


@live
async def test_another_experiment_has_no_ghost_of_the_one_before():
    """A scene, or a configuration that was pasted: what was changed by hand stays, what is unrelated goes."""
    race, frames = start(speed=20)
    await until(lambda: frames and frames.last.step >= 20)
    race.choose(weight_scale=0.07)
    await until(lambda: frames.last.run == 2 and frames.last.step >= 20)
    assert frames.last.ghost is not None
    race.race(CONFIG.replace(learning_rate=0.1))
    await until(lambda: frames.last.run == 3 and frames.last.step >= 20)
    assert frames.last.ghost is None
    race.choose(weight_scale=0.08)
    await until(lambda: frames.last.run == 4)
    assert frames.last.ghost.config.learning_rate == 0.1


@live
async def test_reset_leaves_no_ghost_of_itself():
    race, frames = start(speed=5)
    await until(lambda: frames and frames.last.step > 20)
    race.reset()
    await until(lambda: frames.last.run == 2)
    assert frames.last.ghost is None


@live
async def test_signals_of_both_networks():
    """The first update is observed, while playing some, and each one that is made by hand."""
    race, frames = await paused()
    assert frames.last.chosen.signals.sizes.shape == (2, 3)
    assert frames.last.twin.signals.gradient_norms.shape == (3,)
    before = frames.last.chosen.signals
    race.step()
    await until(lambda: frames.last.chosen.signals is not before)
    assert frames.last.step == frames[0].step + (frames.last.step - frames[0].step)


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
    race, frames = await paused()
    at = frames.last.step
    race.change(learning_rate=0.05, reg=0.3)
    for _ in range(5):
        race.step()
    await until(lambda: frames.last.step == at + 5)
    changes = {at: {"learning_rate": 0.05, "reg": 0.3}}
    last = frames.last
    assert last.run == 1
    np.testing.assert_array_equal(last.chosen.loss, expected_losses(CONFIG, at + 5, changes))
    plain = CONFIG.replace(normalization=None)
    np.testing.assert_array_equal(last.twin.loss, expected_losses(plain, at + 5, changes))
    assert last.changes == ((at, "learning rate 0.05, L2 0.3"),)
    assert last.chosen.config == CONFIG.replace(learning_rate=0.05, reg=0.3)
    race.choose(batch_size=25)
    await until(lambda: frames.last.run == 2)
    assert frames.last.chosen.config == CONFIG.replace(learning_rate=0.05, reg=0.3, batch_size=25)
    assert frames.last.changes == ()


@live
async def test_change_that_cannot_be():
    race, frames = await paused()
    with pytest.raises(TypeError, match="only learning_rate, reg can change"):
        race.change(batch_size=3)
    race.change(learning_rate=-1.0)
    await until(lambda: frames.last.error)
    assert frames.last.error.startswith("learning_rate must be")
    race.choose(learning_rate=0.01)
    await until(lambda: frames.last.run == 2 and not frames.last.error)


@live
async def test_back_is_bit_equal():
    """Going back replays to the very same losses and weights, wherever states were kept."""
    race, frames = start(CONFIG.replace(epochs=1000), speed=40)
    await until(lambda: frames and frames.last.step > 700)
    race.back(to=437)
    await until(lambda: frames.last.step == 437)
    assert (frames.last.is_playing, frames.last.returns, frames.last.run) == (False, 1, 1)
    race.step()
    await until(lambda: frames.last.step == 438)
    np.testing.assert_array_equal(frames.last.chosen.loss, expected_losses(CONFIG, 438))
    race.back()
    await until(lambda: frames.last.step == 437)
    race.back(to=-3)
    await until(lambda: frames.last.step == 1)
    race.back()
    await frames_pass()
    assert frames.last.step == 1


@live
async def test_back_over_a_change_takes_it_back():
    race, frames = await paused()
    for _ in range(14):
        race.step()
    await until(lambda: frames.last.step >= 15)
    at = frames.last.step
    race.change(learning_rate=0.05)
    for _ in range(3):
        race.step()
    await until(lambda: frames.last.step == at + 3)
    race.back(to=at + 1)  # the change stands before it
    await until(lambda: frames.last.step == at + 1)
    changes = {at: {"learning_rate": 0.05}}
    np.testing.assert_array_equal(frames.last.chosen.loss, expected_losses(CONFIG, at + 1, changes))
    assert len(frames.last.changes) == 1
    race.back(to=at)
    await until(lambda: frames.last.step == at)
    assert frames.last.changes == ()
    assert frames.last.chosen.config == CONFIG == race.config
    race.step()
    await until(lambda: frames.last.step == at + 1)
    np.testing.assert_array_equal(frames.last.chosen.loss, expected_losses(CONFIG, at + 1))


@live
async def test_branch():
    """The twin becomes the run as it was; what is changed then is changed in the chosen network alone."""
    race, frames = await paused()
    at = frames.last.step
    race.branch()
    await until(lambda: frames.last.branched_at == at)
    race.change(learning_rate=0.05)
    for _ in range(4):
        race.step()
    await until(lambda: frames.last.step == at + 4)
    np.testing.assert_array_equal(frames.last.twin.loss, expected_losses(CONFIG, at + 4))
    changed = expected_losses(CONFIG, at + 4, {at: {"learning_rate": 0.05}})
    np.testing.assert_array_equal(frames.last.chosen.loss, changed)
    race.reset()
    await until(lambda: frames.last.run == 2)
    assert frames.last.branched_at is None
    assert frames.last.twin.config.normalization is None


@live
async def test_back_before_a_branch_brings_the_twin_back():
    race, frames = await paused()
    for _ in range(5):
        race.step()
    await until(lambda: frames.last.step >= 6)
    at = frames.last.step
    race.branch()
    race.step()
    await until(lambda: frames.last.branched_at == at and frames.last.step == at + 1)
    race.back(to=at - 1)
    await until(lambda: frames.last.step == at - 1)
    assert frames.last.branched_at is None
    plain = expected_losses(CONFIG.replace(normalization=None), at - 1)
    np.testing.assert_array_equal(frames.last.twin.loss, plain)


@live
async def test_frames_go_before_updates(monkeypatch):
    """However many updates a frame should have, it ends when its time is over."""
    monkeypatch.setattr("lab.live.task.BUSY", 0.02)
    race, frames = start(CONFIG.replace(epochs=1_000_000), layers=slow_relu(), speed=1_000_000)
    await until(lambda: len(frames) >= 5)
    steps = [frame.step for frame in frames]
    assert all(1 <= after - before <= 10 for before, after in pairwise(steps))
    race.stop()
