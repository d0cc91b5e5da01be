"""Checks of a layer's implementation, and a zoo of wrong ones that shows what each check is worth."""

from lab.check.checks import CHECKS, Implementation, applicable, run_checks
from lab.check.zoo import MUTANTS, Mutant

__all__ = ["CHECKS", "MUTANTS", "Implementation", "Mutant", "applicable", "run_checks"]
