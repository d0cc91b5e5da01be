"""A grid of networks, for each value of a setting and each normalization one or several seeds, that train in
turn.

Values in which the members of a population may differ train a few at a time, in one pass over the same
minibatches, and so do the seeds of a point; others train one by one. No widgets here.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import ceil, inf
from sys import maxsize
from typing import Any

import numpy as np

from lab.live.sweep.axes import AXES
from lab.live.task import SLICE, Frame, LiveTraining
from lab.nn.validation import require_choice
from lab.train import Config, Training
from lab.train.loop import POPULATION_FIELDS

TOGETHER = 5  # members of a population: measuring the accuracy of more would not fit in a slice
PIECE = 0.007  # seconds of a slice that are kept for its last piece of work
USUAL = Config(hidden_dims=(50,) * 4, batch_size=32, epochs=5)


@dataclass(frozen=True)
class Results:
    """What the networks have reached, each array (modes, values, seeds); NaN where nothing is measured."""

    train: np.ndarray  # best accuracy so far
    val: np.ndarray
    loss: np.ndarray  # mean over the last epoch
    diverged: np.ndarray  # whether the loss isn't finite any more

    @property
    def measured(self) -> np.ndarray:
        """Indices of the values at which all modes are measured."""
        return np.flatnonzero(np.isfinite(self.val).all(axis=(0, 2)))

    def mean(self, name: str) -> np.ndarray:
        """The mean of "train", "val" or "loss" over the seeds, (modes, values). Of the loss it is that of the
        networks that haven't diverged, NaN where all have."""
        each = getattr(self, name)
        counted = ~self.diverged if name == "loss" else np.ones_like(self.diverged)
        with np.errstate(invalid="ignore"):  # 0 / 0
            return np.where(counted, each, 0).sum(axis=-1) / counted.sum(axis=-1)


@dataclass(frozen=True, kw_only=True)
class GridFrame(Frame):
    """What there is to see of a grid now."""

    results: Results
    seconds: float  # of training, as it went by on the clock


@dataclass(frozen=True)
class Group:
    """Networks that are trained together: one normalization, some of the values, or the seeds of one."""

    training: Training
    mode: int
    values: np.ndarray  # their indices


class Grid(LiveTraining):
    """Trains the networks of a sweep instead of a pair, and calls `show(frame)` 20 times a second.

    name: a key of AXES. config: what all networks have in common. show, data, play: see `LiveTraining`.
    Raises ValueError for an axis that doesn't exist, RuntimeError where no event loop is running.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        show: Callable[[GridFrame], None],
        *,
        data: Any = None,
        play: bool = True,
    ):
        require_choice("the axis of a sweep", name, AXES)
        super().__init__(config, show, data=data, play=play)
        self.name, self.axis = name, AXES[name]
        self._heats: list[list[Group]] = []  # one after the other; in a heat the groups take turns
        self._turns: Iterator[None] = iter(())
        self._is_over = False
        self._start()

    def config_of(self, mode: int, value: int) -> Config:
        """The configuration of a point, with its first seed, by the indices of normalization and value."""
        varied = {"normalization": self.axis.modes[mode], self.name: self.axis.values[value]}
        return self.config.replace(**varied)

    def _pace(self) -> int:
        return maxsize  # as many as there is time for

    def _forget(self) -> None:
        self._heats, self._turns = [], iter(())

    async def _begin(self) -> None:
        """Make the networks of a new run; where that fails the old ones stay."""
        self._restart = False
        self._error = self._details = ""
        data = await self._data_of(self.config)
        heats: list[list[Group]] = []
        for heat in self._line_up():
            heats.append([])
            for mode, values in heat:
                config, members = self.config_of(mode, values[0]), {}
                if self.axis.seeds > 1:
                    members = {"seed": [config.seed + number for number in range(self.axis.seeds)]}
                elif len(values) > 1 and self.axis.modes[mode] not in self.axis.once:
                    members = {self.name: [self.axis.values[value] for value in values]}
                heats[-1].append(Group(Training.from_config(config, data, **members), mode, values))
                await asyncio.sleep(0)
        self._heats, self._turns, self._is_over = heats, self._take_turns(), False
        self._run, self._frame, self._seconds = self._run + 1, 0, 0.0

    def _line_up(self) -> list[list[tuple[int, np.ndarray]]]:
        """Heats of (mode, indices of values): a single one, or the large values first and the small last."""
        axis, indices = self.axis, np.arange(len(self.axis.values))
        once = [(mode, indices) for mode, norm in enumerate(axis.modes) if norm in axis.once]
        others = [mode for mode, norm in enumerate(axis.modes) if norm not in axis.once]
        together = TOGETHER if self.name in POPULATION_FIELDS and axis.seeds == 1 else 1
        parts = np.array_split(indices, ceil(len(indices) / together))
        if axis.is_of_choices or self.name in POPULATION_FIELDS:  # all make the same number of updates
            return [once + [(mode, part) for part in parts for mode in others]]
        first, *rest = ([(mode, part) for mode in others] for part in parts[::-1])
        return [once + first, *rest]

    def _take_turns(self) -> Iterator[None]:
        """All of the training, an update of each group of a heat in turn; yields after each piece of work."""
        for heat in self._heats:
            while going := [group.training for group in heat if not group.training.is_done]:
                for training in going:
                    next(iter(training))
                    yield
                    _ = training.accuracies  # measured now, where an epoch has ended: a piece of its own
                    yield
        self._is_over = True

    async def _train(self, steps: int, until: float = inf) -> None:
        """Do so many pieces of work, in slices; a wish or the time `until` ends it early."""
        if self._error:
            return
        began = slice_began = time.perf_counter()
        for _ in islice(self._turns, steps):
            if time.perf_counter() - slice_began > SLICE - PIECE:
                await asyncio.sleep(0)
                slice_began = time.perf_counter()
            if self._restart or self._news.is_set() or self._loop.time() > until:
                break
        self._seconds += time.perf_counter() - began

    @property
    def _is_done(self) -> bool:
        return self._is_over

    def _next_frame(self) -> GridFrame:
        trainings = [group.training for heat in self._heats for group in heat]
        return GridFrame(
            **self._told(),
            step=sum(t.step for t in trainings),
            total_steps=sum(t.step if t.is_done else t.total_steps for t in trainings),
            results=self._results(),
            seconds=self._seconds,
        )

    def _results(self) -> Results:
        shape = len(self.axis.modes), len(self.axis.values), self.axis.seeds
        train, val, loss = np.full((3, *shape), np.nan)
        diverged = np.zeros(shape, dtype=bool)
        for group in (group for heat in self._heats for group in heat):
            training, place = group.training, (group.mode, group.values)
            if not training.measured:
                continue
            last = training.loss[-training.minibatches.per_epoch :]
            for array, reached in (  # of all members: values or seeds
                (train, np.max([accuracy.train for accuracy in training.measured], axis=0)),
                (val, np.max([accuracy.val for accuracy in training.measured], axis=0)),
                (loss, last.mean(axis=0)),
                (diverged, np.array(training.diverged_at, dtype=float) > 0),  # None becomes NaN
            ):
                array[place] = reached.reshape(-1, self.axis.seeds)
        return Results(train, val, loss, diverged)
