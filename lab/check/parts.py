"""What comes of a part of the homework: which of its checks pass, what they weigh, and what is wrong.

Each function is judged by itself. A backward pass gets the cache of the student's own forward pass and is
compared with the reference's gradients; where the forward pass is wrong but does normalize, gradients that
fit it are worth half.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from lab.check.answers import Answer, Answers, Stopped, ask, in_words, is_right, is_unwritten
from lab.check.assignment import Part, Row
from lab.check.assignments import UNNAMED, find
from lab.check.checks import Check, Found
from lab.check.comparison import TOLERANCE, Comparison
from lab.check.diagnosis import diagnose, of_error, of_forward
from lab.check.exam import Exam
from lab.check.problem import Implementation, Malformed, Pair, Problem
from lab.nn.validation import require_choice

SUMS = "parameter gradients"  # the check that sums over the rows are paid by
NOT_TRIED = "not tried"
GATED = "counts only when the values are right"
ROUNDED = "the input is float64, but the numbers were float32 on the way; the tolerance is wider"
WIDTH = 88  # characters of a line of a report, which a feedback page holds
MOST_MESSAGES = 3  # that a report spells out
OWN_TOLERANCE = 1e-5  # central differences of a function that may have eps anywhere


class Result(NamedTuple):
    """What came of one check. message: what is wrong, or empty. remark: what was let pass, or empty."""

    name: str
    passed: bool
    weight: float
    message: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Verdict:
    """What came of a part. mistakes: those that were recognized, as sentences. hint: where to look.

    assignment: the name of the one that it is a part of.
    """

    part: str
    results: tuple[Result, ...]
    mistakes: tuple[str, ...] = ()
    hint: str = ""
    assignment: str = UNNAMED

    @property
    def share(self) -> float:
        """The fraction of the part's points, 0 to 1."""
        total = sum(result.weight for result in self.results)
        gained = sum(result.weight for result in self.results if result.passed)
        return min(max(gained / total, 0.0), 1.0)

    @property
    def passed(self) -> bool:
        """Whether everything is right."""
        return all(result.passed for result in self.results)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain values, with its share."""
        results = [result._asdict() for result in self.results]
        return asdict(self) | {"results": results, "mistakes": list(self.mistakes), "share": self.share}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Verdict":
        """The verdict of such a dict."""
        results = tuple(Result(**result) for result in record["results"])
        name = record.get("assignment", UNNAMED)
        return cls(record["part"], results, tuple(record["mistakes"]), record["hint"], name)

    def __str__(self) -> str:
        lines = [f"{self.part}: " + ("all right" if self.passed else f"{self.share:.0%} of the points")]
        said: dict[str, list[str]] = {}
        for result in self.results:
            if not result.passed:
                said.setdefault(result.message, []).append(result.name)
        gated = said.pop(GATED, [])
        lines += [f"  this looks like: {mistake}" for mistake in self.mistakes]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        messages = list(said)
        for message in messages[:MOST_MESSAGES]:
            first, *others = said[message]
            if len(said[message]) == len(self.results):
                lines.append(f"  everything: {message}")
            else:
                lines += [f"  wrong: {first}: {message}", *self._about(first)]
                lines += [f"    the same: {'; '.join(others)}"] if others else []
        if further := [name for message in messages[MOST_MESSAGES:] for name in said[message]]:
            lines.append(f"  also wrong: {'; '.join(further)}")
        lines += [f"  {GATED}: {'; '.join(gated)}"] if gated else []
        if said and (right := [result.name for result in self.results if result.passed]):
            lines.append(f"  right: {'; '.join(right)}")
        remarks = dict.fromkeys(result.remark for result in self.results if result.remark)
        lines += [f"  remark: {remark}" for remark in remarks]
        return "\n".join(wrapped(line) for line in lines)

    def _about(self, name: str) -> Iterator[str]:
        """A line on what a check looks at."""
        checks, check = find(self.assignment).parts[self.part].checks, name.partition(":")[0]
        if check in checks:
            yield f"    checked: {checks[check].run.__doc__}"


def examine(
    part: str, functions: Mapping[str, Any], exam: Exam | None = None, assignment: str = UNNAMED
) -> Verdict:
    """The `Verdict` on one part.

    functions: {name: function} of those that the part names; they may live in another process, and some may
    be missing. exam: where the inputs come from; the default is the one that students see. assignment: the
    name of the one that it is a part of. Raises ValueError for an unknown part or assignment.
    """
    homework = find(assignment)
    require_choice("part", part, tuple(homework.parts))
    asked = homework.parts[part]
    rows, checks = asked.rows, asked.checks
    exam = exam or Exam()
    implementation = _implementation(asked, functions)
    answers: dict[str, Answer] = {}
    # Asked first: a forward pass that goes wrong once it has been judged gets no credit for that.
    is_astray = len(asked.functions) == 2 and of_forward(implementation, exam, homework) is not None
    stopped = None
    for name in dict.fromkeys(row.check for row in rows):
        if stopped is not None:
            answers[name] = Answer(NOT_TRIED, error=stopped)
            continue
        answers[name] = ask(checks[name], implementation, exam)
        cause = answers[name].error
        stopped = cause if isinstance(cause, Stopped) else None
    failed = {name: answer for name, answer in answers.items() if answer.message is not None}
    if all(answer.is_rounded for answer in failed.values()) and all(
        is_right(answer, checks[name], implementation, exam) for name, answer in failed.items()
    ):
        answers |= dict.fromkeys(failed, Answer(None, (ROUNDED,)))
    results = tuple(_result(row, rows, answers) for row in rows)
    verdict = Verdict(part, results, assignment=assignment)
    if verdict.passed or stopped is not None:
        return verdict
    if asked.diagnose is not None:
        mistakes, hint = asked.diagnose(answers, functions, exam)
        if not mistakes:
            mistakes, hint = of_error(answers, homework)
    else:
        with np.errstate(all="ignore"):
            results = _best(verdict, implementation, exam) if is_astray else results
            mistakes, hint = diagnose(answers, implementation, exam, homework)
    return Verdict(part, results, mistakes, hint, assignment)


# --- inside -------------------------------------------------------------------------------------------


def wrapped(line: str) -> str:
    """A line in lines that fit where nothing wraps them, such as a dialog; the further ones are indented."""
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, WIDTH, subsequent_indent=f"{indent}    ", break_long_words=False, break_on_hyphens=False
    )


def _implementation(asked: Part, functions: Mapping[str, Any]) -> Any:
    """The functions of a part, each of which says its name when it fails."""
    found = [_naming(name, functions.get(name)) for name in asked.functions]
    if asked.is_class:
        return found[0]
    return (
        Implementation(asked.layer, *found)
        if len(found) == 2
        else Implementation(asked.layer, found[0], None)
    )


def _naming(name: str, function: Any) -> Callable:
    if function is None:
        return _absent(f"{name} isn't there")
    if not callable(function):
        return _absent(f"{name} is not a function but {type(function).__name__}")

    def named(*arguments: Any, **settings: Any) -> Any:
        try:
            return function(*arguments, **settings)
        except (Stopped, Malformed):
            raise
        except Exception as error:
            if is_unwritten(error):
                raise Malformed(f"{name} is not written yet") from error
            raise Malformed(f"{name} raises {in_words(error)}") from error

    return named


def _absent(sentence: str) -> Callable:
    def call(*_: Any, **__: Any) -> Any:
        raise Malformed(sentence)

    return call


def _result(row: Row, rows: Sequence[Row], answers: Answers) -> Result:
    message, remarks = _said(row, answers)
    gates = [next(each for each in rows if each.check == check) for check in row.gate]
    if message is None and gates and all(_said(gate, answers)[0] is not None for gate in gates):
        message = GATED
    return Result(row.name, message is None, row.weight, message or "", "" if message else "; ".join(remarks))


def _said(row: Row, answers: Answers) -> tuple[str | None, tuple[str, ...]]:
    """(message, remarks) of what counts in this row: no sum that is wrong in its own."""
    answer = answers[row.check]
    sums = answers[SUMS].seen if SUMS in answers and row.check != SUMS else ()
    paid = {seen.what for seen in sums if seen.message is not None}
    if answer.error is not None or not (row.what or paid):
        return answer.message, answer.remarks
    what = {*(row.what or [seen.what for seen in answer.seen])} - paid
    counts = [seen for seen in answer.seen if seen.what in what]
    messages = [seen.message for seen in counts if seen.message is not None]
    return next(iter(messages), None), tuple(remark for seen in counts for remark in seen.remarks)


def _best(verdict: Verdict, implementation: Pair, exam: Exam) -> tuple[Result, ...]:
    """The results, or those against the student's own forward pass where they are worth more."""
    total = sum(result.weight for result in verdict.results)
    own = ask(Check((), _own_gradients), implementation, exam)
    wrong = {seen.what for seen in own.seen if seen.message is not None}
    if own.error is not None or not own.seen or "dx" in wrong:
        return verdict.results  # sums over the rows alone say nothing about a wrong forward pass
    first = next(result for result in verdict.results if not result.passed)
    results = (
        Result("the gradients of the normalization itself", False, total / 2, first.message),
        *(
            Result(
                f"{seen.what} of your own forward pass", seen.message is None, total / 6, seen.message or "",
                "your forward pass is wrong, but this gradient fits it: it counts half",
            )
            for seen in own.seen
        ),
    )  # fmt: skip
    better = Verdict(verdict.part, results)
    return results if better.share > verdict.share else verdict.results


