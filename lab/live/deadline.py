"""A limit on how long one update may take: own code may never end, and the kernel has one main thread."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Windows has no such timer, and only the main thread hears signals: there own code has no limit.
HAS_TIMER = hasattr(signal, "setitimer")


class Overdue(Exception):
    """What ran under `deadline` took too long."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises Overdue at the line that runs after so many seconds, unless the block has ended."""
    if not HAS_TIMER or threading.current_thread() is not threading.main_thread():
        yield
        return
    is_over = False

    def ring(_signal: Any, _frame: Any) -> None:
        if not is_over:  # a signal may wait until just after the end
            raise Overdue(f"took longer than {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        is_over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
