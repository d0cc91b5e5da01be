"""What the tests of grading share: the jail, and the places of things."""

import shutil

import pytest

from autograde.jail import bubblewrap


@pytest.fixture
def jailed():
    """Skips where this machine can't make a jail."""
    reason = bubblewrap.trouble()
    if reason is not None:
        pytest.skip(f"no jail: {reason}")


@pytest.fixture
def no_bubblewrap(monkeypatch):
    """A machine without bubblewrap."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **kw: None if name == "bwrap" else which(name, **kw))
