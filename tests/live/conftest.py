"""Frames follow each other ten times as fast as on the screen, and widgets have no kernel."""

import comm
import pytest

from lab.live import race


@pytest.fixture(autouse=True)
def short_frames(monkeypatch):
    monkeypatch.setattr(race, "FRAME", 0.005)
    monkeypatch.setattr(race, "BUSY", 60)  # so that each frame has all its updates on a slow machine too


@pytest.fixture(autouse=True)
def no_kernel(monkeypatch):
    monkeypatch.setattr(comm, "create_comm", comm.DummyComm)
