"""The worker in the jail: runs a student's cells and answers the judge's calls of what they define.

`python worker.py`, with frames of `autograde.jail.wire` on standard input and output. The first process loads
NumPy and waits. On "begin" it forks a child that limits itself, loads the student's cells and answers
until "end"; so every part is judged in a fresh process that starts in a millisecond. Nothing here is
trusted by the judge: this code shares its process with the student's.

Imports the standard library, NumPy, and what lies beside it in the jail: `cells`, `sandbox`, `standins`,
`wire` and `leftovers`.
"""

import __future__

import ast
import builtins
import os
import signal
import sys
import time
import types
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # an isolated Python doesn't look here

import numpy as np
import standins
import wire
from cells import bound, is_plain, names_imported, parsed
from leftovers import SILENT
from sandbox import confine, end_with_parent

MOST_LINES = 3  # of a message that a student's exception brings
BRIEFLY = 0.5  # seconds for assignments of other cells that call the student's own code
PATIENCE = 3.0  # seconds that the cells may take to load, and once more the answer's own statements


def main():
    """Answer until standard input ends."""
    end_with_parent()
    standins.install()
    read_from, write_to = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what the student prints goes nowhere
        os.dup2(nothing, stream)

    def read(count):
        parts = []
        while count:
            part = os.read(read_from, min(count, 1 << 20))
            if not part:
                os._exit(0)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def write(document, arrays=()):
        left = memoryview(wire.frame(document, arrays))
        while left:
            left = left[os.write(write_to, left) :]

    while True:
        begin, _ = wire.read_frame(read, 0)
        if not hasattr(os, "fork"):  # Windows: the judge starts a new one for each part
            return serve(read, write, begin)
        child = os.fork()
        if child == 0:
            try:
                end_with_parent()
                confine(begin["seconds"])
                serve(read, write, begin)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        write({"id": begin["id"], "ended": os.waitstatus_to_exitcode(status)})


def serve(read, write, begin):
    """Answer the calls for one part, until "end"."""
    student = Student()
    write({"id": begin["id"]})
    while True:
        request, arrays = wire.read_frame(read, 1 << 40)
        if request["op"] == "end":
            return os._exit(0)
        out: list[np.ndarray] = []
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # as in the notebook
                answer = getattr(student, request["op"])(request, arrays, out)
        except BaseException as error:  # exit() and Ctrl-C of the student's included
            answer, out = {"raised": student.described(error)}, []
        try:
            write({"id": request["id"]} | answer, out)
        except (TypeError, ValueError, RecursionError, MemoryError) as error:
            write({"id": request["id"], "raised": f"what came back can't be sent: {error}"[:300]})


