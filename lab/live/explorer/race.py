"""Two networks that train side by side, in a live task. No widgets here.

The chosen network and its twin, which differs in little, start from the same weights and meet the same
minibatches. To what any live training hears come going back, branches, and changes while it runs.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from lab.live.deadline import deadline
from lab.live.explorer.history import History
from lab.live.explorer.twin import Twin, differences, paired, varied, without_normalization
from lab.live.task import SLICE, Frame, LiveTraining, naming
from lab.nn.validation import require_number, shown
from lab.probe import Signals, observe
from lab.train import Config, Training
from lab.train.borrowed import heard_fields, is_model
from lab.train.loop import SCORED_AT_ONCE, Accuracy

WHOLE_RUN = 200  # frames, ten seconds: how long a run takes whose speed isn't set
SCORED_IN_A_SLICE = 50  # samples whose accuracy is measured together where an update takes longer than that
LOOK, LOOK_UPDATES = 0.25, 3  # seconds from one observed update to the next, and as much as so many take
UPDATE = 5  # seconds that an update of somebody's own code may take
GHOST_AFTER = 10  # updates from which a run is worth a ghost
OWN_NET, OWN_MODEL = "network", "model"  # in `Side.own`: its maker, or the network as it is
WHILE_IT_RUNS = {"learning_rate": "learning rate", "reg": "L2"}  # what `change` may change


@dataclass(frozen=True)
class Side:
    """What there is to see of one of the two networks."""

    config: Config
    loss: np.ndarray  # (updates,)
    accuracies: list[Accuracy]
    diverged_at: int | None
    signals: Signals | None = None  # of the update that was observed last
    own: tuple[str, ...] = ()  # what is somebody's own code: kinds of layers, OWN_NET or OWN_MODEL


@dataclass(frozen=True, kw_only=True)
class RaceFrame(Frame):
    """What there is to see of the two networks now."""

    epoch: float
    steps_per_second: float
    chosen: Side | None  # None until a first run could be made
    twin: Side | None
    ghost: Side | None = None  # the chosen network of the run before
    changes: tuple[tuple[int, str], ...] = ()  # (update, words): what was changed while it ran
    branched_at: int | None = None  # update since which the twin is the run as it was then
    returns: int = 0  # how often it went back since the start


class Race(LiveTraining):
    """Trains the two networks of a configuration and its twin, and calls `show(frame)` 20 times a second.

    config: the chosen network's configuration. show: called in the event loop with each new RaceFrame.
    twin: what it runs against. None is the same without normalization, or, where `layers` is given, the
    same with the lab's own layers; a Config keeps the fields in which it differs from `config`; a mapping is
    the same network with these pairs of functions; a function makes the twin's Config from the chosen one.
    Data and minibatches are the chosen network's: a Config that says something else is refused.
    data: see `Training.from_config`. layers: own pairs of the chosen network, see `FullyConnectedNet`.
    net: in the place of `FullyConnectedNet`, a class or function that makes a network, which makes the twin,
    too; or a model as it is, whose copy is the chosen network and runs against the lab's own. See
    `lab.train.borrowed.borrow`.
    speed: updates from frame to frame, as many of them as there is time for; frames go before. None: so many
    that a whole run takes ten seconds.
    play: whether to go on after the first update.
    Raises RuntimeError where no event loop is running, ValueError for what doesn't fit.
    """

    def __init__(
        self,
        config: Config,
        show: Callable[[RaceFrame], None],
        *,
        twin: Twin = None,
        data: Any = None,
        layers: Any = None,
        net: Any = None,
        speed: int | None = None,
        play: bool = True,
    ):
        if speed is not None:
            require_number("speed, in updates from frame to frame,", speed, least=1, whole=True)
        super().__init__(config, show, data=data, play=play)
        if net is not None:
            heard_fields(net)  # refuses what is no network
            if layers is not None:
                raise ValueError("net brings its own layers: leave net or layers out")
        self.speed, self._layers, self._net = speed, layers, net
        self._race(self.config, twin)
        self._trainings: tuple[Training, ...] | None = None
        self._signals: list[Signals | None] = [None, None]
        self._history: History | None = None
        self._ghost: Side | None = None
        self._is_another = False  # whether the next run is of another configuration and twin
        self._changes: list[tuple[int, str]] = []
        self._branched_at: int | None = None
        self._returns = self._timed_steps = 0
        self._slice_began = 0.0
        self._looked = 0.0  # when an update was last observed
        self._back: deque[int | None] = deque()  # updates to go back to; None is one back
        self._start()

    # --- wishes: may be called from any thread ---------------------------------------------------

    def race(self, config: Config, twin: Twin = None) -> None:
        """Start again with another configuration and twin, see `Race`; the run before leaves no ghost."""
        self._race(config, twin)
        self._is_another = True
        self._restart = True
        self._wake()

    def change(self, **changes: Any) -> None:
        """Change learning_rate or reg while the run goes on; of a branched run, of the chosen network alone.

        Raises TypeError for what needs a new run.
        """
        if not changes.keys() <= WHILE_IT_RUNS.keys():
            raise TypeError(f"only {', '.join(WHILE_IT_RUNS)} can change while a run goes on")
        self._wanted.update(changes)
        self.order(lambda: self._change(changes))

    def branch(self) -> None:
        """Let the run as it is now go on as the twin, so that what is changed from here on is seen."""
        self.order(self._branch)

    def back(self, to: int | None = None) -> None:
        """Go back to just after update `to`, at least 1, and pause; None is one update back."""
        self._is_playing = False
        self._back.append(to)
        self._wake()

    def _race(self, config: Config, twin: Any) -> None:
        self._first_config, self._wanted = config, {}  # fields that differ from the first configuration
        self._twin_layers = twin if isinstance(twin, Mapping) else None
        if isinstance(twin, Config):
            is_on_given_data = config.dataset == self._data_name
            twin = naming(twin, self._data) if is_on_given_data else twin
            paired(config, twin)
            kept = differences(config, twin)
            self._twin = lambda now: varied(now, kept)
        elif callable(twin):
            self._twin = twin
        elif twin is not None and not isinstance(twin, Mapping):
            raise ValueError(
                "twin must be a Config, a function from Config to Config, or pairs of functions by name, "
                f"not {shown(twin)}"
            )
        else:
            is_same = self._layers or self._twin_layers or is_model(self._net)
            self._twin = (lambda now: now) if is_same else without_normalization

    @property
    def _twin_net(self) -> Any:
        """What makes the twin in the place of `FullyConnectedNet`, if anything does."""
        return None if self._twin_layers is not None or is_model(self._net) else self._net

    def _own(self, layers: Any, net: Any) -> tuple[str, ...]:
        """What of a network is somebody's own code: kinds of layers, or all of it."""
        if net is None:
            return tuple(layers or ())
        return (OWN_MODEL,) if is_model(net) else (OWN_NET,)

    def _forget(self) -> None:
        self._trainings = self._history = None

    # --- the task ----------------------------------------------------------------------------------

    @property
    def _is_urged(self) -> bool:
        return super()._is_urged or bool(self._back)

    async def _go_on(self, until: float) -> None:
        with self._timed():
            await self._measure()
        self._carry_out()
        if self._back:
            await self._go_back(self._back.popleft())
        else:
            await super()._go_on(until)

    async def _begin(self) -> None:
        """Make the two networks of a new run and their first update; where that fails the old ones stay."""
        self._restart = False
        self._orders.clear()
        self._back.clear()
        self._error = self._details = ""
        config = self.config
        twin = paired(config, self._twin(config))
        data = await self._data_of(config)
        trainings = (
            Training.from_config(config, data, self._layers, self._net),
            Training.from_config(twin, data, self._twin_layers, self._twin_net),
        )
        history = History(trainings)
        signals: list[Signals | None] = [None, None]
        began = self._slice_began = time.perf_counter()
        await self._update(trainings, signals, look=True)  # so that a change shows at once
        self._seconds, self._timed_steps = time.perf_counter() - began, 1

        if self._is_another:  # another experiment: its curves say nothing about this one
            self._ghost = None
        elif self._trainings and self._step >= GHOST_AFTER and self._trainings[0].config != config:
            self._ghost = self._sides()[0]
        self._is_another = False
        self._trainings, self._history, self._signals = trainings, history, signals
        self._changes, self._branched_at = [], None
        self._run, self._frame = self._run + 1, 0

    async def _train(self, steps: int, until: float = inf) -> None:
        """Make so many updates of both networks, in slices; a wish or the time `until` ends it early."""
        if self._error or self._trainings is None or self._history is None:
            return
        with self._timed():
            for left in reversed(range(steps)):
                if self._is_done:
                    break
                now = self._loop.time()
                if now > until and left < steps - 1:
                    break
                is_last = left == 0 or self._step + 1 == self._trainings[0].total_steps
                is_due = now - self._looked > max(LOOK, LOOK_UPDATES * self._seconds / self._timed_steps)
                look = is_due or (is_last and not self._is_playing)
                await self._update(self._trainings, self._signals, look)
                self._timed_steps += 1
                await self._measure()
                if self._restart:
                    break
                self._history.note(self._step, self._trainings)
                if self._news.is_set():
                    break

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Count the time of training within it, without what else the kernel does between two slices."""
        self._slice_began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds += time.perf_counter() - self._slice_began

    async def _breathe(self) -> None:
        """Let the kernel do something else, if a slice is over."""
        spent = time.perf_counter() - self._slice_began
        if spent > SLICE:
            self._seconds += spent
            await asyncio.sleep(0)
            self._slice_began = time.perf_counter()

    async def _measure(self) -> None:
        """The accuracies that are due, bit by bit: of convolutions they take seconds."""
        is_fast = self._seconds < SLICE * self._timed_steps
        for training in self._trainings or ():
            parts = training.measuring(SCORED_AT_ONCE if is_fast else SCORED_IN_A_SLICE)
            while True:
                with self._deadline():
                    if next(parts, None) is None:
                        break
                await self._breathe()
                if self._restart:
                    return

    def _pace(self) -> int:
        """How many updates the next frame is ahead."""
        if self.speed is not None or self._trainings is None:
            return self.speed or 1
        total = max(training.total_steps for training in self._trainings)
        frame = self._step * WHOLE_RUN // total + 1
        return max(1, -(-frame * total // WHOLE_RUN) - self._step)

    async def _update(
        self, trainings: tuple[Training, ...], signals: list[Signals | None], look: bool
    ) -> None:
        """One update of each network; `signals` takes what was seen where it was looked at."""
        for i, training in enumerate(trainings):
            with self._deadline():
                if look:
                    signals[i] = observe(training) or signals[i]
                else:
                    next(iter(training), None)
            await self._breathe()
        if look:
            self._looked = self._loop.time()

    def _deadline(self) -> AbstractContextManager:
        """Own code may never end; the lab's own does, however large the network."""
        is_own = self._layers or self._twin_layers or self._net is not None
        return deadline(UPDATE) if is_own else nullcontext()

    async def _go_back(self, to: int | None) -> None:
        """To just after update `to`, by way of the last state kept before it."""
        if self._trainings is None or self._history is None:
            return
        to = max(1, self._step - 1 if to is None else to)
        if to >= self._step:
            return
        self._error = self._details = ""
        step, self._trainings = self._history.restore(before=to)
        self._changes = [change for change in self._changes if change[0] < to]
        if self._branched_at is not None and self._branched_at > step:
            self._branched_at = None
        for name in WHILE_IT_RUNS:
            self._wanted[name] = getattr(self._trainings[0].config, name)
        self._returns += 1
        with self._timed():
            for left in reversed(range(to - step)):
                await self._update(self._trainings, self._signals, look=left == 0)
                await self._measure()
                if self._restart:
                    break

    def _change(self, changes: Any) -> None:
        """See `change`."""
        if self._trainings is None or self._history is None:
            return
        changed = self._trainings[: 1 if self._branched_at is not None else 2]
        configs = [training.config.replace(**changes) for training in changed]  # raises before it changes
        for training, config in zip(changed, configs, strict=True):
            training.config = config
            for name, value in changes.items():
                setattr(training, name, value)
        said = [f"{WHILE_IT_RUNS[name]} {value:g}" for name, value in changes.items()]
        self._changes = [c for c in self._changes if c[0] < self._step] + [(self._step, ", ".join(said))]
        self._history.note(self._step, self._trainings, always=True)

    def _branch(self) -> None:
        """See `branch`."""
        if self._trainings is None or self._history is None:
            return
        chosen, self._branched_at = self._trainings[0], self._step
        self._trainings = (chosen, chosen.branch())
        self._signals[1] = self._signals[0]
        self._history.note(self._step, self._trainings, always=True)

    @property
    def _step(self) -> int:
        return max(training.step for training in self._trainings) if self._trainings else 0

    @property
    def _is_done(self) -> bool:
        return self._trainings is not None and all(training.is_done for training in self._trainings)

    def _next_frame(self) -> RaceFrame:
        chosen, twin = self._sides() or (None, None)
        longest = max(self._trainings, key=lambda training: training.step) if self._trainings else None
        return RaceFrame(
            **self._told(),
            step=self._step,
            total_steps=longest.total_steps if longest else 0,
            epoch=longest.epoch if longest else 0.0,
            steps_per_second=self._timed_steps / self._seconds if self._seconds else 0.0,
            chosen=chosen,
            twin=twin,
            ghost=self._ghost,
            changes=tuple(self._changes),
            branched_at=self._branched_at,
            returns=self._returns,
        )

    def _sides(self) -> list[Side]:
        own = self._own(self._layers, self._net), self._own(self._twin_layers, self._twin_net)
        if self._branched_at is not None:
            own = own[0], own[0]
        return [
            Side(t.config, t.loss, list(t.measured), t.diverged_at, signals, kinds)
            for t, signals, kinds in zip(self._trainings or (), self._signals, own, strict=False)
        ]
