"""A sweep over small networks on small data, and what a user sees of it."""

import re
from contextlib import contextmanager

import numpy as np

from lab.live import Explorer, Sweep
from lab.live.sweep.grid import Results
from tests.live.explorer.one_explorer import LABELS, ExplorerScreen
from tests.live.screen import Screen
from tests.live.stage import small_data, until

SMALL = {"hidden_dims": (8, 8), "batch_size": 10, "epochs": 2}
ROWS = 260  # for the largest batch
TITLES = {"train": "best training accuracy", "val": "best validation accuracy", "loss": "final loss"}


class SweepScreen(Screen):
    """What a user sees of a sweep, and the numbers behind it."""

    @property
    def frame(self):
        return self.widget.frame

    @property
    def results(self):
        return self.widget.frame.results

    @property
    def grid(self):
        return self.widget.grid

    @property
    def value(self):
        """What moves along the axis."""
        return self.control(LABELS[self.grid.name])

    @property
    def modes(self):
        """The normalizations in the order of the key, in words."""
        return self.figures[0].names

    @property
    def cells(self):
        """The numbers of the table, row by row."""
        return re.findall(r"<td>(.*?)</td>", self.html("lab-results"))

    @property
    def opened(self):
        """The screen of the explorer that a point was opened in, None before."""
        found = self.parts(Explorer)
        return ExplorerScreen(found[0]) if found else None

    async def opening(self):
        """The screen of the explorer, once it shows something."""
        await until(lambda: self.opened is not None and self.opened.frame is not None)
        return self.opened

    def shows(self, name):
        """The figure of "train", "val" or "loss"."""
        return self.figure(TITLES[name])


@contextmanager
def sweep(axis="weight_scale", **settings):
    """The screen of a sweep, which is closed in the end."""
    made = Sweep(axis, **{"data": small_data(rows=ROWS), **SMALL, **settings})
    try:
        yield SweepScreen(made)
    finally:
        made.close()


def said(screen):
    """Everything that is said, in words."""
    return " ".join(screen.text(name) for name in ("lab-results", "lab-status", "lab-sentence"))


def results_of(*accuracies, diverged=()):
    """Of one seed, unless an accuracy is a list of several."""
    val = np.array(accuracies, dtype=float)
    val = val if val.ndim == 3 else val[..., None]
    marks = np.zeros(val.shape, dtype=bool)
    for index in diverged:
        marks[index] = True
    return Results(val, val, val, marks)
