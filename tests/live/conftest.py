"""Frames follow each other ten times as fast as on the screen, and widgets have no kernel."""

import sys
from collections import Counter
from contextvars import ContextVar
from types import SimpleNamespace

import comm
import IPython
import ipywidgets as widgets
import pytest

from lab.live import Explorer, Sweep, task
from lab.train import Training
from tests.live.stage import Frames


@pytest.fixture(autouse=True)
def short_frames(monkeypatch):
    monkeypatch.setattr(task, "FRAME", 0.005)
    monkeypatch.setattr(task, "BUSY", 60)  # so that each frame has all its updates on a slow machine too


class Messages(list):
    """What widgets have sent to the page: (id of the widget, its class, what of its state)."""

    def of(self, widget):
        """The states that this widget has sent."""
        return [state for model, _, state in self if model == widget.model_id]

    @property
    def kinds(self):
        """How many messages, by class."""
        return Counter(kind for _, kind, _ in self)


@pytest.fixture(autouse=True)
def messages(monkeypatch):
    """The messages that widgets have sent since they were made. They come to a page that only listens, and
    isn't told how they look at first, which takes most of the time of making them."""
    sent, opened = Messages(), []

    class Page(comm.DummyComm):
        def __init__(self, kind):
            self.kind = kind
            super().__init__()

        def publish_msg(self, msg_type, data=None, **rest):
            if msg_type == "comm_msg":
                sent.append((self.comm_id, self.kind, data.get("state", {})))

    def open_page(widget):
        widget.comm = Page(type(widget).__name__)
        opened.append(widget)

    monkeypatch.setattr(widgets.Widget, "open", open_page)
    yield sent
    for widget in opened:  # which ipywidgets keeps, and Python then has more and more to go through
        widget.close()


class Watched:
    """The frames that a race has handed to its widget, and a way to hand it another one."""

    def __init__(self):
        self.frames = Frames()
        self.show = None  # of the widget
        self.before = self.after = lambda frame: None  # called before and after each frame is drawn

    def through(self, show):
        self.show = show

        def pass_on(frame):
            self.before(frame)
            show(frame)
            self.frames.append(frame)
            self.after(frame)

        return pass_on

    def watching(self, make):
        """`make` with its function that shows replaced by one that also notes what is shown."""
        return lambda *given, **settings: make(
            *(self.through(one) if callable(one) else one for one in given), **settings
        )


@pytest.fixture
def watched(monkeypatch):
    """The frames of the explorer or sweep that is made in this test."""
    watch = Watched()
    for widget, name in ((Explorer, "Race"), (Sweep, "Grid")):
        module = sys.modules[widget.__module__]
        monkeypatch.setattr(module, name, watch.watching(getattr(module, name)))
    return watch


@pytest.fixture
def trainings(monkeypatch):
    """The trainings that are made in this test, in their order."""
    made, make = [], Training.from_config

    def note(*given, **settings):
        made.append(make(*given, **settings))
        return made[-1]

    monkeypatch.setattr(Training, "from_config", note)
    return made


@pytest.fixture
def cell(monkeypatch):
    """Says which cell runs, as a front end does: cell(id, execution). Tasks keep the cell that made them."""
    parent = ContextVar("parent")
    parent.set({})
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(get_parent=parent.get))
    return lambda name, execution: parent.set({"metadata": {"cellId": name}, "header": {"msg_id": execution}})
