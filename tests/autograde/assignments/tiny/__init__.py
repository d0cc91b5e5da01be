"""One layer and one question."""

from pathlib import Path

from autograde.assignment import Assignment

assignment = Assignment(
    folder=Path(__file__).parent,
    points={"affine_forward": 4, "affine_backward": 4, "question_1": 2},
)
