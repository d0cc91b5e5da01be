"""Weight standardization: formulas, what cancels, and the scale of five layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import batchnorm_forward, weightstd_backward, weightstd_forward
from tests.nn.layers import assert_gradients
from tests.nn.test_batchnorm import close
from tests.strategies import weights

FORMULAS = {  # as published, written down without the lab
    "course": lambda w: (w - w.mean(0)) / np.sqrt(w.var(0) + 1e-5) / np.sqrt(len(w)),
    "official": lambda w: (w - w.mean(0)) / (w.std(0, ddof=1) + 1e-5),
    "scaled": lambda w: (w - w.mean(0)) / np.sqrt(np.maximum(w.var(0) * len(w), 1e-4)),
}
every_convention = pytest.mark.parametrize("convention", FORMULAS)


@every_convention
@given(weights(), st.sampled_from([1e-4, 1e-2, 1.0]))
def test_conventions_follow_their_formulas(convention, drawn, scale):
    w = scale * drawn[0]
    close(weightstd_forward(w, {"convention": convention})[0], FORMULAS[convention](w))


@given(weights(), st.floats(0.5, 2))
def test_gain_multiplies(drawn, gain):
    w, _ = drawn
    param = {"convention": "scaled", "gain": gain}
    close(weightstd_forward(w, param)[0], gain * FORMULAS["scaled"](w))


@every_convention
@given(weights(), st.sampled_from([1e-5, 0.3]))
def test_gradients_agree_with_differences(convention, drawn, eps):
    w, dw_hat = drawn
    param = {"convention": convention, "eps": eps, "gain": 1.7}
    _, cache = weightstd_forward(w, param)
    dw = weightstd_backward(dw_hat, cache)
    assert_gradients(lambda value: weightstd_forward(value, param)[0], [w], [dw], dw_hat)


@pytest.mark.parametrize("scale", [1e-5, 1.0])
def test_below_the_floor_of_scaled_standardization_the_variance_has_no_influence(scale):
    """The gradient agrees with differences on both sides of the floor."""
    rng = np.random.default_rng(0)
    w, dw_hat = scale * rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    param = {"convention": "scaled"}
    dw = weightstd_backward(dw_hat, weightstd_forward(w, param)[1])
    h = 1e-3 * scale
    direction = rng.normal(size=w.shape)
    both = [weightstd_forward(w + sign * h * direction, param)[0] for sign in (1, -1)]
    expected = np.sum(dw_hat * (both[0] - both[1])) / (2 * h)
    np.testing.assert_allclose(np.sum(dw * direction), expected, rtol=1e-4)


@every_convention
@given(weights())
def test_the_gradient_sums_to_zero_over_the_fan_in(convention, drawn):
    w, dw_hat = drawn
    dw = weightstd_backward(dw_hat, weightstd_forward(w, {"convention": convention})[1])
    np.testing.assert_allclose(dw.sum(axis=0), 0, atol=1e-9 * np.abs(dw).sum())


@given(weights(), st.floats(0.1, 10))
def test_the_scale_of_the_weights_cancels(drawn, factor):
    w, _ = drawn
    one, other = (weightstd_forward(w * f, {"eps": 1e-16})[0] for f in (1, factor))
    np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize("factor", [0.1, 30.0])
def test_batch_norm_behind_it_cancels_the_scale_of_the_standardized_weights(factor):
    """With 1/sqrt(fan_in) or without, with any gain: the same activations up to eps."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(20, 9)), rng.normal(size=(9, 4))

    def normalized(**param):
        return batchnorm_forward(
            x @ weightstd_forward(w, param)[0], np.ones(4), np.zeros(4), {"mode": "train", "eps": 1e-14}
        )[0]

    np.testing.assert_allclose(normalized(gain=factor), normalized(), atol=1e-9)
    np.testing.assert_allclose(normalized(convention="official", eps=0), normalized(eps=0), atol=1e-9)


@pytest.mark.parametrize("weight_scale", [1e-2, 1.0, 10.0])
@pytest.mark.parametrize(("convention", "lowest", "highest"), [("course", 0.5, 1), ("official", 5, 10)])
def test_alone_it_keeps_the_scale_of_activations(weight_scale, convention, lowest, highest):
    """Five layers multiply it by 0.6 each, whatever the scale of the weights: ReLU takes that much.

    Without the division by sqrt(fan_in) they multiply it by 6 each: from 6 to 6000.
    """
    rng = np.random.default_rng(0)
    out = rng.normal(size=(50, 100))
    for _ in range(5):
        w_hat, _ = weightstd_forward(weight_scale * rng.normal(size=(100, 100)), {"convention": convention})
        before, out = out.std(), np.maximum(out @ w_hat, 0)
        assert lowest < out.std() / before < highest


def test_a_unit_whose_weights_are_all_equal_gives_zero():
    w_hat, cache = weightstd_forward(np.full((5, 2), 0.3), {})
    np.testing.assert_allclose(w_hat, 0, atol=1e-12)
    assert np.isfinite(weightstd_backward(np.ones((5, 2)), cache)).all()


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="convention must be one of course, official, scaled, not 'pytorch'"):
        weightstd_forward(np.ones((3, 2)), {"convention": "pytorch"})


@every_convention
@pytest.mark.parametrize("lead", [(), (3,)], ids=["single", "population"])
def test_kernels_are_standardized_over_channels_and_window(convention, lead):
    """(F, C, HH, WW) as the matrix of its units, forward and backward."""
    w, dw_hat = np.random.default_rng(0).normal(size=(2, *lead, 5, 4, 3, 2))
    as_matrix = [array.reshape(*lead, 5, 24).swapaxes(-1, -2) for array in (w, dw_hat)]
    w_hat, cache = weightstd_forward(w, {"convention": convention})
    expected, expected_cache = weightstd_forward(as_matrix[0], {"convention": convention})
    close(w_hat, expected.swapaxes(-1, -2).reshape(w.shape))
    dw = weightstd_backward(dw_hat, cache)
    close(dw, weightstd_backward(as_matrix[1], expected_cache).swapaxes(-1, -2).reshape(w.shape))
    if not lead:
        close(w_hat[1].ravel(), FORMULAS[convention](w[1].reshape(24, 1))[:, 0])
