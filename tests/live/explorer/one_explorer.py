"""An explorer on small data, and how to see that it shows what it should."""

from contextlib import contextmanager

import numpy as np

from lab.live import Explorer, words
from lab.live.controls import FIELDS
from lab.live.explorer.views import VIEWS
from lab.plot import colours
from tests.live.screen import Screen
from tests.live.stage import CONFIG, small_data

ROLES = list(colours.ROLES)
PINS = [role for role in ROLES if role.startswith("pinned")]
LABELS = {field.name: field.label for field in FIELDS}
LIVE = "learning rate and L2 change the run that goes on"


class ExplorerScreen(Screen):
    """What a user sees of an explorer, and the numbers behind it."""

    @property
    def frame(self):
        return self.widget.frame

    @property
    def config(self):
        return self.widget.race.config

    @property
    def values(self):
        """What the controls show, by the name of what they set."""
        shown = {control.label: control.value for control in self.controls}
        return {name: shown[label] for name, label in LABELS.items() if label in shown}

    @property
    def views(self):
        """The names of the views that are shown."""
        return [view_of(figure) for figure in self.figures]

    def show(self, number, view):
        """Choose a view by its name."""
        self.figures[number].show(VIEWS[view].title)


@contextmanager
def explore(config=CONFIG, **settings):
    """The screen of an explorer on small data, which is closed in the end."""
    explorer = Explorer(config, **{"data": small_data(), **settings})
    try:
        yield ExplorerScreen(explorer)
    finally:
        explorer.close()


def view_of(figure):
    """The name of the view that a figure shows."""
    return next(name for name, view in VIEWS.items() if view.title == figure.title)


def assert_shows(figure, role, side, style="solid"):
    """A curve of a figure is the one that its view makes of this side."""
    expected = VIEWS[view_of(figure)].marks[style](side, figure.layer.value)
    np.testing.assert_array_equal(figure.curve(role, style), expected)


def assert_all_shows_the_last_frame(screen):
    """At rest nothing on the screen is older than the frame."""
    frame = screen.frame
    for role, side in {"ghost": frame.ghost, "twin": frame.twin, "chosen": frame.chosen}.items():
        for figure in screen.figures:
            for style in {"solid", "dashed"} & VIEWS[view_of(figure)].marks.keys():
                if side is None:
                    assert not figure.has(role, style)
                else:
                    assert_shows(figure, role, side, style)
    assert screen.html("lab-status") == words.status(frame)
    assert screen.html("lab-sentence") == words.spoken(frame, words.sentence(frame))
    assert screen.control("share").value == frame.chosen.config.share()
