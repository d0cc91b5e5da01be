"""What goes wrong in a race becomes a sentence, and the last good run stays."""

import asyncio
import threading

import numpy as np
import pytest

from lab.data import DataError
from lab.nn import batchnorm_backward, batchnorm_forward
from tests.live.stage import CONFIG, PATIENCE, Frames, frames_pass, live, start, until


@live
async def test_batch_of_one_says_so_and_recovers():
    """A setting that can't be leaves the last good run on the screen, and the next one trains again."""
    race, frames = start()
    await until(lambda: frames and frames.last.step > 5)
    race.choose(batch_size=1)
    await until(lambda: frames.last.error)
    wrong, good = frames.last, frames[-2]
    assert wrong.error.startswith("batch_size 1 can't be batch-normalized")
    assert wrong.run == good.run
    assert not wrong.is_playing
    np.testing.assert_array_equal(wrong.chosen.loss, good.chosen.loss)
    race.play()
    race.step()
    await until(lambda: len(frames) > frames.index(wrong) + 1)
    assert frames.last.error == wrong.error
    race.choose(normalization="layernorm")
    await until(lambda: frames.last.run == 2)
    assert (frames.last.error, frames.last.chosen.config.batch_size) == ("", 1)


@live
async def test_first_configuration_that_fails():
    """Without a first run there are no sides to show, only the sentence."""
    race, frames = start(CONFIG.replace(augmentation="flip"))
    await until(lambda: frames)
    assert frames.last.chosen is None
    assert frames.last.error.startswith("augmentation='flip' needs images")
    race.choose(augmentation=None)
    await until(lambda: frames.last.run == 1)


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
    race, frames = start(layers=own_pair(mistake))
    await until(lambda: frames)
    assert frames.last.error.startswith(said)
    assert "(line " in frames.last.error
    assert "of <lambda>: " in frames.last.error
    assert "in own_forward" in frames.last.details
    assert frames.last.details.startswith("Traceback")
    assert not frames.last.is_playing
    race.choose(normalization="layernorm")
    await until(lambda: frames.last.run == 1 and frames.last.step > 5)
    assert frames.last.error == ""


@live
async def test_own_pair_of_a_wrong_shape_is_told_what_is_right():
    race, frames = start(layers=own_pair(lambda out: out[:, :3]))
    await until(lambda: frames)
    assert frames.last.error == "own_forward must return out of shape (10, 8), not an array of shape (10, 3)"
    race.stop()


@live
async def test_own_pair_that_crashes_later_keeps_its_curves():
    calls = []

    def mistake(out):
        calls.append(1)
        return out if len(calls) < 60 else out.no_such_thing

    _, frames = start(layers=own_pair(mistake))
    await until(lambda: frames and frames.last.error)
    assert len(frames.last.chosen.loss) > 5


@live
async def test_endless_loop_is_stopped(monkeypatch):
    """An update that never ends is stopped at its line; the controls go on to work."""
    monkeypatch.setattr("lab.live.explorer.race.UPDATE", 0.2)

    def endless(out):
        while True:
            out = out + 1

    race, frames = start(layers=own_pair(endless))
    await until(lambda: frames and frames.last.error)
    assert frames.last.error.startswith(
        "An update took longer than 0.2 seconds and was stopped; an endless loop? (line "
    )
    assert "of endless: " in frames.last.error
    race.choose(normalization="layernorm")
    await until(lambda: frames.last.run == 1 and frames.last.step > 5)


@live
async def test_own_pair_that_fails_at_once_leaves_the_last_run():
    """A pair that worked in one setting and crashes in the next: the old curves stay."""

    def not_of_five(out):
        return out.no_such_thing if len(out) == 5 else out

    race, frames = start(layers=own_pair(not_of_five), speed=5)
    await until(lambda: frames and frames.last.step > 20)
    race.choose(batch_size=5)
    await until(lambda: frames.last.error)
    assert (frames.last.run, frames.last.chosen.config) == (1, CONFIG)
    assert len(frames.last.chosen.loss) > 20


@live
async def test_controls_live_while_data_loads(monkeypatch):
    """Loading goes on beside the loop."""
    go = threading.Event()

    def load(*_, **__):
        assert go.wait(PATIENCE)
        raise DataError("no such data")

    monkeypatch.setattr("lab.train.samples.load", load)
    race, frames = start()
    await until(lambda: frames)
    race.choose(dataset="mnist", seed=321)
    await until(lambda: frames.last.note)
    await frames_pass()  # the loop isn't held
    go.set()
    await until(lambda: frames.last.error)
    assert (frames.last.error, frames.last.run) == ("no such data", 1)


@live
async def test_missing_data_is_said_in_words(monkeypatch):
    def load(*_, **__):
        raise DataError("there is no network, and the folder of LAB_DATA has no CIFAR-10")

    monkeypatch.setattr("lab.train.samples.load", load)
    _, frames = start(CONFIG.replace(dataset="cifar10", seed=123), data=None)
    await until(lambda: frames and frames.last.error)
    assert frames[0].note == "Loading the data."
    assert frames.last.note == ""
    assert frames.last.error == "there is no network, and the folder of LAB_DATA has no CIFAR-10"


@live
async def test_an_exception_of_the_view_is_reported():
    """A view that fails once shows why, and the task lives on."""
    frames = Frames()

    def show(frame):
        if frame.number == 3 and frame.run == 1:
            raise KeyError("a figure")
        frames.append(frame)

    race, _ = start(show=show)
    await until(lambda: frames and frames.last.error)
    assert frames.last.error.startswith("KeyError: 'a figure' (line ")
    assert not frames.last.is_playing
    race.reset()
    await until(lambda: frames.last.run == 2 and frames.last.step > 10)


@live
async def test_a_view_that_always_fails_does_not_end_the_task():
    """The exception goes to the loop's handler, and the next wish is heard."""
    reported, frames, works = [], Frames(), []
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
    await until(lambda: frames and frames.last.step > 10)


@live
async def test_divergence_is_a_result():
    """A network that explodes is marked, its twin goes on to the end, and nothing is an error."""
    exploding = CONFIG.replace(
        normalization=None, optimizer="sgd", learning_rate=1e6, weight_scale=10.0, epochs=4
    )
    race, frames = start(
        exploding, twin=lambda config: config.replace(learning_rate=0.0, weight_scale=0.01), speed=5
    )
    await until(lambda: frames and frames.last.is_done)
    assert frames.last.chosen.diverged_at is not None
    assert frames.last.twin.diverged_at is None
    assert frames.last.step == frames.last.total_steps == 20
    assert frames.last.error == ""
    race.stop()
