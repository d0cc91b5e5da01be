"""Numbers as lessons show them."""

import pytest

from lab.live.lessons.lesson import number


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (1.23456, ".3f", "1.235"),
        (-1.23456, ".3f", "−1.235"),
        (0.5, "+.3f", "+0.500"),
        (-0.5, "+.3f", "−0.500"),
        (0.0001, "+.3f", "0.000"),
        (-0.0001, ".3f", "0.000"),
        (-0.0, ".1e", "0.0e+00"),
        (-0.00012, ".1e", "−1.2e−04"),
        (-250.0, "g", "−250"),
        (0.0, "g", "0"),
    ],
)
def test_number(value, form, shown):
    assert number(value, form) == shown
