"""Stand-ins in the jail for what a student left in a function: written files, threads, plots.

None of them makes the jail wider: the kernel refuses files and threads as before, nothing asks it for them.
What is written is gone; what a thread would do is done at once, in turn.

Imports the standard library, NumPy and `leftovers`, which lies beside it in the jail.
"""

import builtins
import concurrent.futures
import io
import multiprocessing.dummy
import multiprocessing.pool
import os
import sys
import threading
from contextlib import suppress
from typing import Any

import leftovers
import numpy as np

really_open, savetxt = open, np.savetxt


def install():
    """Put the stand-ins in their places, for good."""
    sys.meta_path.append(leftovers.Shows())
    replaced: dict[Any, dict] = {
        builtins: {"open": opened}, io: {"open": opened}, os: {"mkdir": nothing}, np: {"savetxt": saved},
        threading.Thread: {"start": start, "join": nothing, "is_alive": nothing},
        concurrent.futures: {"ThreadPoolExecutor": InTurn, "ProcessPoolExecutor": InTurn},
        multiprocessing: {"Pool": Pool}, multiprocessing.pool: {"Pool": Pool, "ThreadPool": Pool},
        multiprocessing.dummy: {"Pool": Pool},
    }  # fmt: skip
    for owner, names in replaced.items():
        for name, stand_in in names.items():
            setattr(owner, name, stand_in)


def nothing(*arguments, **settings):
    """Nothing."""


def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *rest, **more):
    """As open(), but what is written is gone when it is closed."""
    if isinstance(file, int) or not {*mode} & {*"wax+"}:
        return really_open(file, mode, buffering, encoding, errors, newline, *rest, **more)
    return io.BytesIO() if "b" in mode else io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)


def saved(file, *arguments, **settings):
    """As np.savetxt(), which looks for the file that it has made."""
    savetxt(opened(file, "w") if isinstance(file, str | os.PathLike) else file, *arguments, **settings)


def start(thread):
    """As Thread.start(), but it comes to its end first."""
    with suppress(Exception):  # it is the thread's own
        thread.run()


class InTurn(concurrent.futures.Executor):
    """A pool that runs at once what is submitted."""

    def __init__(self, *arguments, **settings):
        pass

    def submit(self, function, /, *arguments, **settings):
        """A future that has its result."""
        future: concurrent.futures.Future = concurrent.futures.Future()
        try:
            future.set_result(function(*arguments, **settings))
        except Exception as error:
            future.set_exception(error)
        return future


class Pool(leftovers.Silent):
    """The same with the methods of multiprocessing's pools; close() and the like do nothing."""

    def __init__(self, *arguments, **settings):
        pass

    def map(self, function, values, chunksize=None):
        """[function(value), ...]"""
        return list(map(function, values))

    imap = imap_unordered = map

    def starmap(self, function, values, chunksize=None):
        """[function(*value), ...]"""
        return [function(*each) for each in values]

    def apply(self, function, arguments=(), settings=None):
        """function(*arguments, **settings)"""
        return function(*arguments, **settings or {})
