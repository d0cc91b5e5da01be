"""What is trained in the measurements, as data.

Every candidate gets the same samples, weights and minibatches. The samples are random, so nothing is
downloaded; a label is the largest of a sample's first features, which can be learnt.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from lab.nn import FullyConnectedNet, random
from lab.nn.schedule import SCHEDULES
from lab.train.minibatches import Minibatches

NUM_CLASSES = 10
SEED = 0


@dataclass(frozen=True)
class Workload:
    """A fully connected ReLU network and how it is trained, in float32. The fields are those of `Config`; a
    tuple of weight scales makes a population."""

    hidden_dims: tuple[int, ...]
    normalization: str | None = "batchnorm"
    weight_scale: Any = 2e-2
    input_dim: int = 3072
    batch_size: int = 50
    train_size: int = 1000
    val_size: int = 1000
    epochs: int = 10
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"

    @property
    def sizes(self):
        """Features from the data to the scores."""
        return [self.input_dim, *self.hidden_dims, NUM_CLASSES]

    @property
    def members(self):
        """How many networks are trained."""
        return np.size(self.weight_scale)

    @property
    def per_epoch(self):
        """Updates in an epoch; the sizes of the workloads leave no smaller minibatch."""
        return self.train_size // self.batch_size

    def network(self, **settings):
        """The lab's network, with the weights that every candidate starts from."""
        return FullyConnectedNet(
            self.hidden_dims, self.input_dim, NUM_CLASSES, normalization=self.normalization,
            weight_scale=self.weight_scale, seed=SEED, **settings,
        )  # fmt: skip

    def params(self):
        """Those weights by name, W1, b1, gamma1, …; in a population (K, …)."""
        return {name: view.copy() for name, view in self.network().params.items()}

    def minibatches(self, updates):
        """What each of so many updates takes: row numbers, (updates, batch_size), and rates, (updates,)."""
        order = Minibatches(self.train_size, self.batch_size, "epoch", random.stream(SEED, "minibatches"))
        rows = np.array([order.next() for _ in range(updates)])
        rates = [SCHEDULES[self.schedule](self.learning_rate, t, updates) for t in range(updates)]
        return rows, np.array(rates, dtype=np.float32)

    def parts(self, size):
        """This population in populations of so many members; a single member is no population."""
        scales = self.weight_scale
        return [
            replace(self, weight_scale=scales[i] if size == 1 else scales[i : i + size])
            for i in range(0, len(scales), size)
        ]


@lru_cache(maxsize=1)
def samples(input_dim, train_size, val_size):
    """X_train, y_train, X_val, y_val: float32 samples and their labels."""
    rng = np.random.default_rng(SEED)
    data = {}
    for part, size in (("train", train_size), ("val", val_size)):
        data[f"X_{part}"] = rng.standard_normal((size, input_dim), np.float32)
        data[f"y_{part}"] = data[f"X_{part}"][:, :NUM_CLASSES].argmax(axis=1)
    return data


def data(work):
    """The samples of a workload."""
    return samples(work.input_dim, work.train_size, work.val_size)


SCALES = tuple(np.logspace(-4, 0, 20).tolist())

W1 = Workload(hidden_dims=(100,) * 5)
W2 = Workload(hidden_dims=(50,) * 7, weight_scale=SCALES)
W3 = Workload(
    hidden_dims=(50, 50),
    batch_size=100,
    train_size=45_000,
    optimizer="sgd",
    learning_rate=0.1,
    schedule="cyclic",
)
W4 = Workload(hidden_dims=(50,) * 3, input_dim=64, batch_size=32, train_size=1024)


def complete(work, trainer):
    """The complete run of a trainer: all updates, accuracy after the first one and after each epoch."""
    rows, rates = work.minibatches(work.epochs * work.per_epoch)
    start = 0
    for stop in [1, *range(work.per_epoch, len(rows) + 1, work.per_epoch)]:
        trainer.advance(rows[start:stop], rates[start:stop])
        trainer.accuracy()
        start = stop
