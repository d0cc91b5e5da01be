"""The check that stands in a notebook: it says in words whether a part is right, or what is wrong with it."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np

from lab.check.assignment import Figure, Part
from lab.check.assignments import UNNAMED, find
from lab.check.exam import Exam
from lab.check.leftovers import IS_NOT_THERE, absent, as_graded
from lab.check.parts import examine, wrapped
from lab.check.variant import Variant


class CheckFailed(Exception):
    """A part isn't right; the text is the whole report, and all that a notebook shows."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def check(
    part: str,
    value: Any,
    variant: Variant | Mapping | None = None,
    there: Collection[str] | None = None,
    assignment: str = UNNAMED,
    **functions: Callable,
) -> None:
    """Print whether a part of the homework is right.

    part: a name of a part, of a choice or of figures of the assignment. value: the function, the class
    or the answer. variant: a `Variant` or a dict of its settings; the default is the lab's own. functions:
    what the part also needs, such as batchnorm_forward; by default they are taken from where `value` was
    written. there: names of the packages that grading has besides the standard library; what uses another
    fails. assignment: the name of the homework's folder. Raises CheckFailed, with a report in words, for what
    isn't right.
    """
    homework = find(assignment)
    known = (*homework.parts, *homework.figures, *homework.choices)
    if part not in known:
        raise CheckFailed(f"there is no part {part!r}; there are {', '.join(known)}")
    if part in homework.parts:
        if isinstance(variant, Mapping):
            variant = Variant.from_dict(variant)
        if there is not None and (package := absent(value, there)):
            raise CheckFailed(f"{part}: it is made with {package}, which {IS_NOT_THERE}")
        with nullcontext() if there is None else as_graded(_written_beside(value), there):
            print(_of_function(part, value, variant or Variant(), functions, assignment))
        return
    if part in homework.choices:
        complaint = _choice(value, homework.choices[part])
    else:
        complaint = _figures(homework.figures[part], value)
    if complaint:
        raise CheckFailed(f"{part}: {complaint}")
    print(f"{part}: recorded. Whether it is right is decided when it is graded.")


# --- inside -------------------------------------------------------------------------------------------


def _of_function(
    part: str, value: Any, variant: Variant, functions: Mapping[str, Any], assignment: str
) -> str:
    """The report on a part that is right. Raises CheckFailed with that on one that isn't."""
    homework = find(assignment)
    asked = homework.parts[part]
    subject = asked.functions[-1]
    if not callable(value):
        kind = "a class" if asked.is_class else "a function"
        raise CheckFailed(f"{part}: {subject} must be {kind}, not {type(value).__name__}")
    beside = {name: one for name, one in _written_beside(value).items() if name in homework.functions}
    functions = {**beside, **functions, subject: value}
    exam = Exam(variant=variant)
    verdict = examine(part, functions, exam, assignment)
    if verdict.passed:
        return str(verdict)
    raise CheckFailed("\n".join([str(verdict), *_stage(asked, functions, exam)]))


def _written_beside(value: Any) -> dict[str, Any]:
    """The global names where a function or a class was written."""
    if isinstance(value, type):
        return vars(sys.modules[value.__module__]) if value.__module__ in sys.modules else {}
    return getattr(value, "__globals__", {})


def _stage(asked: Part, functions: Mapping[str, Any], exam: Exam) -> Iterator[str]:
    """A line on the first wrong intermediate, if there is one to be seen."""
    if asked.steps is None:
        return
    forward, backward = (functions.get(name) for name in asked.functions)
    if callable(forward) and callable(backward):
        try:
            sentence = asked.steps(asked.layer, forward, backward, exam)
        except Exception:  # the verdict has said what
            return
        if sentence:
            yield wrapped(f"  step by step: {sentence}")


def _choice(value: Any, options: int) -> str:
    """What is wrong with the form of a choice, if anything."""
    if value is None or value is Ellipsis:
        return "not answered yet"
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= options:
        return f"must be a whole number from 1 to {options}, not {value!r:.40}"
    return ""


def _figures(asked: Mapping[str, Figure], value: Any) -> str:
    """What is wrong with the form of a dict of figures, if anything."""
    if not isinstance(value, Mapping):
        return f"must be a dict with the keys {', '.join(asked)}, not {type(value).__name__}"
    if missing := [key for key in asked if value.get(key) is None or value[key] is Ellipsis]:
        return f"still lacks {', '.join(missing)}"
    if unknown := [str(key) for key in value if key not in asked]:
        return f"has {', '.join(unknown)}, which isn't asked for"
    wrong = [f"{key} {said}" for key, figure in asked.items() if (said := figure.complaint(value[key]))]
    return "; ".join(wrong)
