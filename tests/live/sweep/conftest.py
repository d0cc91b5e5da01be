"""An axis of choices, which is small."""

import pytest

from lab.live.grid import AXES, Axis


@pytest.fixture
def optimizers(monkeypatch):
    """Another axis of choices: one entry is all that it takes. Layer norm stands for all of them here."""
    axis = Axis(
        ("sgd", "rmsprop", "adam"), modes=(None, "layernorm", "weightstd"), once=("layernorm",), seeds=4
    )
    monkeypatch.setitem(AXES, "optimizer", axis)
    return axis
