"""The one training loop.

Everybody iterates over it: `train`, `Solver`, the explorer, the command line, the tests. All its state is
explicit, so it can be paused (stop iterating), changed (set `learning_rate` or `reg`), branched and replayed.
"""

from array import array
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from copy import copy, deepcopy
from math import isfinite
from typing import Any, NamedTuple, Self

import numpy as np

from lab.data import Data, augment, load
from lab.nn import compiled, random
from lab.nn.backend import Array, array_module, to_host
from lab.nn.layer import PerMember, Shape
from lab.nn.models import build
from lab.nn.network import Network
from lab.nn.optim import OPTIMIZERS, Rate
from lab.nn.schedule import SCHEDULES
from lab.nn.validation import require_choice, require_number, require_shape, shown
from lab.train.borrowed import BorrowedNet, borrow
from lab.train.borrowed import validate as validate_borrowed
from lab.train.config import AUGMENTATIONS, Config, validate_schedule
from lab.train.minibatches import Minibatches
from lab.train.samples import OWN_DATA, checked, checked_rows, load_data

POPULATION_FIELDS = ("weight_scale", "learning_rate", "reg", "eps", "seed")
ACCURACY_SAMPLES = 1000  # of the training set, as courses take; validation is measured on all of it
SCORED_AT_ONCE = 500  # rows that are scored together: larger temporaries cost page faults
UNREAD_ON_DEVICE = 10  # losses that stay on a device before they are read
MOST_SHIFT = 4  # pixels that augmentation moves an image (He and others, 2016, section 4.2)
ONE_THREAD_BELOW = 500  # batch size from which a second BLAS thread helps


class Accuracy(NamedTuple):
    """One measurement of accuracy; train and val are numbers, in a population arrays (K,)."""

    update: int  # after so many updates
    epoch: int  # after so many complete epochs
    train: Any
    val: Any


class Evaluation(NamedTuple):
    """Loss and gradient of a minibatch, arrays of the network's library."""

    loss: Array  # (), in a population (K,)
    gradient: Array  # the shape of `flat_params`


