"""The staged check: the first local variable that isn't the graph's."""

import sys

import numpy as np
import pytest

from lab.check import Exam, Variant
from lab.check.assignments.normalization.staged import first_wrong_step
from lab.check.assignments.normalization.zoo import zoo
from lab.nn import plain


def step(name, layer="batchnorm"):
    (wrong,) = (one for one in zoo(layer, Variant()) if one.name == name)
    return first_wrong_step(layer, wrong.forward, wrong.backward, Exam())


@pytest.mark.parametrize(
    ("layer", "name", "variable"),
    [
        ("batchnorm", "dx: power of the std", "dvar"),
        ("batchnorm", "dx: eps missing in one factor", "dvar"),
        ("batchnorm", "dx: gamma forgotten", "dx_hat"),
        ("batchnorm", "dx: gamma missing in the mean path", "dmean"),
        ("batchnorm", "dx: no mean path", None),  # dmean is right, but left out: no step is wrong
        ("batchnorm", "dgamma: a mean", "dgamma"),
        ("batchnorm", "dx: too large", "dx"),
        ("batchnorm", "eps outside the root", "x_hat"),
        ("layernorm", "dx: sums over the batch", "dvar"),
        ("layernorm", "dx: gamma missing in the variance path", "dvar"),
    ],
)
def test_the_first_wrong_step_is_named(layer, name, variable):
    said = step(name, layer)
    if variable is None:
        assert said is None
    else:
        assert said.startswith(f"the first step that differs from the graph is {variable}: {variable}")


@pytest.mark.parametrize("layer", ["batchnorm", "layernorm"])
def test_a_right_function_has_no_wrong_step(layer):
    forward, backward = (getattr(plain, f"{layer}_{way}") for way in ("forward", "backward"))
    assert first_wrong_step(layer, forward, backward, Exam()) is None
    assert first_wrong_step(layer, forward, backward, Exam.draw(4)) is None


def other_names(dout, cache):
    """Other names, signs and shapes of the same graph, all right but for divar."""
    x_hat, xmu, sqrtvar, gamma = cache
    ivar = 1 / sqrtvar
    N = len(dout)
    dxhat = gamma * dout
    divar = np.sum(dxhat * xmu, axis=0) * 1.01
    dsqrtvar = -1 / sqrtvar**2 * divar
    dvar = 0.5 * ivar * dsqrtvar
    dxmu1 = dxhat * ivar
    dxmu2 = 2 * xmu * dvar / N
    dmu = np.sum(dxmu1 + dxmu2, axis=0)
    mean = None
    std = "a text"
    return dxmu1 + dxmu2 - dmu / N, np.sum(dout * x_hat, axis=0), (mean, std)


def test_other_names_are_known_too():
    said = first_wrong_step("batchnorm", plain.batchnorm_forward, other_names, Exam())
    assert said.startswith("the first step that differs from the graph is divar: divar[0, ")


def test_a_sign_may_be_kept_for_later():
    """dmu is the sum here, and is subtracted at the end."""

    def flipped(dout, cache):
        _, _, std, gamma = cache
        dmu = np.sum(dout * gamma / std, axis=0)
        return dmu

    assert first_wrong_step("batchnorm", plain.batchnorm_forward, flipped, Exam()) is None


def test_what_crashes_or_is_not_python_has_no_steps():
    def crash(dout, cache):
        raise ValueError

    assert first_wrong_step("batchnorm", plain.batchnorm_forward, crash, Exam()) is None
    assert first_wrong_step("batchnorm", plain.batchnorm_forward, max, Exam()) is None
    assert sys.getprofile() is None
