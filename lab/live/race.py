"""Two networks that train side by side in an asyncio task on the kernel's main loop. No widgets here.

The chosen network and its twin, which differs in one thing only, start from the same weights and meet the
same minibatches. Wishes (other settings, play, pause, step, reset) may come from any thread: they are
noted down, and the task sees to them between two slices of training.
"""

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lab.data import DataError
from lab.train import Config, Training
from lab.train.loop import Accuracy, load_data

FRAME = 0.05  # seconds from frame to frame
LAB = Path(__file__).resolve().parents[1]
DATA_FIELDS = ("dataset", "train_size", "val_size", "preprocessing", "dtype")
SLICE = 0.01  # seconds of training after which the kernel may do something else


def without_normalization(config: Config) -> Config:
    """The twin that the explorer shows by default."""
    return config.replace(normalization=None)


@dataclass(frozen=True)
class Side:
    """What there is to see of one of the two networks."""

    config: Config
    loss: np.ndarray  # (updates,)
    accuracies: list[Accuracy]
    diverged_at: int | None


@dataclass(frozen=True)
class Frame:
    """What there is to see now. `run` counts the runs since the start, `number` the frames of this run."""

    run: int
    number: int
    step: int
    total_steps: int
    epoch: float
    steps_per_second: float
    is_playing: bool
    is_done: bool
    chosen: Side | None  # None until a first run could be made
    twin: Side | None
    error: str = ""  # one sentence, empty if all is well
    details: str = field(default="", repr=False)  # the traceback behind it