def _own_gradients(implementation: Pair, exam: Exam) -> Found:
    """The gradients against central differences of the student's forward pass, where that normalizes."""
    if not really_normalizes(implementation, exam):
        yield "the forward pass doesn't normalize"
        return
    problem = Problem(implementation.layer, exam, eps=1e-8)  # a mistake about eps is the forward pass's
    received = problem.gradients(implementation)
    # a forward pass that writes to x would spoil the differences
    own = Problem(implementation.layer, exam, eps=1e-8)
    settings = dict(own.param)

    def output() -> np.ndarray:
        inputs = [array.copy() for array in own.inputs]
        return np.array(implementation.forward(*inputs, dict(settings))[0])

    expected = own.numerical_gradients(output)
    if np.abs(expected[0]).max() < 0.1 * np.abs(problem.right_gradients()[0]).max():
        yield "the forward pass hardly depends on x"
        return
    upstream = float(np.abs(own.dout).max())
    for name, one, other in zip(own.names, received, expected, strict=True):
        yield Comparison(f"d{name}", one, other, upstream, max(TOLERANCE, OWN_TOLERANCE))


def really_normalizes(implementation: Pair, exam: Exam) -> bool:
    """Whether the output with gamma 1 and beta 0 has mean 0 within 1e-3 and variance 1 within 10 %."""
    problem = Problem(implementation.layer, exam)
    problem.parameters = [np.ones(exam.features), np.zeros(exam.features)]
    try:
        x_hat = problem.output(implementation).astype(np.float64)
    except (Malformed, TypeError, ValueError):
        return False
    return (
        x_hat.shape == problem.x.shape
        and bool((np.abs(x_hat.mean(problem.axis)) < 1e-3).all())
        and bool((np.abs(x_hat.var(problem.axis) - 1) < 0.1).all())
    )
