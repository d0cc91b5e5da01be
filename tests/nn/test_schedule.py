"""Learning-rate schedules against values by hand."""

from itertools import pairwise

import numpy as np
import pytest

from lab.nn.schedule import SCHEDULES


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("constant", {}, {0: 0.1, 7: 0.1, 100: 0.1}),
        ("step", {"every": 10, "factor": 0.5}, {0: 0.1, 9: 0.1, 10: 0.05, 19: 0.05, 20: 0.025}),
        ("step", {}, {999: 0.1, 1000: 0.05}),
        ("cosine", {}, {0: 0.1, 25: 0.05 * (1 + 0.5**0.5), 50: 0.05, 100: 0.0, 130: 0.0}),
        ("cosine", {"final": 0.02}, {0: 0.1, 50: 0.06, 100: 0.02}),
        (
            "cyclic",
            {"lowest": 0.02, "half_cycle": 10},
            {0: 0.02, 5: 0.06, 10: 0.1, 15: 0.06, 20: 0.02, 30: 0.1, 37: 0.044},
        ),
        ("warmup", {"rise": 5}, {0: 0.02, 1: 0.04, 3: 0.08, 4: 0.1, 5: 0.1, 100: 0.1}),
        ("warmup", {"rise": 1}, {0: 0.1, 1: 0.1}),
        ("warmup", {}, {0: 0.001, 49: 0.05, 98: 0.099, 99: 0.1, 100: 0.1}),
        ("cyclic", {}, {0: 1e-5, 250: (0.1 + 1e-5) / 2, 500: 0.1, 1000: 1e-5}),
    ],
)
def test_values_by_hand(name, settings, expected):
    rates = {t: SCHEDULES[name](0.1, t, 100, **settings) for t in expected}
    assert rates == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_shortest_training_has_a_rate():
    """No division by zero where there is nothing to train."""
    assert SCHEDULES["cosine"](0.1, 0, 0) == 0.1


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_by_member_are_those_of_each_alone(name):
    rates = np.array([[0.1], [0.003], [0.0]])
    for t in (0, 3, 40, 99):
        together = SCHEDULES[name](rates, t, 100)
        assert together.shape == rates.shape
        assert together.ravel().tolist() == [SCHEDULES[name](float(rate), t, 100) for rate in rates.ravel()]


def test_the_cyclic_schedule_is_that_of_dd2424():
    """lr 1e-5 … 1e-1 with n_s = 2250: up for n_s updates, down for n_s, twice."""
    rates = [SCHEDULES["cyclic"](1e-1, t, 9000, lowest=1e-5, half_cycle=2250) for t in range(9001)]
    assert [rates[t] for t in (0, 2250, 4500, 6750, 9000)] == pytest.approx([1e-5, 1e-1, 1e-5, 1e-1, 1e-5])
    assert all(0 < abs(b - a) < 5e-5 for a, b in pairwise(rates))
