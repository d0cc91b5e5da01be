"""An update that never ends is stopped at its line, and nothing else is."""

import signal
import threading
import time
import traceback

import pytest

from lab.live import deadline as module
from lab.live.deadline import HAS_TIMER, Overdue, deadline

needs_timer = pytest.mark.skipif(not HAS_TIMER, reason="machine: no timer that interrupts")


def endless():
    while True:
        pass


@needs_timer
def test_what_takes_too_long_is_stopped_at_its_line():
    with pytest.raises(Overdue, match=r"took longer than 0\.02 seconds") as raised, deadline(0.02):
        endless()
    calls = [call.name for call in traceback.extract_tb(raised.value.__traceback__)]
    assert "endless" in calls


@needs_timer
def test_what_ends_in_time_is_left_alone():
    """Also later: the timer is off, and who listened before listens again."""
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append("before"))
    try:
        with deadline(0.02):
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.02
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        time.sleep(0.04)
        assert heard == []
        signal.raise_signal(signal.SIGALRM)
        assert heard == ["before"]
    finally:
        signal.signal(signal.SIGALRM, before)


@needs_timer
def test_an_exception_passes_through_and_ends_it():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ZeroDivisionError), deadline(5):
        1 / 0  # noqa: B018
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


@needs_timer
def test_a_signal_that_comes_just_after_the_end_is_not_heard():
    with deadline(5):
        ring = signal.getsignal(signal.SIGALRM)
        with pytest.raises(Overdue):
            ring(signal.SIGALRM, None)
    ring(signal.SIGALRM, None)


@pytest.mark.parametrize("why", ["another thread", "no timer"])
def test_where_there_is_no_limit_it_runs_all_the_same(monkeypatch, why):
    """Only the main thread hears signals, and Windows has no such timer."""
    done = []

    def slow():
        with deadline(0.01):
            time.sleep(0.03)
            done.append(signal.getsignal(signal.SIGALRM) if HAS_TIMER else None)

    before = signal.getsignal(signal.SIGALRM) if HAS_TIMER else None
    if why == "no timer":
        monkeypatch.setattr(module, "HAS_TIMER", False)
        slow()
    else:
        thread = threading.Thread(target=slow)
        thread.start()
        thread.join()
    assert done == [before]