class Student:
    """The names that a student's cells define, and what they returned that stays here."""

    def __init__(self):
        module = types.ModuleType("__main__")  # pickle and dataclasses look there
        self.names = module.__dict__
        self.names |= {"__builtins__": builtins, "get_ipython": SILENT, "display": SILENT}
        self.worker = sys.modules["__main__"]  # kept: without a name it would be cleared under our feet
        sys.modules["__main__"] = module
        self.kept = {}
        self.cells = []

    def load(self, request, arrays, out):
        """Run the cells in order, once: what is plain of all of them, then the rest of the `whole` ones.

        What cells behind the check (`until`) define is there, but replaces nothing: the check in the notebook
        sees no later cell's function of the same name. What failed is tried once more, with all the others
        there, since a notebook's cells may have been run in another order.
        """
        self.cells, problems, plain, rest, runs = request["cells"], [], [], [], []
        imported = set()
        for number, source in enumerate(self.cells):
            try:
                statements = parsed(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                line = getattr(error, "lineno", None)
                text = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
                problems.append([number, line, text[:300]])
                continue
            for statement in statements:
                imported |= names_imported(statement)
                names = {node.id for node in bound(statement) if isinstance(node, ast.Name)}
                if is_plain(statement, imported) or names & {*request["wanted"]}:
                    plain.append((statement, number))
                elif number in request["whole"]:
                    rest.append((statement, number))
                elif bound(statement):
                    runs.append((statement, number))
        ends = time.monotonic() + PATIENCE
        failed = self._settle(plain, request["until"], ends)
        late = [(*each, said) for *each, said in failed if said[2].startswith(Late.__name__)]
        failed = late + self._settle(
            [each[:2] for each in failed if each not in late], request["until"], ends
        )
        problems += [said for *_, said in failed]
        ends = time.monotonic() + BRIEFLY
        for statement, number in runs:  # a training run, or what makes a helper
            if not all(map(self._has, bound(statement))):
                self._run(statement, number, ends)
        ends = time.monotonic() + PATIENCE
        problems += filter(None, [self._run(*each, ends) for each in rest])
        known = [name for name in request["wanted"] if callable(self.names.get(name))]
        for name in {*request["wanted"]} - self.names.keys():
            self.names[name] = missing(name)
        return {"problems": problems[:50], "known": known}

    def _settle(self, statements, until, ends):
        """Run statements in order; those behind the cell `until` replace no name.

        Returns (statement, cell, problem) of each that failed.
        """
        own: dict = {}
        failed = []
        for statement, number in statements:
            if number > until and not own:
                own = dict(self.names)
            if said := self._run(statement, number, ends):
                failed.append((statement, number, said))
        self.names |= own
        return failed

    def _has(self, target):
        """Whether a name, or an attribute of what has a name, is there."""
        try:
            eval(ast.unparse(target), self.names)
        except BaseException:  # a property may run any code
            return False
        return True

    def _run(self, statement, number, ends):
        """Run a statement: None, or [cell, line, what went wrong]."""
        # Annotations stay texts: one that names what isn't here, such as torch.Tensor, costs nothing.
        flags, name = __future__.annotations.compiler_flag, f"<cell {number}>"
        try:
            code = compile(ast.Module([statement], []), name, "exec", flags, dont_inherit=True)
            with alarm(max(ends - time.monotonic(), 0.1)):
                exec(code, self.names)
        except BaseException as error:  # guarded: one line that fails doesn't take the others with it
            return [number, statement.lineno, self.described(error)]

    def call(self, request, arrays, out):
        """A function by name, with what it changed in the dicts that it was given."""
        arguments = wire.unpack(request["arguments"], arrays, self.kept.__getitem__)
        settings = wire.unpack(request["settings"], arrays, self.kept.__getitem__)
        result = self.names[request["name"]](*arguments, **settings)
        if request["keep_cache"] and isinstance(result, tuple | list) and len(result) == 2:
            value = {"tuple": [wire.pack(result[0], out, self.keep), self.kept_form(result[1])]}
        else:
            value = wire.pack(result, out, self.keep)
        sent = request["arguments"]["tuple"]  # a cache that stays here may be a dict, too
        changed = [
            wire.pack(each, out, self.keep)
            for each, form in zip(arguments, sent, strict=True)
            if isinstance(form, dict) and "dict" in form
        ]
        return {"value": value, "changed": changed}

    def make(self, request, arrays, out):
        """An object of a class by name, and its params."""
        arguments, settings = (wire.unpack(request[each], arrays) for each in ("arguments", "settings"))
        made = self.names[request["name"]](*arguments, **settings)
        params = {name: np.asarray(value) for name, value in made.params.items()}
        return {"value": self.kept_form(made), "params": wire.pack(params, out, self.keep)}

    def loss(self, request, arrays, out):
        """The loss of a network that was made, with these params."""
        network = self.kept[request["network"]]
        for name, value in wire.unpack(request["params"], arrays).items():
            network.params[name] = value
        result = network.loss(*wire.unpack(request["arguments"], arrays))
        return {"value": wire.pack(result, out, self.keep)}

    def value(self, request, arrays, out):
        """A variable by name."""
        if request["name"] not in self.names:
            return {"raised": f"{request['name']} has no value"}
        value = self.names[request["name"]]
        if isinstance(value, dict):  # of figures, which NumPy may have rounded
            value = {
                key: each.item() if isinstance(each, np.generic) else each for key, each in value.items()
            }
        return {"value": wire.pack(value, out, self.keep)}

    def keep(self, thing):
        self.kept[len(self.kept)] = thing
        return len(self.kept) - 1

    def kept_form(self, thing):
        return {"handle": self.keep(thing), "type": type(thing).__name__[:80]}

    def described(self, error):
        """An exception in a line or three: its text, and where in the student's cells it arose."""
        text = "\n".join(str(error).splitlines()[:MOST_LINES])[:300]
        place = ""
        trace = error.__traceback__
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if name.startswith("<cell "):
                lines = self.cells[int(name[6:-1])].split("\n")
                line = lines[trace.tb_lineno - 1].strip() if trace.tb_lineno <= len(lines) else ""
                place = f" (in `{line[:120]}`)"
            trace = trace.tb_next
        return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


def missing(name):
    """What stands for a function that isn't there, so that code which only mentions it works."""

    def call(*arguments, **settings):
        raise NameError(f"name {name!r} is not defined")

    return call


class Late(BaseException):
    """A statement took too long while the cells were loaded."""


class alarm:
    """Raises Late in what it surrounds when the seconds are over, and again where that is caught."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self.ring)
            signal.setitimer(signal.ITIMER_REAL, self.seconds, 0.5)

    def __exit__(self, *_):
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)

    def ring(self, *_):
        raise Late("it took too long, and was stopped; long runs belong in cells of their own")


if __name__ == "__main__":
    main()
