"""Checks of a layer's implementation, what they weigh in the homework, and what a wrong one looks like."""

from lab.check.checks import CHECKS, Implementation, Stopped, applicable, run_checks
from lab.check.exam import Exam
from lab.check.parts import PARTS, Result, Verdict, examine
from lab.check.variant import Variant
from lab.check.visible import CheckFailed, check
from lab.check.zoo import MUTANTS, Mutant

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
    "examine",
    "run_checks",
]
