"""The task of a race among others: threads, and the kernel's time."""

import asyncio
import gc
import threading
import time
import weakref
from itertools import pairwise

import numpy as np
import pytest

from lab.live import task
from lab.live.explorer.race import Race
from lab.nn.network import Network
from lab.train import Training
from tests.live.stage import CONFIG, Frames, frames_pass, live, paused, slow_relu, small_data, start, until


@live
async def test_callbacks_of_another_thread_take_effect_on_the_main_loop(monkeypatch):
    """Networks are made and shown in the loop's own thread, wherever the wish came from."""
    threads = []
    make = Training.from_config
    monkeypatch.setattr(
        Training, "from_config", lambda *given: threads.append(threading.get_ident()) or make(*given)
    )
    frames = Frames()
    race, _ = start(show=lambda frame: (threads.append(threading.get_ident()), frames(frame)))
    await until(lambda: frames)
    wishes = {
        "pause": lambda: not frames.last.is_playing,
        "step": lambda: frames.last.step > step,
        "play": lambda: frames.last.is_playing,
        "reset": lambda: frames.last.run == 2,
    }
    for wish, is_seen in wishes.items():
        step = frames.last.step
        thread = threading.Thread(target=getattr(race, wish))
        thread.start()
        await until(is_seen)
        thread.join()
    await asyncio.to_thread(race.choose, batch_size=25)
    await until(lambda: frames.last.run == 3)
    await asyncio.to_thread(race.stop)
    await frames_pass()
    shown = len(frames)
    await frames_pass(10)
    assert len(frames) == shown
    assert set(threads) == {threading.get_ident()}


@live
async def test_a_wish_from_another_thread_wakes_a_sleeping_task():
    """While paused nothing polls: the wish itself wakes the loop, in a way that is safe between threads."""
    asyncio.get_running_loop().set_debug(True)  # now what isn't safe raises
    race, frames = await paused()
    await asyncio.to_thread(race.step)
    await until(lambda: frames.last.step == 2)


@pytest.mark.parametrize("wish", ["choose", "reset", "pause", "step"])
@live
async def test_a_wish_ends_a_frame_early(wish):
    """Nobody waits for the end of a frame of a million updates."""
    race, frames = start(CONFIG.replace(epochs=1_000_000), layers=slow_relu(), speed=1_000_000)
    await until(lambda: frames)
    await asyncio.sleep(0.05)
    getattr(race, wish)(**({"batch_size": 25} if wish == "choose" else {}))
    if wish in ("choose", "reset"):
        await until(lambda: frames.last.run == 2)
    else:
        await until(lambda: not frames.last.is_playing)
        assert 1 < frames.last.step < 10_000


@live
async def test_no_slice_holds_the_loop():
    """Between two frames of a slow network the loop goes round many times: others get their turn."""
    beats = []

    async def heart():
        while True:
            beats.append(time.perf_counter())
            await asyncio.sleep(0)

    frames = Frames()
    moments = []
    race, _ = start(
        show=lambda frame: (moments.append(time.perf_counter()), frames(frame)), layers=slow_relu(), speed=20
    )
    beating = asyncio.create_task(heart())
    await until(lambda: len(frames) >= 4)
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
        time.sleep(2 * task.SLICE)
        return scores(net, X)

    async def heart():
        while True:
            beats.append(1)
            await asyncio.sleep(0)

    monkeypatch.setattr(Network, "scores", slow_scores)
    _, frames = start(data=small_data(rows=220), layers=slow_relu(3 * task.SLICE), play=False)
    beating = asyncio.create_task(heart())
    await until(lambda: frames and frames.last.chosen.accuracies)
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
    monkeypatch.setattr("lab.live.explorer.race.SCORED_IN_A_SLICE", 1)
    running, frames = start(data=small_data(rows=100), layers=slow_relu(3 * task.SLICE), play=False)
    await until(lambda: len(scored) > 3)
    running.choose(weight_scale=0.5)
    await until(lambda: frames.last.run == 2)
    assert len(scored) < 50


@live
async def test_the_labs_own_code_may_take_its_time(monkeypatch):
    """A large network is no endless loop."""
    monkeypatch.setattr("lab.live.explorer.race.UPDATE", 1e-5)
    running, frames = start()
    await until(lambda: frames and (frames.last.step > 5 or frames.last.error))
    assert frames.last.error == ""
    running.stop()


@live
async def test_what_has_stopped_lets_go_of_its_networks(trainings):
    """The page keeps an explorer whose cell was run again; it need not keep what it trained."""
    running, frames = start()
    await until(lambda: frames and frames.last.step > 20)
    nets = [weakref.ref(training.net) for training in trainings]
    trainings.clear()
    running.stop()
    await frames_pass()
    gc.collect()
    assert [net() for net in nets] == [None, None]
    assert len(frames.last.chosen.loss) > 20


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
    race, frames = start()
    await until(lambda: frames)
    race.stop()
    race.stop()
    await frames_pass()
    shown = len(frames)
    race.play()
    race.choose(batch_size=25)
    await frames_pass(10)
    assert len(frames) == shown


def test_stop_after_the_loop_has_ended():
    """When the kernel ends there is no loop any more to tell."""

    async def make():
        return start()[0]

    asyncio.run(make()).stop()


def test_no_running_loop():
    with pytest.raises(RuntimeError, match="running event loop: open the notebook in Jupyter"):
        Race(CONFIG, print)
