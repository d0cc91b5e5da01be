"""Exams: the same seed gives the same inputs, another one other sizes."""

import numpy as np
import pytest

from lab.check import Exam, Variant
from lab.check.problem import Problem


def test_a_drawn_exam_is_never_square_and_always_the_same():
    exams = [Exam.draw(seed, Variant(1e-3)) for seed in range(200)]
    assert all(exam.rows != exam.features for exam in exams)
    assert len({(exam.rows, exam.features) for exam in exams}) > 20
    assert exams == [Exam.draw(seed, Variant(1e-3)) for seed in range(200)]


def test_inputs_come_from_the_exam():
    one, same, other = (Problem("batchnorm", Exam(seed, 9, 4)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.x, same.x)
    assert one.x.shape == (9, 4)
    assert np.abs(one.x - other.x).min() > 0
    assert Problem("layernorm", Exam(variant=Variant(1e-3))).param == {"eps": 1e-3}


@pytest.mark.parametrize("sizes", [{"rows": 3}, {"features": 2}, {"seed": -1}, {"rows": 7.5}])
def test_an_exam_that_shows_nothing_is_refused(sizes):
    (name,) = sizes
    with pytest.raises(ValueError, match=f"{name} must be a whole number from"):
        Exam(**sizes)
