"""Training that goes on in an asyncio task on the kernel's main loop while sliders move. No widgets here.

Wishes (other settings, play, pause, step, reset) may come from any thread: they are noted down, and the task
sees to them between two slices of training.
"""

import asyncio
import sys
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from lab.data import Data, DataError
from lab.live.deadline import Overdue
from lab.nn import compiled
from lab.train import Config
from lab.train.samples import OWN_DATA, load_data

FRAME = 0.05  # seconds from frame to frame
BUSY = 0.05  # seconds of a frame that training and showing may take
SLICE = 0.01  # seconds of training after which the kernel may do something else
LAB = Path(__file__).resolve().parents[1]
DATA_FIELDS = ("dataset", "train_size", "val_size", "preprocessing", "dtype", "stream_seed")
DATA_SETS_KEPT = 4

_loaded: dict[tuple, Any] = {}  # data sets by what names them, the latest last


def naming(config: Config, data: Any) -> Config:
    """The configuration with the name of the data that is given, if any."""
    if data is None:
        return config
    return config.replace(dataset=data.name if isinstance(data, Data) else OWN_DATA)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What there is to see now. `run` counts the runs since the start, `number` the frames of this run."""

    run: int
    number: int
    step: int
    total_steps: int
    is_playing: bool
    is_done: bool
    note: str = ""  # what is being waited for
    error: str = ""  # one sentence, empty if all is well
    details: str = field(default="", repr=False)  # the traceback behind it


class LiveTraining(ABC):
    """Trains in a task of its own and calls `show(frame)` 20 times a second.

    config: what is trained, as it is wished at first. show: called in the event loop with each new Frame.
    data: see `Training.from_config`. play: whether to go on after the first update.
    Raises RuntimeError where no event loop is running.

    What is trained is the business of those who build on this: `_begin` makes a new run, `_train` makes so
    many steps of it in slices, `_pace` says how many the next frame is ahead.
    """

    def __init__(self, config: Config, show: Callable[[Any], None], *, data: Any, play: bool):
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "training live needs a running event loop: open the notebook in Jupyter"
            ) from None
        _take_one_blas_thread()
        compiled.prepare()
        config = naming(config, data)
        self._data, self._data_name = data, config.dataset
        self._show = show
        self._first_config = config
        self._wanted: dict[str, Any] = {}  # fields that differ from the first configuration
        self._run = self._frame = 0
        self._seconds = 0.0  # spent training since the run began
        self._showing = 0.0  # seconds that the last frame took to show
        self._note = self._error = self._details = ""

        self._is_playing, self._restart = play, True
        self._steps: deque[None] = deque()  # single steps that are still to be made
        self._orders: deque[Callable[[], None]] = deque()  # what is to be done to the run that goes on
        self._news = asyncio.Event()
        self._task: asyncio.Task | None = None

    def _start(self) -> None:
        """To be called when everything is there that the task needs."""
        self._task = self._loop.create_task(self._live())

    @property
    def config(self) -> Config:
        """The configuration, as it is wished."""
        return self._first_config.replace(**self._wanted)

    # --- wishes: may be called from any thread ---------------------------------------------------

    def choose(self, **changes: Any) -> None:
        """Start again with these fields of the configuration changed. Of many changes the last one wins."""
        self._wanted.update(changes)
        self._restart = True
        self._wake()

    def play(self) -> None:
        """Train until the end or until a pause; at the end, start again."""
        self._is_playing = True
        if self._is_done:
            self._restart = True
        self._wake()

    def pause(self) -> None:
        """Stop training; what was reached stays."""
        self._is_playing = False
        self._wake()

    def step(self) -> None:
        """Make one update, and pause."""
        self._is_playing = False
        self._steps.append(None)
        self._wake()

    def reset(self) -> None:
        """Go back to the first weights."""
        self._restart = True
        self._wake()

    def look(self) -> None:
        """Show a frame, also where nothing has changed."""
        self._wake()

    def order(self, do: Callable[[], None]) -> None:
        """Call this in the task, between two slices of training; what it raises is shown in words."""
        self._orders.append(do)
        self._wake()

    def stop(self) -> None:
        """End for good."""
        self._tell(self._cancel)

    def _wake(self) -> None:
        self._tell(self._news.set)

    def _tell(self, what: Any) -> None:
        if not self._loop.is_closed():  # as it is when the kernel ends
            self._loop.call_soon_threadsafe(what)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._forget()

    # --- what is trained -------------------------------------------------------------------------

    @property
    @abstractmethod
    def _is_done(self) -> bool: ...

    @abstractmethod
    async def _begin(self) -> None:
        """Make a new run and its first update; where that fails the old one stays."""

    @abstractmethod
    async def _train(self, steps: int, until: float = inf) -> None:
        """Make so many steps, in slices; a wish or the time `until` ends it early."""

    @abstractmethod
    def _pace(self) -> int:
        """How many steps the next frame is ahead."""

    @abstractmethod
    def _next_frame(self) -> Frame: ...

    @abstractmethod
    def _forget(self) -> None:
        """Let go of what was trained: widgets outlast their cell, and it is large."""

    async def _go_on(self, until: float) -> None:
        """Carry out what was ordered, and train."""
        self._carry_out()
        if self._is_playing:
            await self._train(self._pace(), until)
        elif self._steps:
            self._steps.popleft()
            await self._train(1)

    def _carry_out(self) -> None:
        while self._orders:
            self._orders.popleft()()

    @property
    def _is_urged(self) -> bool:
        """Whether there are wishes that the next frame is to show at once."""
        return self._restart or bool(self._steps)

    # --- the task --------------------------------------------------------------------------------

    async def _live(self) -> None:
        """See to wishes, train, show; sleep while there is nothing to do."""
        while self._task is not None:  # Python 3.11 may lose a cancellation in wait_for
            began = self._loop.time()
            self._news.clear()
            try:
                if self._restart:
                    await self._begin()
                else:
                    await self._go_on(until=began + BUSY - self._showing)
            except Exception as error:  # nobody else would see it: a task's exceptions are silent
                self._report(error)
            self._show_frame()
            if self._is_urged or self._frame == 1:
                await asyncio.sleep(0)
                continue
            is_idle = not self._is_playing or self._is_done or bool(self._error)
            try:
                rest = None if is_idle else max(0.0, began + FRAME - self._loop.time())
                await asyncio.wait_for(self._news.wait(), rest)
            except TimeoutError:
                pass

    async def _data_of(self, config: Config) -> Any:
        """The data of a configuration, in memory or loaded beside the loop, which goes on meanwhile."""
        if self._data is not None and config.dataset == self._data_name:
            return self._data
        key = tuple(getattr(config, name) for name in DATA_FIELDS)
        if key not in _loaded:
            self._note = "Loading the data."
            self._show_frame()
            try:
                has_threads = sys.platform != "emscripten"
                data = await asyncio.to_thread(load_data, config) if has_threads else load_data(config)
            finally:
                self._note = ""
            while len(_loaded) >= DATA_SETS_KEPT:
                del _loaded[next(iter(_loaded))]
            _loaded[key] = data
        return _loaded[key]

    def _told(self) -> dict[str, Any]:
        """What every frame says, however things stand with the run; counts it."""
        self._frame += 1
        return {
            "run": self._run,
            "number": self._frame,
            "is_playing": self._is_playing and not self._error,
            "is_done": self._is_done,
            "note": self._note,
            "error": self._error,
            "details": self._details,
        }

    def _report(self, error: Exception) -> None:
        """Keep an error in words; training rests until something is changed."""
        self._error = _in_words(error)
        self._details = "".join(traceback.format_exception(error))

    def _show_frame(self) -> None:
        """Show how things stand; where that fails, try to show why."""
        began = self._loop.time()
        try:
            self._show(self._next_frame())
            self._showing = min(self._loop.time() - began, BUSY / 2)
        except Exception as error:
            self._report(error)
            try:
                self._show(self._next_frame())
            except Exception as error_again:
                problem = {"message": "the view of a race failed", "exception": error_again}
                self._loop.call_exception_handler(problem)


def _in_words(error: Exception) -> str:
    """What went wrong: the lab's own sentence, or for all else the line of the student's code behind it."""
    calls = traceback.extract_tb(error.__traceback__)
    lab = [call for call in calls if Path(call.filename).is_relative_to(LAB)]
    if isinstance(error, DataError) or (isinstance(error, ValueError) and calls[-1] in lab):
        return str(error)
    theirs = [call for call in calls if call not in lab and "site-packages" not in call.filename]
    place = (theirs or calls)[-1]
    where = f"(line {place.lineno} of {place.name}: {place.line})"
    if isinstance(error, Overdue):
        return f"An update {error} and was stopped; an endless loop? {where}"
    return f"{type(error).__name__}: {error} {where}"


@cache
def _take_one_blas_thread() -> None:
    """Once and for all in this process: small products lose by a second thread, and so does the browser."""
    threadpool_limits(1, user_api="blas")
