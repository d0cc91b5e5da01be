"""Batch norm and layer norm, a network on top, the figures of two experiments, two choices."""

from lab.check.assignment import Assignment
from lab.check.assignments.normalization.figures import FIGURES
from lab.check.assignments.normalization.hints import ERRORS, hint
from lab.check.assignments.normalization.parts import PARTS
from lab.check.assignments.normalization.zoo import MUTANTS, known

assignment = Assignment(
    parts=PARTS,
    figures=FIGURES,
    choices={"question_3": 4, "question_4": 4},
    known=known,
    mutants=MUTANTS,
    errors=ERRORS,
    hint=hint,
)
