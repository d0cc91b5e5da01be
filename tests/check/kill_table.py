"""The kill table, which check catches which wrong implementation: `python -m tests.check.kill_table`."""

import numpy as np

from lab.check import MUTANTS, run_checks
from lab.check.checks import applicable
from tests.check.weak import WEAK_CHECKS

INTRODUCTION = """\
# The kill table

Which check of `lab.check.checks` (columns) catches which wrong implementation of `lab.check.MUTANTS` (rows, ×
is caught). Written by `python -m tests.check.kill_table >
tests/check/KILLTABLE.md`; a test compares.

Why upstream gradients are random, gamma isn't 1, eps is large as well as small, the reference is the
lab's forward pass and not one's own, and tolerances are narrow: of the mutants that a check catches, those
that a weaker form of it, often seen, lets pass are
"""


def main():
    """The table as Markdown."""
    answers = {mutant: run_checks(mutant) for mutant in MUTANTS}
    print(INTRODUCTION)
    for weak, strong in WEAK_CHECKS.items():
        batchnorms = [mutant for mutant in MUTANTS if mutant.layer == "batchnorm"]
        caught = [mutant for mutant in batchnorms if answers[mutant][strong]]
        missed = [mutant.name for mutant in caught if is_content(weak, mutant)]
        print(f"- **{weak.__name__.replace('_', ' ')}**: {weak.__doc__}")
        print(f"  In place of *{strong}*: {len(missed)} of {len(caught)} batch norms, {'; '.join(missed)}.")
    for layer in dict.fromkeys(mutant.layer for mutant in MUTANTS):
        checks = applicable(layer)
        print(f"\n## {layer}\n")
        for number, (name, check) in enumerate(checks.items(), start=1):
            print(f"{number}. **{name}**: {check.run.__doc__}")
        print(f"\n| mutant | {' | '.join(map(str, range(1, len(checks) + 1)))} |")
        print(f"|---|{'---|' * len(checks)}")
        for mutant, answer in answers.items():
            if mutant.layer == layer:
                marks = " | ".join("×" if answer[name] else " " for name in checks)
                print(f"| **{mutant.name}**: {mutant.sentence} | {marks} |")


def is_content(weak, mutant):
    """Whether a weak check lets a mutant pass; a crash is noticed by any check."""
    try:
        with np.errstate(all="ignore"):
            return weak(mutant)
    except Exception:
        return False


if __name__ == "__main__":
    main()
