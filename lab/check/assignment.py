"""What is asked in an assignment: parts of code with their checks, figures, choices; and known mistakes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from numbers import Real
from typing import Any, NamedTuple, Protocol

from lab.check.checks import CHECKS, Check
from lab.check.problem import Pair
from lab.check.variant import Variant

SHAPES = "shapes"  # what is wrong where code fits some shapes only


class Known(Pair, Protocol):
    """A wrong implementation that is known, with the sentence that names it."""

    @property
    def sentence(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def is_backward(self) -> bool: ...


class Row(NamedTuple):
    """A check of a part.

    gate: the checks of which one has to pass for this one to count, where it is cheap. what: the things that
    count here, of those that the check compares; all if there is none.
    """

    check: str
    weight: float
    gate: tuple[str, ...] = ()
    what: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the result is called."""
        return f"{self.check}: {' and '.join(self.what)}" if self.what else self.check


class Part(NamedTuple):
    """What is asked about some functions, or about a class, by their names in the homework.

    checks: {name: check} that the rows name. diagnose: function of (answers, functions, exam) that returns
    (mistakes, hint), which a class needs; by default the answers are compared with those of known wrong
    implementations. steps: function of (layer, forward, backward, exam) that returns a sentence on the first
    wrong step, or None.
    """

    layer: str  # a layer, or "network" for a class
    functions: tuple[str, ...]  # the forward function, and the backward function if it is the subject
    rows: tuple[Row, ...]
    checks: Mapping[str, Check] = CHECKS
    diagnose: Callable | None = None
    steps: Callable | None = None

    @property
    def is_class(self) -> bool:
        """Whether a network's class is asked for, not a layer's functions."""
        return self.layer == "network"


class Figure(NamedTuple):
    """A number that is read off a run: text says what it is; it lies in least to most."""

    text: str
    least: float = 0
    most: float = 1
    whole: bool = False
    one_of: tuple[float, ...] = ()

    def complaint(self, value: Any) -> str:
        """What is wrong with the form of a stated value, "" if nothing; not whether it is right."""
        if not isinstance(value, Real) or isinstance(value, bool):
            return f"must be a number, not {value!r:.40}"
        number: Any = value
        fits = self.least <= number <= self.most and not (self.whole and number % 1)
        if fits and (not self.one_of or any(isclose(number, one) for one in self.one_of)):
            return ""
        allowed = f"{'a whole number' if self.whole else 'a number'} from {self.least:g} to {self.most:g}"
        if self.one_of:
            allowed = f"one of {', '.join(f'{one:g}' for one in self.one_of)}"
        return f"must be {allowed}, not {value!r:.40}"


def _none_known(layer: str, variant: Variant, forward: Any = None) -> Sequence[Known]:
    return []


def _no_hint(wrong: set[str], layer: str) -> str:
    return ""


@dataclass(frozen=True, eq=False)
class Assignment:
    """What the checks read of an assignment.

    parts: {name: Part} of the code. figures: {part: {key: Figure}}. choices: {question: number of options}.
    known: function of (layer, variant, what is wrong with the forward pass, or None) that returns wrong
    implementations, each with a sentence and a hint. mutants: those of the default variant.
    errors: (pattern of "check: message (in `line`)", mistake, hint) of what exceptions give away.
    hint: function of (what is wrong, layer) that says where to look if no known mistake fits.
    """

    parts: Mapping[str, Part]
    figures: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    choices: Mapping[str, int] = field(default_factory=dict)
    known: Callable[..., Sequence[Known]] = _none_known
    mutants: tuple = ()
    errors: tuple[tuple[str, str, str], ...] = ()
    hint: Callable[[set[str], str], str] = _no_hint

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of all functions and classes that are asked for."""
        return tuple(dict.fromkeys(name for part in self.parts.values() for name in part.functions))

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of them that are classes."""
        return tuple(name for part in self.parts.values() if part.is_class for name in part.functions)
