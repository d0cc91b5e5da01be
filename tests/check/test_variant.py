"""Variants are checked where they are made, and survive as plain values."""

import json
import re

import pytest

from lab.check import Variant
from lab.nn.standardize import Convention


@pytest.mark.parametrize("settings", [(), (1e-8, "batch", "unbiased"), (1e-2, "running", "unbiased")])
def test_a_variant_survives_json(settings):
    variant = Variant(*settings)
    assert Variant.from_dict(json.loads(json.dumps(variant.to_dict()))) == variant


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"eps": 0}, "eps must be a number from 1e-08 to 0.01, not 0"),
        ({"eps": 0.1}, "eps must be a number from 1e-08 to 0.01, not 0.1"),
        ({"eps": "1e-5"}, "eps must be a number from 1e-08 to 0.01, not '1e-5'"),
        ({"momentum_weighs": "both"}, "momentum_weighs must be one of running, batch, not 'both'"),
        ({"running_variance": None}, "running_variance must be one of biased, unbiased, not None"),
        ({"momentum": 0.9}, "a variant has no 'momentum'; it has: eps, momentum_weighs, running_variance"),
    ],
)
def test_what_no_variant_can_be_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Variant.from_dict(settings)


def test_the_default_of_momentum_goes_with_what_it_weighs():
    assert Variant().momentum == 0.9
    assert Variant(momentum_weighs="batch").momentum == 0.1
    assert Variant().convention == Convention()
    assert Variant(1e-3, "batch", "unbiased").convention == Convention(
        momentum=0.1, momentum_weighs="batch", running_ddof=1
    )
