"""Which known mistake a wrong answer looks like.

What the student's functions gave is compared, aspect by aspect (out, running_var, dx, …), with what each
wrong implementation that the assignment knows gives on the same inputs. A mutant explains an aspect if it
gives the same in every check that looks at it, so two mistakes in different aspects are both found.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lab.check.answers import Answers, Stopped, ask, is_right
from lab.check.assignment import SHAPES, Assignment, Known
from lab.check.checks import CHECKS, applicable
from lab.check.comparison import Comparison
from lab.check.exam import Exam
from lab.check.problem import Pair

# Where a mutant can't give the same numbers, which checks fail tells it: what is rounded is noise.
BY_PATTERN = (
    *("inputs are only read", "dout is only read", "test mode only reads", "backward twice"),
    *("batch of another size", "dtype", "float32 far from zero", "float32", "other sizes"),
)
OTHERWISE_SIZED = ("one feature", "gradients with one feature", "test mode with one row")
MIXED = "right shapes only where N = D: something is combined along the wrong axis"

# What exceptions give away, with the check that met them first and the student's own line, where they came
# through one: (pattern of "check: message (in `line`)", mistake, hint). The text alone may be about anything.
CALLED = "Compare the line that begins with def with the one that was handed out."
UNDEFINED = "Look for a typing error, a cell that was not run, or an import that is missing."
WRITTEN = "Look at what is written to: a function may only change arrays that it made itself."
CACHE = "Compare what one puts into the cache with what the other takes out, in number and order."
ERRORS = (
    (r"(values? to unpack|cannot unpack) .*\(in `[^`]*= *cache(\[[^]]*\])? *(#[^`]*)?`"
     r"|index out of range \(in `(?=[^`]*\bcache\[)([^`[]|(?<=cache)\[)*`"
     r"|KeyError: (?P<key>['\"]\w+['\"]) \(in `[^`]*\bcache\[(?P=key)\]",
     "forward and backward disagree about the cache", CACHE),
    # elsewhere nothing that is handed over is protected
    (r"^(inputs are|dout is|test mode) only reads?: .*read-only", "an argument is changed in place", WRITTEN),
    (r"(positional argument|unexpected keyword)(?!.* \(in )",
     "the function takes other arguments than its text says", CALLED),
    (r"NameError: .* is not defined", "a name is used that nothing defines", UNDEFINED),
    (r"function returns nothing \(None\)", "nothing is returned", "Look at the last line of the function."),
)  # fmt: skip


Mistakes = tuple[tuple[str, ...], str]  # sentences, and a hint
Aspects = dict[str, list[str]]  # {what is compared: names of the checks that look at it}


def diagnose(answers: Answers, implementation: Pair, exam: Exam, assignment: Assignment) -> Mistakes:
    """(mistakes, hint) for the answers {name of the check: Answer} of one part."""
    forward = of_forward(implementation, exam, assignment) if implementation.backward else None
    candidates = assignment.known(implementation.layer, exam.variant, forward)
    if implementation.backward and forward is None:  # then what is wrong with the gradients isn't from there
        candidates = sorted(candidates, key=lambda one: not one.is_backward)
    found = _by_values(answers, candidates, exam) or _by_pattern(answers, candidates, exam)
    mistakes, hints = [each.sentence for each in found], [each.hint for each in found]
    if not found:
        mistakes, hints = _on_a_square(answers, implementation, exam, assignment)
    if not mistakes:
        said, hint = of_error(answers, assignment)
        mistakes, hints = list(said), [hint]
    if forward:
        mistakes = [*forward.mistakes, *(each for each in mistakes if each not in forward.mistakes)]
        hints = [f"The forward pass isn't right yet: begin there. {forward.hint}".strip(), *hints]
    if not any(hints):
        hints = [_general(answers, implementation.layer, assignment)]
    return tuple(mistakes), " ".join(dict.fromkeys(filter(None, hints)))


def of_error(answers: Answers, assignment: Assignment) -> Mistakes:
    """(mistakes, hint) from what was raised, by the check that met it first; nothing where that is mute."""
    raised: dict[str, str] = {}
    for name, answer in answers.items():
        if answer.error is not None and answer.message is not None:
            raised.setdefault(answer.message, name)
    for message, name in raised.items():
        for pattern, mistake, hint in (*assignment.errors, *ERRORS):
            if re.search(pattern, f"{name}: {message}", re.DOTALL):
                return (mistake,), hint
    return (), ""


class ForwardMistake:
    """What is wrong with the forward pass that a backward pass depends on."""

    def __init__(self, found: Sequence[Known]):
        self.found = found
        self.mistakes = tuple(each.sentence for each in found)
        self.hint = " ".join(dict.fromkeys(each.hint for each in found))


def of_forward(implementation: Pair, exam: Exam, assignment: Assignment) -> ForwardMistake | None:
    """None where the forward pass is right in training mode."""
    layer = implementation.layer
    names = ("large variance", "values", "large eps", "tiny variance")
    asked = {name: one for name, one in applicable(layer).items() if name in names}
    answers = {name: ask(one, implementation, exam) for name, one in asked.items()}
    if all(is_right(answer, CHECKS[name], implementation, exam) for name, answer in answers.items()):
        return None
    if any(isinstance(answer.error, Stopped) for answer in answers.values()):
        return ForwardMistake([])
    return ForwardMistake(_by_values(answers, assignment.known(layer, exam.variant), exam))


# --- inside -------------------------------------------------------------------------------------------


def _aspects(answers: Answers, wrong: bool = True) -> Aspects:
    """{aspect: names of the checks that look at it, those that it fails first} of the wrong aspects, or of
    the right ones."""
    looked: dict[str, dict[str, bool]] = {}
    for name, answer in answers.items():
        for seen in answer.seen if name not in BY_PATTERN else ():
            checks = looked.setdefault(seen.what, {})
            checks[name] = checks.get(name, True) and seen.message is None
    return {
        what: sorted(checks, key=lambda name: checks[name])
        for what, checks in looked.items()
        if all(checks.values()) != wrong
    }


def _by_values(answers: Answers, candidates: Sequence[Known], exam: Exam) -> list[Known]:
    """The fewest mutants that explain the wrong aspects, and disturb the fewest of those that are right."""
    aspects = _aspects(answers)
    explained = {one: _explained(one, answers, aspects, exam) for one in candidates}
    found: list = []
    left = set(aspects)
    while left:
        most = max((len(alike & left) for alike in explained.values()), default=0)
        if most == 0:
            break
        best = [one for one, alike in explained.items() if len(alike & left) == most]
        if len(best) > 1:
            right = _aspects(answers, wrong=False)
            best.sort(key=lambda one: -len(_explained(one, answers, right, exam)))
        found.append(best[0])
        left -= explained[best[0]]
    return found


def _explained(one: Known, answers: Answers, aspects: Aspects, exam: Exam) -> set[str]:
    """The aspects in which a mutant gives the same as the student's functions in every check."""
    alive = set(aspects)
    for name in dict.fromkeys(name for checks in aspects.values() for name in checks):
        looking = {what for what in alive if name in aspects[what]}
        if not looking:
            continue
        theirs = ask(CHECKS[name], one, exam).seen
        for what in looking:
            ours = [seen for seen in answers[name].seen if seen.what == what]
            other = [seen for seen in theirs if seen.what == what]
            if len(ours) != len(other) or not all(map(_agree, ours, other)):
                alive.discard(what)
        if not alive:
            break
    return alive


