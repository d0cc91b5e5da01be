"""What a worker process owes the one that started it: to leave Ctrl-C to it, and to end when it ends."""

import os
import signal
import threading
import time

LOOK_EVERY = 1.0  # seconds between two looks at whether the parent is there


def begin(parent: int) -> None:
    """Make this process a worker of the one with this number: the initializer of a pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, in whatever way."""
    if os.name == "nt":  # there the number stays
        import multiprocessing

        multiprocessing.parent_process().join()  # type: ignore[union-attr]
    else:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
    os._exit(1)