class Training:
    """A training run that goes on as long as somebody iterates over it.

    net: a FullyConnectedNet, or any object with the course's `.loss(X, y)` and `.params`.
    data: mapping with X_train, y_train, X_val, y_val.
    batch_size, sampling, epochs, learning_rate, optimizer, optim_config, schedule, schedule_config,
    augmentation: see `lab.Config`. data_seed: of minibatches and augmentation; None draws from `np.random`.
    In a population learning_rate may be a sequence with one rate for each member.
    train_samples, val_samples: how many of each part accuracy is measured on; None is all, 0 none.

    Iterating yields the number of updates made, after each update. Divergence (a loss that isn't finite)
    ends a run and is recorded in `diverged_at`; a population goes on while one of its members lives.
    """

    def __init__(
        self,
        net: Any,
        data: Mapping[str, np.ndarray],
        *,
        batch_size: int = 50,
        sampling: str = "epoch",
        epochs: int = 10,
        learning_rate: PerMember = 1e-3,
        optimizer: str = "adam",
        optim_config: Mapping[str, float] | None = None,
        schedule: str = "constant",
        schedule_config: Mapping[str, float] | None = None,
        augmentation: str | None = None,
        data_seed: int | None = 0,
        train_samples: int | None = ACCURACY_SAMPLES,
        val_samples: int | None = None,
        config: Config | None = None,
    ):
        optim_config = {} if optim_config is None else optim_config
        schedule_config = {} if schedule_config is None else schedule_config
        validate_schedule(
            {
                "optimizer": optimizer, "optim_config": optim_config, "learning_rate": learning_rate,
                "schedule": schedule, "schedule_config": schedule_config, "batch_size": batch_size,
                "sampling": sampling, "epochs": epochs,
            }
        )  # fmt: skip
        require_choice("augmentation", augmentation, AUGMENTATIONS)
        for name, limit in (("train_samples", train_samples), ("val_samples", val_samples)):
            if limit is not None:
                require_number(name, limit, least=0, whole=True)
        image_shape = getattr(data, "image_shape", None)
        data = checked(data, getattr(net, "num_classes", None))
        self.net: Network | BorrowedNet = net if hasattr(net, "backpropagate") else BorrowedNet(net)
        if np.ndim(learning_rate) and len(learning_rate) != self.net.members:
            raise ValueError(
                f"learning_rate has {len(learning_rate)} values for {self.net.members or 1} networks"
            )
        self.config: Any  # a Config, where one describes the run
        self.config, self.backend = config, "NumPy on the processor"
        self.batch_size, self.epochs = batch_size, epochs
        self.learning_rate, self.schedule, self.schedule_config = learning_rate, schedule, schedule_config
        order = random.stream(data_seed, "minibatches")
        self.minibatches = Minibatches(len(data["y_train"]), batch_size, sampling, order)
        leaves = compiled.leaves(self.total_steps, self.net.flat_params.size) if self.net.xp is np else {}
        self.net.replace(leaves)
        rule = OPTIMIZERS[optimizer]
        self.optimizer = leaves.get(rule, rule)(self.net.flat_params, **optim_config)
        self.augmentation = augmentation
        self._augmentation_rng = random.stream(data_seed, "augmentation")
        self._image_shape = image_shape or data["X_train"].shape[1:]
        if augmentation and len(self._image_shape) != 3:
            raise ValueError(
                f"augmentation={augmentation!r} needs images; these samples have shape {self._image_shape}"
            )

        # Augmented minibatches are made on the host; all else lives where the network lives.
        xp = self.net.xp
        self._X: Array = data["X_train"] if augmentation else xp.asarray(data["X_train"])
        self._y = xp.asarray(data["y_train"])
        self._minibatch: Array = None  # reused: a new one of this size costs page faults at every update
        self._measured = {
            part: (xp.asarray(data[f"X_{part}"][:limit]), xp.asarray(data[f"y_{part}"][:limit]))
            for part, limit in (("train", train_samples), ("val", val_samples))
        }
        self.step = 0  # updates made
        self.measured: list[Accuracy] = []  # `accuracies` as far as they have been asked for
        self._is_due = False  # whether accuracy is to be measured before the next update
        self._losses = array("d")  # on the host, of all members
        self._unread: list[Any] = []  # on the device
        self._diverged = [0] * (self.net.members or 1)  # update at which each member diverged, or 0

    @classmethod
    def from_config(
        cls,
        config: Config,
        data: Any = None,
        layers: Any = None,
        net: Any = None,
        **members: PerMember,
    ) -> Self:
        """The run that a configuration describes.

        data: in place of the data set that the configuration names; a mapping as it is, or a pair (X, y)
        that is split and preprocessed as `lab.data.load` does. layers: own pairs, see
        `FullyConnectedNet`. net: in its place, somebody else's, see `lab.train.borrowed.borrow`; it takes
        neither layers nor members. members: sequences for weight_scale, learning_rate, reg, eps or seed,
        which make a population of the lab's own.
        Raises ValueError for settings that don't fit, DataError for missing data.
        """
        for name, values in members.items():
            if name not in POPULATION_FIELDS:
                raise ValueError(f"members can't differ in {name!r}, only in: {', '.join(POPULATION_FIELDS)}")
            if not np.ndim(values):  # the configuration of the run would say something else
                raise ValueError(
                    f"{name} must be a list with a value for each member, not {shown(values)}: one for all "
                    "belongs in the configuration"
                )
        if net is not None:
            validate_borrowed(net, config, layers, members)
        data_seed = config.stream_seed
        if data is None:
            data = load_data(config)
        else:
            if not isinstance(data, Mapping):
                data = load(data, preprocessing=config.preprocessing, seed=data_seed, dtype=config.dtype)
            if not isinstance(data, Data):
                config = config.replace(dataset=OWN_DATA)
        shape = tuple(getattr(data, "image_shape", None) or np.shape(data["X_train"])[1:])
        num_classes = getattr(data, "num_classes", None) or int(np.max(data["y_train"])) + 1
        xp, backend = array_module("numpy" if net is not None else config.backend)
        rates = members.pop("learning_rate", config.learning_rate)
        settings = {**config.network(), **members, "data_seed": data_seed, "xp": xp, "own": layers}
        if np.ndim(rates) and not members:
            settings["members"] = len(rates)
        if net is None:
            net = build(input_shape=shape, num_classes=num_classes, **settings)
        else:
            net = borrow(net, config, int(np.prod(shape)), num_classes)
        training = cls(
            net, data, batch_size=config.batch_size, sampling=config.sampling, epochs=config.epochs,
            learning_rate=rates, optimizer=config.optimizer, optim_config=config.optim_config,
            schedule=config.schedule, schedule_config=config.schedule_config,
            augmentation=config.augmentation, data_seed=data_seed, config=config,
        )  # fmt: skip
        training.backend = backend
        return training

    @property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return self.epochs * self.minibatches.per_epoch

    @property
    def is_done(self) -> bool:
        """Whether all updates are made, or all members have diverged."""
        return self.step >= self.total_steps or all(self._diverged)

    @property
    def epoch(self) -> float:
        """Passes over the data so far, a fraction in the middle of one."""
        return self.step / self.minibatches.per_epoch

    @property
    def reg(self) -> PerMember:
        """L2; may be changed at any time."""
        return self.net.reg

    @reg.setter
    def reg(self, value: PerMember) -> None:
        self.net.reg = value

    @property
    def loss(self) -> np.ndarray:
        """The loss of each update so far: (updates,), in a population (updates, K)."""
        self._read()
        return np.array(self._losses).reshape(-1, *self._lead)

    @property
    def accuracies(self) -> list[Accuracy]:
        """Accuracy after the first update and after each epoch, a list of `Accuracy`."""
        for _ in self.measuring():
            pass
        return self.measured

    def measuring(self, at_once: int = SCORED_AT_ONCE) -> Generator[int, None, None]:
        """Measure the accuracy that is due, if one is, and yield after each so many samples, for whoever has
        something else to do meanwhile. A measurement that is given up stays due."""
        if not self._is_due:
            return
        self._is_due = False
        epoch, rest = divmod(self.step, self.minibatches.per_epoch)
        try:
            train = yield from self._scoring("train", at_once)
            val = yield from self._scoring("val", at_once)
        except GeneratorExit:
            self._is_due = True
            raise
        self.measured.append(Accuracy(self.step, 0 if rest else epoch, train, val))

    @property
    def diverged_at(self) -> Any:
        """The update (from 1) whose loss was the first that isn't finite, or None; in a population a list."""
        self._read()
        updates = [update or None for update in self._diverged]
        return updates[0] if self.net.members is None else updates

    def __iter__(self) -> Iterator[int]:
        while not self.is_done:
            self._advance()
            yield self.step

    def state(self) -> dict[str, Any]:
        """A copy of all that changes from step to step."""
        self._read()
        return {
            "net": self.net.state(),
            "optimizer": self.optimizer.state(),
            "minibatches": self.minibatches.state(),
            "augmentation": random.get_state(self._augmentation_rng),
            "learning_rate": self.learning_rate,
            "reg": self.reg,
            "step": self.step,
            "accuracies": list(self.accuracies),
            "losses": self._losses[:],
            "diverged": self._diverged[:],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back, bit for bit, to what `state` returned."""
        self.net.load_state(state["net"])
        self.optimizer.load_state(state["optimizer"])
        self.minibatches.load_state(state["minibatches"])
        random.set_state(self._augmentation_rng, state["augmentation"])
        self.learning_rate, self.reg, self.step = state["learning_rate"], state["reg"], state["step"]
        self.measured, self._losses, self._unread = list(state["accuracies"]), state["losses"][:], []
        self._is_due = False
        self._diverged = state["diverged"][:]

    def branch(self) -> Self:
        """A copy that goes on by itself; the data is shared, all that changes is not."""
        other = copy(self)
        for name in ("net", "optimizer", "minibatches", "_augmentation_rng"):
            setattr(other, name, deepcopy(getattr(self, name)))
        for name in ("measured", "_losses", "_unread", "_diverged"):
            setattr(other, name, getattr(self, name)[:])
        return other

    def accuracy(self, part: str) -> float | np.ndarray:
        """The share of right answers in test mode on "train" (its first 1000 samples) or "val"."""
        scoring = self._scoring(part, SCORED_AT_ONCE)
        while True:
            try:
                next(scoring)
            except StopIteration as scored:
                return scored.value

    def _scoring(self, part: str, at_once: int) -> Generator[int, None, float | np.ndarray]:
        """See `accuracy`; yields how many samples are scored, and returns it."""
        X, y = self._measured[part]
        right = 0
        for start in range(0, len(y), at_once):
            rows = slice(start, start + at_once)
            with np.errstate(all="ignore"):
                right = right + (self.net.scores(X[rows]).argmax(axis=-1) == y[rows]).sum(axis=-1)
            yield start
        share = to_host(right) / max(len(y), 1)
        return float(share) if self.net.members is None else share

    def evaluate(self, weights: Array | None = None, rows: Array | None = None) -> Evaluation:
        """Loss and gradient in training mode, L2 included, with no trace: the run goes on bit for bit as if
        nobody had asked.

        weights: in the place of the present ones, in the shape of `net.flat_params`. rows: whole numbers,
        the training samples that make the minibatch, as they are; None is the next minibatch of the run,
        augmented as it will be. Dropout and noise are those of the next update, whose loss and gradient
        `evaluate()` returns.
        Returns an `Evaluation`, arrays of its own. Raises ValueError for weights of another shape, for rows
        that don't exist, and without rows where the run is finished.
        """
        if weights is not None:
            weights = self.net.xp.asarray(weights)
            require_shape("weights", weights, self.net.flat_params.shape)
        if rows is not None:
            rows = checked_rows(rows, self.minibatches.n)
        elif self.is_done:
            raise ValueError("the run is finished and has no next minibatch: rows must say which samples")
        with self._kept(), np.errstate(all="ignore"):
            X, y = self._next() if rows is None else self._samples(rows)
            if weights is not None:
                self.net.flat_params[...] = weights
            with self.net.frozen():
                return Evaluation(self.net.backpropagate(X, y), self.net.flat_gradient.copy())

    # --- inside -------------------------------------------------------------------------------------

    @property
    def _lead(self) -> Shape:
        return () if self.net.members is None else (self.net.members,)

    def _advance(self) -> None:
        """What is still to be measured, and one update."""
        _ = self.accuracies
        with np.errstate(all="ignore"):  # divergence is a result
            loss = self.net.backpropagate(*self._next())
            self.optimizer.update(self.net.flat_params, self.net.flat_gradient, self._rate())
            self.step += 1
            if self.net.xp is np:
                self._note(loss)
            else:
                self._unread.append(loss)
                if len(self._unread) >= UNREAD_ON_DEVICE:
                    self._read()
            self._is_due = self.step == 1 or self.step % self.minibatches.per_epoch == 0

    def _next(self) -> tuple[Array, Array]:
        """The next minibatch, X and y."""
        rows = self.minibatches.next()
        if not self.augmentation:
            X = self._taken(rows)
        else:
            shift = MOST_SHIFT if "shift" in self.augmentation else 0
            flip = "flip" in self.augmentation
            X = augment(self._X[rows], self._augmentation_rng, self._image_shape, flip, shift)
        return X, self._y[self.net.xp.asarray(rows)]

    def _samples(self, rows: np.ndarray) -> tuple[Array, Array]:
        """The minibatch of these rows, X and y, in arrays of its own."""
        there = self.net.xp.asarray(rows)
        return self._X[rows if self.augmentation else there], self._y[there]

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """At its end weights, gradient and the streams of random numbers are what they were."""
        arrays = [(array, array.copy()) for array in (self.net.flat_params, self.net.flat_gradient)]
        streams = self._augmentation_rng, random.legacy()  # own pairs may draw from NumPy's global one
        minibatches, states = self.minibatches.state(), [random.get_state(rng) for rng in streams]
        try:
            yield
        finally:
            for array, before in arrays:
                array[...] = before
            self.minibatches.load_state(minibatches)
            for rng, state in zip(streams, states, strict=True):
                random.set_state(rng, state)

    def _taken(self, rows: np.ndarray) -> Array:
        """The samples with these row numbers, in an array that lasts until the next call."""
        xp = self.net.xp
        if self._minibatch is None or len(self._minibatch) < len(rows):
            self._minibatch = xp.empty((len(rows), *self._X.shape[1:]), dtype=self._X.dtype)
        # NumPy's take makes a copy more unless it may skip checking the row numbers.
        unchecked = {"mode": "clip"} if xp is np else {}
        return self._X.take(xp.asarray(rows), axis=0, out=self._minibatch[: len(rows)], **unchecked)

    def _rate(self) -> Rate:
        """The learning rate of this update: a number, in a population with different ones an array (K, 1)."""
        if isinstance(self.learning_rate, float) or np.ndim(self.learning_rate) == 0:
            # NumPy's numbers would make it compute in their precision.
            return float(
                SCHEDULES[self.schedule](
                    self.learning_rate, self.step, self.total_steps, **self.schedule_config
                )
            )
        rates = np.asarray(self.learning_rate, dtype=self.net.dtype)[:, None]
        rates = SCHEDULES[self.schedule](rates, self.step, self.total_steps, **self.schedule_config)
        return self.net.xp.asarray(rates.astype(self.net.dtype))

    def _read(self) -> None:
        """Fetch the losses that are still on the device."""
        if self._unread:
            unread, self._unread = self._unread, []
            for losses in to_host(self.net.xp.stack(unread)):  # in one go
                self._note(losses)

    def _note(self, losses: Array) -> None:
        """Keep the losses of one update, () or (K,), and see which members have diverged."""
        values = [float(losses)] if self.net.members is None else losses.tolist()
        self._losses.extend(values)
        if not all(map(isfinite, values)):
            update = len(self._losses) // len(values)
            for member, value in enumerate(values):
                if not (isfinite(value) or self._diverged[member]):
                    self._diverged[member] = update


@contextmanager
def blas_threads(batch_size: int) -> Iterator[None]:
    """One BLAS thread for the small products of a small minibatch: a second one costs more than it brings."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # the core runs with NumPy alone
        yield
        return
    with threadpool_limits(1 if batch_size < ONE_THREAD_BELOW else None, user_api="blas"):
        yield
