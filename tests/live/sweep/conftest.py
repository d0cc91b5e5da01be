"""A small axis of choices, and frames that end soon."""

import pytest

from lab.live import task
from lab.live.sweep.axes import AXES, Axis


@pytest.fixture
def optimizers(monkeypatch):
    """Another axis of choices: one entry is all that it takes. Layer norm stands for all of them here."""
    axis = Axis(
        ("sgd", "rmsprop", "adam"), modes=(None, "layernorm", "weightstd"), once=("layernorm",), seeds=4
    )
    monkeypatch.setitem(AXES, "optimizer", axis)
    return axis


@pytest.fixture
def many_frames(monkeypatch):
    """A frame ends soon, so that there are some on the way."""
    monkeypatch.setattr(task, "BUSY", task.FRAME)
