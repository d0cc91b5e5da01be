"""Checks of a layer's implementation, what they weigh in the homework, and what a wrong one looks like.

PARTS and MUTANTS are the first assignment's, as notebooks import them; others are found by name
(`lab.check.assignments`).
"""

from lab.check.answers import Stopped, run_checks
from lab.check.assignments.normalization.parts import PARTS
from lab.check.assignments.normalization.zoo import MUTANTS, Mutant
from lab.check.checks import CHECKS, applicable
from lab.check.exam import Exam
from lab.check.parts import Result, Verdict, examine
from lab.check.problem import Implementation
from lab.check.variant import Variant
from lab.check.visible import CheckFailed, check
from lab.nn import plain as course  # its name of old

__all__ = [
    "CHECKS",
    "MUTANTS",
    "PARTS",
    "CheckFailed",
    "Exam",
    "Implementation",
    "Mutant",
    "Result",
    "Stopped",
    "Variant",
    "Verdict",
    "applicable",
    "check",
    "course",
    "examine",
    "run_checks",
]