def _agree(ours: Comparison, other: Comparison) -> bool:
    if (ours.message is None) != (other.message is None):
        return False  # near each other, but one of them is near enough to what is right
    if other.received is None or ours.received is None:
        return ours.received is other.received
    expected = np.asarray(other.received)
    if expected.dtype.kind not in "fiub":
        return False
    return (
        ours._replace(expected=expected.astype(ours.expected.dtype), tolerance=10 * ours.tolerance).message
        is None
    )


def _by_pattern(answers: Answers, candidates: Sequence[Known], exam: Exam) -> list[Known]:
    """A mutant that fails the same checks, where only those fail that numbers tell nothing of."""
    failing = {name for name, answer in answers.items() if answer.message is not None}
    if not failing <= set(BY_PATTERN):
        return []
    for one in candidates:
        order = sorted(answers, key=lambda name: name not in failing)
        if all((ask(CHECKS[name], one, exam).message is not None) == (name in failing) for name in order):
            return [one]
    return []


def _on_a_square(
    answers: Answers, implementation: Pair, exam: Exam, assignment: Assignment
) -> tuple[list[str], list[str]]:
    """What a crash or a wrong shape comes from, seen with as many rows as features."""
    skipped = (*BY_PATTERN, *OTHERWISE_SIZED)
    base = {name: answer for name, answer in answers.items() if name not in skipped}
    if not _of_shapes(base):
        return [], []
    size = max(exam.features, 4)  # the least that an exam has rows
    square = replace(exam, rows=size, features=size)
    again = {name: ask(CHECKS[name], implementation, square) for name in base}
    if any(isinstance(answer.error, Stopped) for answer in again.values()):
        return [], []
    found = _by_values(again, assignment.known(implementation.layer, exam.variant), square)
    if found:
        return [each.sentence for each in found], [each.hint for each in found]
    return ([], []) if _of_shapes(again) else ([MIXED], [assignment.hint({SHAPES}, implementation.layer)])


def _of_shapes(answers: Answers) -> bool:
    """Whether shapes are complained of, not only met in a line that failed."""
    messages = (answer.message or "" for answer in answers.values())
    said = " ".join(message.partition(" (in `")[0] for message in messages)
    return re.search("broadcast|shape(?!')|aligned|core dim", said) is not None


def _general(answers: Answers, layer: str, assignment: Assignment) -> str:
    """A hint where no known mistake fits."""
    return assignment.hint({SHAPES} if _of_shapes(answers) else set(_aspects(answers)), layer)
