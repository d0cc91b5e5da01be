"""Asking the checks: what an implementation answers, and which answers count as right."""

import linecache
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lab.check.checks import CHECKS, Check, applicable
from lab.check.comparison import Comparison
from lab.check.exam import Exam
from lab.check.problem import Pair

LAB = str(Path(__file__).parents[2])
CONSTANT_TOLERANCE = 3e-7  # what a constant in float32 does, such as a momentum of 0.9 that leaves 0.1
ROUNDING = 8e-8  # a little more than one rounding to float32
NUDGE = 1e-6  # inputs that move so little round otherwise in float32, and change nothing else


class Stopped(Exception):
    """The process that a function lives in is gone or out of time; nothing more can be asked."""


class Answer(NamedTuple):
    """What came of a check: a sentence, or None if it passed, and what was seen on the way.

    is_rounded: whether all that it complains of is right to the digits of float32.
    """

    message: str | None
    remarks: tuple[str, ...] = ()
    seen: tuple[Comparison, ...] = ()
    error: Exception | None = None
    is_rounded: bool = False


Answers = Mapping[str, Answer]  # by the name of the check


def run_checks(implementation: Pair, exam: Exam | None = None) -> dict[str, str | None]:
    """{name of the check: None or a sentence} for all checks of the implementation's layer.

    Raises ValueError for a layer that there are no checks for.
    """
    layers = sorted({layer for one in CHECKS.values() for layer in one.layers})
    if implementation.layer not in layers:
        raise ValueError(f"layer must be one of {', '.join(layers)}, not {implementation.layer!r}")
    return {
        name: ask(one, implementation, exam or Exam()).message
        for name, one in applicable(implementation.layer).items()
    }


def ask(one: Check, implementation: Any, exam: Exam) -> Answer:
    """The `Answer` of one check; an exception of the implementation is an answer too."""
    sentences: list[str] = []
    remarks: list[str] = []
    seen: list[Comparison] = []
    error, rounded = None, 0
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            for found in one.run(implementation, exam):
                if isinstance(found, str):
                    sentences.append(found)
                    continue
                message = found.message  # raises for what no array can be made of
                seen.append(found)
                if message is not None:
                    sentences.append(message)
                    rounded += found.is_near
                else:
                    remarks += found.remarks
    except Exception as raised:
        error = raised
        sentences.append(in_words(raised))
    message, is_rounded = next(iter(sentences), None), 0 < len(sentences) == rounded
    return Answer(message, tuple(dict.fromkeys(remarks)), tuple(seen), error, is_rounded)


def is_right(answer: Answer, one: Check, implementation: Any, exam: Exam) -> bool:
    """Whether a check passed, or complains of nothing but that numbers were float32 on the way.

    What float32 leaves is noise: it jumps where the inputs hardly move. The error of a formula moves along.
    """
    if answer.message is None or not answer.is_rounded:
        return answer.message is None
    moved = ask(one, implementation, replace(exam, nudge=NUDGE)).seen
    with np.errstate(all="ignore"):
        return len(moved) == len(answer.seen) and all(map(_is_noise, answer.seen, moved))


def _is_noise(seen: Comparison, moved: Comparison) -> bool:
    # what hardly depends on the inputs rounds the same: a default, or the x_hat of two rows
    constant = seen._replace(tolerance=ROUNDING if seen.upstream else CONSTANT_TOLERANCE)
    if seen.message is None or constant.message is None:
        return True
    return moved.is_near and np.abs(seen.difference - moved.difference).max() > 1e-3 * seen.error.max()


def is_unwritten(error: Exception) -> bool:
    """Whether an exception says that a function is still the stub that was handed out."""
    return isinstance(error, NotImplementedError) or str(error).startswith("NotImplementedError")


def in_words(error: Exception) -> str:
    """An exception as a sentence; those that carry whole sentences keep them."""
    if is_unwritten(error):
        return "not written yet"
    if type(error).__module__ == "builtins" and type(error) is not Exception:
        return f"{type(error).__name__}: {error}{_place(error)}"
    return str(error) or type(error).__name__


def _place(error: Exception) -> str:
    """The last line outside of the lab and of packages that an exception came through, in brackets."""
    place = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(LAB) and "site-packages" not in file:
            line = linecache.getline(file, number).strip()
            place = f" (in `{line[:120]}`)" if line else f" (in line {number} of {frame.f_code.co_name})"
    return place
