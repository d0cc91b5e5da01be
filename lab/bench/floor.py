"""The floor: the matrix products of a training run and nothing else."""

from itertools import pairwise

import numpy as np


class Floor:
    """Products of the sizes of a workload, of arrays that are ready for the result."""

    def __init__(self, work, data, xp=np):
        rng = np.random.default_rng(0)

        def arrays(shapes):
            return [xp.asarray(rng.standard_normal(shape, np.float32)) for shape in shapes]

        self.xp, self.samples = xp, work.train_size
        self.weights = arrays(pairwise(work.sizes))
        self.gradients = [xp.empty_like(w) for w in self.weights]
        self.batch = arrays((work.batch_size, size) for size in work.sizes)
        self.measured = arrays((work.val_size, size) for size in work.sizes)

    def advance(self, rows, rates):
        """The products of len(rows) updates. Returns that many zeros in the place of losses."""
        matmul, batch, weights = self.xp.matmul, self.batch, self.weights
        for _ in rows:
            for i, w in enumerate(weights):
                matmul(batch[i], w, out=batch[i + 1])
            for i in reversed(range(len(weights))):
                matmul(batch[i].T, batch[i + 1], out=self.gradients[i])
                if i:  # nobody needs the gradient with respect to the data
                    matmul(batch[i + 1], weights[i].T, out=batch[i])
            for part in batch[1:]:  # or the numbers overflow, which costs time
                part.fill(0.5)
        return np.zeros(len(rows))

    def accuracy(self):
        """The products of measuring on training and validation samples, as many of both."""
        for _ in ("train", "val"):
            for i, w in enumerate(self.weights):
                self.xp.matmul(self.measured[i], w, out=self.measured[i + 1])
            for part in self.measured[1:]:
                part.fill(0.5)
