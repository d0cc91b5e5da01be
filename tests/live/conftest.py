"""Frames follow each other ten times as fast as on the screen, and widgets have no kernel."""

from collections import Counter

import comm
import ipywidgets as widgets
import pytest

from lab.live import race


@pytest.fixture(autouse=True)
def short_frames(monkeypatch):
    monkeypatch.setattr(race, "FRAME", 0.005)
    monkeypatch.setattr(race, "BUSY", 60)  # so that each frame has all its updates on a slow machine too


@pytest.fixture(autouse=True)
def no_kernel(monkeypatch):
    monkeypatch.setattr(comm, "create_comm", comm.DummyComm)


@pytest.fixture
def messages(monkeypatch):
    """Counts the messages that widgets send, by what sends them."""
    sent = Counter()
    send = widgets.Widget._send

    def count(self, message, buffers=None):
        sent[type(self).__name__] += 1
        send(self, message, buffers)

    monkeypatch.setattr(widgets.Widget, "_send", count)
    return sent
