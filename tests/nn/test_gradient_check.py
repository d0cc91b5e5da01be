"""Numerical gradients, and what the explained gradient check says about right and wrong ones."""

import numpy as np
import pytest
from hypothesis import given

from lab.nn import (
    FullyConnectedNet,
    check_gradients,
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    explain_gradient,
    rel_error,
)
from tests.strategies import rngs


@given(rngs)
def test_numerical_gradients_of_known_functions(rng):
    """Of a number, sum(x**3), and of an array times an upstream gradient, A x."""
    x, a, df = rng.normal(size=(3, 2)), rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    np.testing.assert_allclose(
        eval_numerical_gradient(lambda v: np.sum(v**3), x, verbose=False), 3 * x**2, atol=1e-8
    )
    np.testing.assert_allclose(eval_numerical_gradient_array(lambda v: a @ v, x, df), a.T @ df, atol=1e-8)


def test_x_is_changed_in_place_and_restored_bit_for_bit():
    """So a view into a network's parameters can be checked, also by a function that ignores its argument."""
    buffer = np.random.default_rng(0).normal(size=10)
    view, before = buffer[2:5], buffer.copy()
    gradient = eval_numerical_gradient(lambda _: np.sum(buffer**2), view, verbose=False)
    np.testing.assert_allclose(gradient, 2 * before[2:5], atol=1e-8)
    np.testing.assert_array_equal(buffer, before)


def test_a_function_that_returns_the_same_array_again_is_no_problem():
    """The first of the two values is copied."""
    out = np.zeros(2)

    def reuse(x):
        out[:] = 3 * x
        return out

    np.testing.assert_allclose(eval_numerical_gradient_array(reuse, np.ones(2), np.array([1.0, 10])), [3, 30])


@pytest.mark.parametrize("at_call", range(1, 12))
def test_an_exception_of_the_function_goes_through_and_x_is_restored(at_call):
    x = np.random.default_rng(0).normal(size=3)
    before, calls = x.copy(), iter(range(1, 100))

    def f(value):
        if next(calls) == at_call:
            raise ZeroDivisionError
        return np.sum(value**2)

    with pytest.raises(ZeroDivisionError):
        explain_gradient(f, x, 2 * x)
    np.testing.assert_array_equal(x, before)


def test_each_entry_is_printed_if_wanted(capsys):
    eval_numerical_gradient(lambda v: float(v[0, 0] * v[0, 1]), np.array([[2.0, 3.0]]))
    assert [line[:6] for line in capsys.readouterr().out.splitlines()] == ["(0, 0)", "(0, 1)"]


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [([1, 2], [1, 2], 0), ([1.0], [3.0], 0.5), ([0.0], [1e-10], 1e-2), ([[1, -1]], [[1, 1]], 1)],
)
def test_rel_error(x, y, expected):
    assert rel_error(np.array(x), np.array(y)) == pytest.approx(expected)


# --- the explained check ------------------------------------------------------------------------------

X = np.random.default_rng(3).normal(size=(4, 5))


def f(x):
    return float(np.sum(np.sin(x) * np.arange(1, 6)))


RIGHT = np.cos(X) * np.arange(1, 6)


def test_a_right_gradient_passes_with_the_slope_of_truncation():
    check = explain_gradient(f, X.copy(), RIGHT, "w")
    assert check.passed
    assert 1.8 < check.slope < 2.2
    assert str(check).startswith("w (4, 5) agrees: worst at w[")
    assert "with slope 2.0" in str(check)
    assert (check.error[-3:] <= 100 * check.floor[-3:]).all()


def test_a_linear_function_has_no_error_but_rounding():
    x = X.copy()
    check = explain_gradient(lambda v: float(np.sum(3 * v)), x, np.full_like(x, 3))
    assert check.passed
    assert check.slope is None
    assert "rounding floor for every h" in str(check)


def test_a_wrong_gradient_is_named_with_its_worst_entry():
    wrong = RIGHT.copy()
    wrong[2, 3] += 0.5
    wrong[1, 1] += 0.001
    check = explain_gradient(f, X.copy(), wrong, "w")
    assert not check.passed
    assert check.worst == (2, 3)
    assert check.received == pytest.approx(wrong[2, 3])
    assert check.expected == pytest.approx(RIGHT[2, 3], rel=1e-6)
    assert check.slope < 1
    numbers = f"received {wrong[2, 3]:.6g}, expected {check.expected:.6g}, 5.0e-01 apart"
    assert str(check).startswith(f"w (4, 5) is wrong: worst at w[2, 3]: {numbers}")
    assert "the gradient is wrong, or a kink" in str(check).replace("\n", " ")


