"""The lab itself, through its training loop."""

from itertools import islice

import numpy as np

from lab.bench.workloads import SEED, data
from lab.nn import compiled
from lab.nn.backend import to_host
from lab.train import Solver, Training
from lab.train.loop import blas_threads


def training(work, samples, leaves=None, xp=np, **settings):
    """The workload's run. leaves: whether compiled leaf functions are used; None leaves it to the lab.
    xp: numpy or cupy. settings: in place of those that `Training` gets here."""
    settings = {
        "batch_size": work.batch_size, "epochs": work.epochs, "learning_rate": work.learning_rate,
        "optimizer": work.optimizer, "schedule": work.schedule, "data_seed": SEED, **settings,
    }  # fmt: skip
    with compiled.use(leaves):
        return Training(work.network(xp=xp), samples, **settings)


def solver(work, samples, leaves=None):
    """The same through `Solver`, in the course's vocabulary."""
    with compiled.use(leaves):
        return Solver(
            work.network(), samples, num_epochs=work.epochs, batch_size=work.batch_size,
            update_rule=work.optimizer, optim_config={"learning_rate": work.learning_rate}, verbose=False,
        )  # fmt: skip


def train(work):
    """Train a workload to its end with compiled leaves, without measuring accuracy."""
    with blas_threads(work.batch_size):
        for _ in training(work, data(work), leaves=True, train_samples=0, val_samples=0):
            pass


class Lab:
    """A workload as a trainer. The loop draws its minibatches itself: those of `Workload.minibatches`."""

    def __init__(self, work, samples, leaves=None, xp=np):
        self.training = training(work, samples, leaves, xp, epochs=10**6, train_samples=0, val_samples=0)
        self.updates = iter(self.training)

    def advance(self, rows, rates):
        """Make len(rows) updates. Returns their losses, (len(rows),) or (len(rows), K)."""
        for _ in islice(self.updates, len(rows)):
            pass
        return self.training.loss[-len(rows) :]


class Update(Lab):
    """Forward, backward and optimizer alone, on a minibatch that is at hand, as the floor has its."""

    def __init__(self, work, samples, leaves=None, xp=np):
        super().__init__(work, samples, leaves, xp)
        rows = slice(work.batch_size)
        self.minibatch = tuple(xp.asarray(samples[name][rows]) for name in ("X_train", "y_train"))

    def advance(self, rows, rates):
        """Make len(rows) updates with one minibatch. Returns their losses."""
        net, optimizer, losses = self.training.net, self.training.optimizer, []
        for rate in rates:
            losses.append(net.backpropagate(*self.minibatch))
            optimizer.update(net.flat_params, net.flat_gradient, float(rate))
        return np.stack([to_host(loss) for loss in losses])
