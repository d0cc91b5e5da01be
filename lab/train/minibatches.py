"""Which samples make the next minibatch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.nn import random


class Minibatches:
    """Draws the row numbers of one minibatch after the other.

    n: number of training samples. sampling: "epoch" takes all of them in a new random order each epoch;
    the last, smaller minibatch is kept, but a single row joins the minibatch before it.
    "with_replacement" draws each minibatch from all samples, n // batch_size of them an epoch.
    rng: numpy Generator or RandomState. Raises ValueError for a minibatch larger than the data.
    """

    def __init__(self, n: int, batch_size: int, sampling: str, rng: random.Stream):
        if batch_size > n:
            raise ValueError(f"batch_size is {batch_size}, but there are only {n} training samples")
        self.n, self.batch_size, self.sampling, self.rng = n, batch_size, sampling, rng
        if sampling == "epoch":
            self.starts = list(range(0, n, batch_size))
            if len(self.starts) > 1 and n - self.starts[-1] == 1 < batch_size:
                self.starts.pop()
        else:
            self.starts = list(range(n // batch_size))
        self.position = 0  # in the epoch
        self.order = np.arange(n)  # of the rows, drawn anew each epoch

    @property
    def per_epoch(self) -> int:
        """Number of minibatches in an epoch."""
        return len(self.starts)

    def next(self) -> np.ndarray:
        """The row numbers of the next minibatch."""
        if self.sampling == "with_replacement":
            self.position = (self.position + 1) % self.per_epoch
            return random.integers(self.rng, self.n, self.batch_size)
        if self.position == 0:
            self.order = self.rng.permutation(self.n)
        start = self.starts[self.position]
        self.position = (self.position + 1) % self.per_epoch
        stop = self.n if self.position == 0 else start + self.batch_size
        return self.order[start:stop]

    def state(self) -> dict[str, Any]:
        """Position, order (which is replaced, never changed) and random stream."""
        return {"position": self.position, "order": self.order, "rng": random.get_state(self.rng)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.position, self.order = state["position"], state["order"]
        random.set_state(self.rng, state["rng"])