@pytest.mark.parametrize("factor", [0.0, 2.0, -1.0, 1 + 1e-4])
def test_zeros_multiples_and_small_errors_do_not_pass(factor):
    assert not explain_gradient(f, X.copy(), factor * RIGHT).passed


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_does_not_pass(value):
    wrong = RIGHT.copy()
    wrong[0, 2] = value
    check = explain_gradient(f, X.copy(), wrong)
    assert not check.passed
    assert check.worst == (0, 2)
    assert "is wrong" in str(check)
    assert "rounding floor" not in str(check)


def test_a_small_mistake_in_a_small_gradient_is_found():
    """Smaller steps, which step over kinks, must not excuse it with their rounding."""
    x = np.ones(2)
    assert explain_gradient(lambda v: 2.3 + 1e-7 * float(v.sum()), x, np.full(2, 1e-7)).passed
    for wrong in (0.0, 6e-8):
        assert not explain_gradient(lambda v: 2.3 + 1e-7 * float(v.sum()), x, np.full(2, wrong)).passed


def test_a_true_gradient_of_zero_is_no_matter_of_relative_error():
    """Batch norm takes what a bias adds: 2.2e-11 is one ulp of the loss over 2 h, not a mistake."""
    x = np.zeros(3)
    assert explain_gradient(lambda v: 2.3 + 0 * float(v.sum()), x, np.full(3, 1e-17)).passed
    assert not explain_gradient(lambda v: 2.3 + 0 * float(v.sum()), x, np.full(3, 1e-6)).passed


def test_of_a_large_array_a_sample_of_entries_and_one_direction_are_looked_at():
    """An error in all entries is found, and in one; the number of calls doesn't grow with the array."""
    x, calls = np.random.default_rng(0).normal(size=(60, 70)), []

    def counted(v):
        calls.append(1)
        return float(np.sum(v**2))

    assert explain_gradient(counted, x, 2 * x).passed
    assert len(calls) < 1800
    assert not explain_gradient(counted, x, 2.001 * x).passed
    for entry in [(0, 0), (30, 30), (59, 69)]:
        wrong = 2 * x
        wrong[entry] += 1
        assert not explain_gradient(counted, x, wrong).passed


@pytest.mark.parametrize(
    ("x", "received", "message"),
    [
        (np.ones(3, np.float32), np.ones(3), "needs float64, w is float32"),
        (np.ones(3), np.ones((1, 3)), r"the gradient of w has shape \(1, 3\); w has \(3,\)"),
    ],
)
def test_what_cannot_be_checked_is_refused(x, received, message):
    with pytest.raises(ValueError, match=message):
        explain_gradient(lambda v: 1.0, x, received, "w")


# --- of a network -------------------------------------------------------------------------------------


def network(**settings):
    defaults = {"hidden_dims": [6, 5], "input_dim": 7, "num_classes": 3, "seed": 1, "weight_scale": 0.5}
    net = FullyConnectedNet(**defaults | {"dtype": np.float64, "activation": "tanh"} | settings)
    rng = np.random.default_rng(2)
    for name, view in net.params.items():
        if name[0] in "bg":
            view += 0.3 * rng.normal(size=view.shape)
    return net, rng.normal(size=(5, 7)), rng.integers(3, size=5)


def test_running_statistics_and_random_streams_are_frozen():
    """The check calls the loss hundreds of times; the network is afterwards what it was before."""
    net, X, y = network(normalization="batchnorm", dropout_keep_ratio=0.7, noise=True, seed=None)
    net.loss(X, y)
    before = net.state()
    checks = check_gradients(net, X, y)
    assert all(check.passed for check in checks.values()), "\n".join(map(str, checks.values()))
    after = net.state()
    np.testing.assert_array_equal(before["params"], after["params"])
    np.testing.assert_equal(before["layers"], after["layers"])
    np.testing.assert_equal(before["streams"], after["streams"])


def test_names_choose_what_is_checked():
    net, X, y = network()
    assert list(check_gradients(net, X, y, names=["b2", "W1"])) == ["b2", "W1"]


def test_a_population_is_refused():
    net, X, y = network(weight_scale=[0.1, 0.2])
    with pytest.raises(ValueError, match="a single network, not a population"):
        check_gradients(net, X, y)


def test_float32_is_refused():
    net, X, y = network(dtype=np.float32)
    with pytest.raises(ValueError, match="needs float64, W1 is float32"):
        check_gradients(net, X, y)
