"""A small network and small data for the tests of live training, and how to wait for what happens there."""

import asyncio
import time
from functools import wraps

import numpy as np

from lab.live import task
from lab.live.explorer import race
from lab.nn import relu_backward, relu_forward
from lab.train import Config
from lab.train.samples import OWN_DATA

CONFIG = Config(  # of 500 updates
    dataset=OWN_DATA, hidden_dims=(8, 8), batch_size=10, epochs=100, weight_scale=0.3
)
PATIENCE = 60  # seconds that a test waits before it fails


def live(test):
    """Runs a coroutine test in an event loop of its own."""

    @wraps(test)
    def run(*fixtures, **named):
        asyncio.run(test(*fixtures, **named))

    return run


async def until(condition):
    """Let the loop go on until the condition holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE, "what was waited for didn't happen"
        await asyncio.sleep(0.001)


async def frames_pass(count=5):
    """Let as much time pass as so many frames take."""
    await asyncio.sleep(count * task.FRAME)


class Frames(list):
    """The frames that a race has shown."""

    __call__ = list.append

    @property
    def last(self):
        return self[-1]


def small_data(features=6, rows=50, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=2 * rows)
    X = (rng.normal(size=(2 * rows, features)) + y[:, None]).astype(np.float32)
    return {"X_train": X[:rows], "y_train": y[:rows], "X_val": X[rows:], "y_val": y[rows:]}


def start(config=CONFIG, show=None, **settings):
    """A race on small data, and the frames that it has shown."""
    frames = Frames() if show is None else show
    return race.Race(config, frames, **{"data": small_data(), **settings}), frames


async def paused(config=CONFIG, **settings):
    """A race that has made its first update, and rests."""
    running, frames = start(config, **settings)
    running.pause()
    await until(lambda: frames and not frames.last.is_playing)
    return running, frames


def slow_relu(seconds=0.004):
    """A pair whose forward pass takes its time."""

    def forward(x):
        time.sleep(seconds)
        return relu_forward(x)

    return {"relu": (forward, relu_backward)}
