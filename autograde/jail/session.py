"""A student's functions, called where they can do no harm.

`Session` starts workers (`autograde.jail.worker`) in the jail; `Child` is a fresh process there with the
student's cells loaded. Its functions take and return arrays like any others, which is all that `lab.check`
asks.
"""

import os
import secrets
import selectors
import signal
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from autograde.jail import bubblewrap, wire
from lab.check import Stopped, leftovers
from lab.check.assignments import UNNAMED, find

BESIDE = ("worker.py", "cells.py", "sandbox.py", "standins.py", "wire.py")
WORKER = {name: Path(__file__).with_name(name) for name in BESIDE}
WORKER["leftovers.py"] = Path(leftovers.__file__)
START = 30.0  # seconds that a jail may take to come up on a machine that is busy
ROOM = 4 << 20  # bytes that one answer's arrays may take; a bool takes eight times that in a comparison
ENDED = {
    -signal.SIGKILL: "was stopped by the system: too much memory, perhaps",
    -signal.SIGSEGV: "crashed the interpreter: recursion without end, perhaps",
    -getattr(signal, "SIGXCPU", 0): "took more computing time than a submission has",
}


class Raised(Exception):
    """What a student's function raised, with the line where it did."""


class Session:
    """The workers of one submission, started as needed.

    given: path of the assignment's own given.py. cells: sources of the student's code cells. assignment: the
    name of the one that says which functions and classes are asked for.
    seconds_per_call: deadline of one call. seconds: of all of them together. jailed: whether in a jail.
    """

    def __init__(self, given, cells, *, assignment=UNNAMED, seconds_per_call=10.0, seconds=60.0, jailed=True):
        self.files = WORKER | {"given.py": Path(given)}
        self.cells, self.asked, self.jailed = cells, find(assignment), jailed
        self.seconds_per_call, self.left = seconds_per_call, seconds
        self.process: Any = None  # subprocess.Popen, whose pipes are there
        self.folder: tempfile.TemporaryDirectory | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def part(self, whole=(), until=None):
        """A fresh process with the cells loaded; of those numbered in `whole`, every statement is run.

        until: number of the last cell whose names later ones don't replace; default: the last of `whole`.
        """
        if self.process is None:
            self._start()
        return Child(self, whole, max(whole, default=-1) if until is None else until)

    def seconds_left(self):
        """Until the deadline of a call that begins now. Raises Stopped when the submission's time is over."""
        if self.left <= 0:
            raise Stopped("not tried: the time that one submission has is over")
        return min(self.seconds_per_call, self.left)

    def kill(self):
        """End the jail and all that is in it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                pipe.close()
            self.process = None
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None

    def _start(self):
        if self.jailed:
            line, environment = [*bubblewrap.command(self.files), f"{bubblewrap.INSIDE}/worker.py"], None
        else:
            self.folder = tempfile.TemporaryDirectory(prefix="unjailed-")
            for name, path in (bubblewrap.numpy_files() | self.files).items():
                Path(self.folder.name, name).symlink_to(path)
            line = [*bubblewrap.PYTHON, str(Path(self.folder.name, "worker.py"))]
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            env=environment,
        )  # fmt: skip
        for pipe in (self.process.stdin, self.process.stdout):
            os.set_blocking(pipe.fileno(), False)

    # --- frames ---------------------------------------------------------------------------------------

    def exchange(self, document, arrays, what, seconds, begun=None):
        """Send a request and return (document, arrays) of its answer.

        what: names the call in a sentence. begun: the number of a "begin" that may be answered instead, by
        the word that its child ended. Raises Stopped, with the jail killed, for what isn't an answer.
        """
        number = secrets.token_hex(8)
        deadline = time.monotonic() + seconds
        try:
            self._write(wire.frame(document | {"id": number}, arrays), deadline)
            answer, found = wire.read_frame(partial(self._read, deadline=deadline), ROOM)
            if answer.get("id") not in (number, begun):
                raise wire.Garbled("an answer to nothing")
            return number, answer, found
        except TimeoutError:
            self.kill()
            raise Stopped(
                f"{what} didn't come to an end within {seconds:.0f} s: a loop without end, or far too slow"
            ) from None
        except (wire.Garbled, BrokenPipeError, EOFError) as reason:
            self.kill()
            raise Stopped(f"{what} broke the connection to the judge ({reason or 'it ended'})") from None

    def _write(self, data, deadline):
        left, pipe = memoryview(data), self.process.stdin
        while left:
            self._wait(pipe, selectors.EVENT_WRITE, deadline)
            left = left[pipe.write(left) or 0 :]

    def _read(self, count, deadline):
        parts, pipe = [], self.process.stdout
        while count:
            self._wait(pipe, selectors.EVENT_READ, deadline)
            part = pipe.read(min(count, 1 << 20))
            if part == b"":
                raise EOFError
            parts.append(part or b"")
            count -= len(parts[-1])
        return b"".join(parts)

    @staticmethod
    def _wait(pipe, event, deadline):
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            if not selector.select(max(deadline - time.monotonic(), 0)):
                raise TimeoutError


class Child:
    """The student's names in a process of their own; use it as a context.

    functions: {name: function or class} of those asked for that the cells define.
    problems: [(cell, line, text)] of what went wrong while they were loaded.
    """

    def __init__(self, session, whole, until):
        self.session, self.begun = session, None
        begin = {"op": "begin", "seconds": max(session.left, 1)}
        asked = session.asked
        self.begun, _, _ = session.exchange(begin, [], "The jail", START)
        self.process = session.process
        document, _ = self.ask(
            "Loading the cells", op="load", cells=session.cells, whole=list(whole), until=until,
            wanted=list(asked.functions),
        )  # fmt: skip
        try:
            self.problems = [
                (int(cell), line if isinstance(line, int) else None, str(text)[:300])
                for cell, line, text in document["problems"]
            ]
            known = [name for name in asked.functions if name in document["known"]]
        except (KeyError, TypeError, ValueError):
            raise Stopped("Loading the cells broke the connection to the judge") from None
        self.functions = {
            name: partial(self.make, name) if name in asked.classes else partial(self.call, name)
            for name in known
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.session.process is self.process:
            try:
                end = wire.frame({"op": "end", "id": ""}, [])
                self.session._write(end, time.monotonic() + 1)
                deadline = time.monotonic() + 1
                wire.read_frame(partial(self.session._read, deadline=deadline), 0)
            except (OSError, EOFError, wire.Garbled):
                self.session.kill()

    def ask(self, what, arrays=(), **document):
        """(answer, arrays) of a request. Raises Stopped, and Raised for what the student's code raised."""
        seconds = self.session.seconds_left()
        if self.session.process is not self.process:
            raise Stopped("not tried: the process that it runs in has ended")
        begun = time.monotonic()
        try:
            _, answer, found = self.session.exchange(document, arrays, what, seconds, self.begun)
        finally:  # only what is waited for is the student's time, not what the judge does in between
            self.session.left -= time.monotonic() - begun
        if "ended" in answer:
            self.session.kill()  # if the word was forged, what follows it would spoil the next part
            how = answer["ended"] if isinstance(answer["ended"], int) else None
            raise Stopped(f"{what} {ENDED.get(how, 'ended the process that it runs in')}")
        if "raised" in answer:
            raise Raised(str(answer["raised"])[:500])
        return answer, found

    def call(self, name, *arguments, **settings):
        """What the function `name` returns; dicts among the arguments are updated as it left them."""
        arrays: list[Any] = []
        answer, found = self.ask(
            f"{name}()", arrays, op="call", name=name, keep_cache=name.endswith("_forward"),
            arguments=wire.pack(arguments, arrays), settings=wire.pack(settings, arrays),
        )  # fmt: skip
        changed = self._unpacked({"list": answer.get("changed", [])}, found)
        dicts = [each for each in arguments if isinstance(each, dict)]
        if len(changed) != len(dicts) or not all(isinstance(each, dict) for each in changed):
            raise Stopped(f"{name}() broke the connection to the judge")
        for ours, theirs in zip(dicts, changed, strict=True):
            ours.clear()
            ours.update(theirs)
        return self._unpacked(answer.get("value"), found)

    def make(self, name, *arguments, **settings):
        """A network of the student's class."""
        arrays: list[Any] = []
        answer, found = self.ask(
            f"{name}()", arrays, op="make", name=name,
            arguments=wire.pack(arguments, arrays), settings=wire.pack(settings, arrays),
        )  # fmt: skip
        params, network = (self._unpacked(answer.get(each), found) for each in ("params", "value"))
        if not isinstance(params, dict) or not isinstance(network, wire.Handle):
            raise Stopped(f"{name}() broke the connection to the judge")
        return RemoteNet(self, name, network, params)

    def value(self, name):
        """A variable of the student's."""
        answer, found = self.ask(f"The value of {name}", op="value", name=name)
        return self._unpacked(answer.get("value"), found)

    def _unpacked(self, document, arrays):
        try:
            return wire.unpack(document, arrays)
        except wire.Garbled as reason:
            self.session.kill()
            raise Stopped(f"the connection to the judge broke ({reason})") from None


class RemoteNet:
    """A student's network: `params` are sent along with each call of `loss`."""

    def __init__(self, part, name, network, params):
        self._part, self._name, self._network, self.params = part, name, network, params

    def loss(self, *arguments):
        """What the network's own loss(X, y) or loss(X) returns."""
        arrays: list[Any] = []
        answer, found = self._part.ask(
            f"{self._name}.loss()", arrays, op="loss", network=wire.pack(self._network, arrays)["handle"],
            params=wire.pack(self.params, arrays), arguments=wire.pack(arguments, arrays),
        )  # fmt: skip
        return self._part._unpacked(answer.get("value"), found)