class Race:
    """Trains the two networks of `config` and `twin(config)`, and calls `show(frame)` 20 times a second.

    config: the chosen network's configuration. show: called in the event loop with each new Frame.
    twin: function from the chosen to the other configuration. data, layers: see `Training.from_config`;
    the twin is always made of the lab's own layers.
    speed: updates from frame to frame. Raises RuntimeError where no event loop is running.
    """

    def __init__(
        self,
        config: Config,
        show: Callable[[Frame], None],
        *,
        twin: Callable[[Config], Config] = without_normalization,
        data=None,
        layers=None,
        speed: int = 2,
    ):
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "training live needs a running event loop: open the notebook in Jupyter"
            ) from None
        _take_one_blas_thread()
        self.config, self.speed = config, speed
        self._show, self._twin, self._data, self._layers = show, twin, data, layers
        self._trainings: tuple[Training, Training] | None = None
        self._run = self._frame = 0
        self._seconds, self._timed_steps = 0.0, 0  # spent training since the run began
        self._error = self._details = ""

        self._is_playing, self._restart = True, True
        self._steps: deque[None] = deque()  # single steps that are still to be made
        self._wanted: dict[str, Any] = {}  # fields of the configuration that differ from the first one
        self._first_config = config
        self._news = asyncio.Event()
        self._task: asyncio.Task | None = self._loop.create_task(self._live())

    # --- wishes: may be called from any thread ---------------------------------------------------

    def choose(self, **changes):
        """Start again with these fields of the configuration changed. Of many changes the last one wins."""
        self._wanted.update(changes)
        self._restart = True
        self._wake()

    def play(self):
        """Train until the end or until a pause; at the end, start again."""
        self._is_playing = True
        if self._is_done:
            self._restart = True
        self._wake()

    def pause(self):
        """Stop training; what was reached stays."""
        self._is_playing = False
        self._wake()

    def step(self):
        """Make one update, and pause."""
        self._is_playing = False
        self._steps.append(None)
        self._wake()

    def reset(self):
        """Go back to the first weights."""
        self._restart = True
        self._wake()

    def stop(self):
        """End for good."""
        self._tell(self._cancel)

    def _wake(self):
        self._tell(self._news.set)

    def _tell(self, what):
        if not self._loop.is_closed():  # as it is when the kernel ends
            self._loop.call_soon_threadsafe(what)

    def _cancel(self):
        if self._task is not None:
            self._task.cancel()
            self._task = None

    # --- the task ----------------------------------------------------------------------------------

    async def _live(self):
        """See to wishes, train, show; sleep while there is nothing to do."""
        while True:
            began = self._loop.time()
            self._news.clear()
            try:
                if self._restart:
                    self._begin()
                    await self._train(1)  # so that a change shows at once, also while paused
                elif self._is_playing:
                    await self._train(self.speed)
                elif self._steps:
                    self._steps.popleft()
                    await self._train(1)
            except Exception as error:  # nobody else would see it: a task's exceptions are silent
                self._report(error)
            self._show_frame()
            if self._restart or self._steps:
                await asyncio.sleep(0)
                continue
            is_idle = not self._is_playing or self._is_done or bool(self._error)
            try:
                rest = None if is_idle else max(0.0, began + FRAME - self._loop.time())
                await asyncio.wait_for(self._news.wait(), rest)
            except TimeoutError:
                pass

    def _begin(self):
        """Make the two networks of a new run; where that fails the old ones stay."""
        self._restart = False
        self._error = self._details = ""
        self.config = self._first_config.replace(**self._wanted)
        data = self._data if self._data is not None else _load(self.config)
        self._trainings = (
            Training.from_config(self.config, data, self._layers),
            Training.from_config(self._twin(self.config), data),
        )
        self._run, self._frame = self._run + 1, 0
        self._seconds, self._timed_steps = 0.0, 0

    async def _train(self, steps):
        """Make so many updates of both networks, in slices; a wish ends it early."""
        if self._error or self._trainings is None:
            return
        slice_began = time.perf_counter()
        for _ in range(steps):
            if self._is_done:
                break
            for training in self._trainings:
                next(iter(training), None)
            self._timed_steps += 1
            if time.perf_counter() - slice_began > SLICE:
                self._seconds += time.perf_counter() - slice_began
                await asyncio.sleep(0)
                slice_began = time.perf_counter()
            if self._restart or self._news.is_set():
                break
        self._seconds += time.perf_counter() - slice_began

    @property
    def _is_done(self):
        return self._trainings is not None and all(training.is_done for training in self._trainings)

    def _report(self, error):
        """Keep an error in words; training rests until something is changed."""
        self._error = _in_words(error)
        self._details = "".join(traceback.format_exception(error))

    def _show_frame(self):
        """Show how things stand; where that fails, try to show why."""
        try:
            self._show(self._next_frame())
        except Exception as error:
            self._report(error)
            try:
                self._show(self._next_frame())
            except Exception as error_again:
                problem = {"message": "the view of a race failed", "exception": error_again}
                self._loop.call_exception_handler(problem)

    def _next_frame(self):
        self._frame += 1
        chosen, twin = (
            (_side(self._trainings[0]), _side(self._trainings[1])) if self._trainings else (None, None)
        )
        longest = max(self._trainings, key=lambda training: training.step) if self._trainings else None
        return Frame(
            run=self._run,
            number=self._frame,
            step=longest.step if longest else 0,
            total_steps=longest.total_steps if longest else 0,
            epoch=longest.epoch if longest else 0.0,
            steps_per_second=self._timed_steps / self._seconds if self._seconds else 0.0,
            is_playing=self._is_playing and not self._error,
            is_done=self._is_done,
            chosen=chosen,
            twin=twin,
            error=self._error,
            details=self._details,
        )


def _side(training: Training) -> Side:
    return Side(training.config, training.loss, list(training.accuracies), training.diverged_at)


def _in_words(error) -> str:
    """What went wrong: the lab's own sentence, or for all else the line of the student's code behind it."""
    calls = traceback.extract_tb(error.__traceback__)
    lab = [call for call in calls if Path(call.filename).is_relative_to(LAB)]
    if isinstance(error, DataError) or (isinstance(error, ValueError) and calls[-1] in lab):
        return str(error)
    theirs = [call for call in calls if call not in lab and "site-packages" not in call.filename]
    place = (theirs or calls)[-1]
    return f"{type(error).__name__}: {error} (line {place.lineno} of {place.name}: {place.line})"


def _load(config: Config):
    """The data of a configuration; a slider that leaves the data alone doesn't load it again."""
    data_alone = {name: getattr(config, name) for name in DATA_FIELDS}
    return _load_once(Config(**data_alone, data_seed=config.stream_seed))


_load_once = lru_cache(maxsize=4)(load_data)


@cache
def _take_one_blas_thread():
    """Once and for all in this process: small products lose by a second thread, and so does the browser."""
    threadpool_limits(1, user_api="blas")
