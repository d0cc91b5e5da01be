"""One figure by itself, drawn from sides that are known."""

from types import SimpleNamespace

import numpy as np

from lab.live.explorer.panel import Panel
from lab.live.explorer.race import RaceFrame, Side
from lab.live.explorer.views import VIEWS
from lab.plot import colours
from lab.train.loop import Accuracy
from tests.live.figure import Figure
from tests.live.stage import CONFIG

ROLES = list(colours.ROLES)
NAMES = {role: f"the {role} run" for role in ROLES}


def side(updates=5, scale=1.0, sizes=(1.0, 0.5), is_off=(False, False), config=CONFIG):
    """A side whose loss and signals are known."""
    sizes = scale * np.array(sizes)
    signals = SimpleNamespace(
        sizes=np.stack([sizes / 2, sizes, 2 * sizes], axis=-1), is_off=np.resize(is_off, len(sizes)),
        silent=np.linspace(0.0, 0.5, len(sizes)), gradient_norms=scale * np.ones(len(sizes) + 1),
        update_ratios=np.full(len(sizes) + 1, -2.5), running_ratios=np.ones((len(sizes), 3)),
        histogram=lambda layer: (scale * np.linspace(-layer, layer, 41), np.full(40, 1 / 40)),
    )  # fmt: skip
    accuracies = [Accuracy(1, 0, 0.2, 0.1), Accuracy(updates, 1, 0.8, 0.7)]
    return Side(config, scale * np.arange(updates, 0, -1.0), accuracies, None, signals)


def frame_of(sides, **changes):
    given = {
        "run": 1, "number": 1, "step": 5, "total_steps": 500, "epoch": 1.0, "steps_per_second": 1.0,
        "is_playing": True, "is_done": False, "chosen": sides.get("chosen"), "twin": sides.get("twin"),
    }  # fmt: skip
    return RaceFrame(**{**given, **changes})


class Drawn(Figure):
    """A panel, and what is seen of it."""

    def __init__(self, view, changed=lambda: None):
        self.panel = Panel(tuple(VIEWS), view, changed)
        super().__init__(self.panel.box)

    def draw(self, sides=None, **changes):
        """Draw all marks and words, as the explorer does in turn."""
        sides = {"twin": side(), "chosen": side()} if sides is None else sides
        frame = frame_of(sides, **changes)
        for mark in self.panel.marks:
            self.panel.draw(mark, sides, frame)
        self.panel.tell(NAMES, sides, frame)
        return self
