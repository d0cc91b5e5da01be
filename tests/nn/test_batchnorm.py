"""Batch normalization: identities, conventions, running statistics, hostile numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nn import batchnorm_backward, batchnorm_backward_alt, batchnorm_forward
from tests.strategies import minibatches

both_backwards = pytest.mark.parametrize("backward", [batchnorm_backward, batchnorm_backward_alt])


def train(x, gamma=None, beta=None, **param):
    """out, cache and the updated bn_param of one call in training mode."""
    param["mode"] = "train"
    gamma = np.ones(x.shape[-1], x.dtype) if gamma is None else gamma
    beta = np.zeros(x.shape[-1], x.dtype) if beta is None else beta
    return *batchnorm_forward(x, gamma, beta, param), param


def close(received, expected, scale=1.0):
    np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-9 * scale)


# --- identities ---------------------------------------------------------------------------------------


@given(minibatches())
def test_outputs_have_mean_beta_and_variance_gamma_squared(minibatch):
    """Up to the share var / (var + eps) of the variance."""
    x, gamma, beta, _ = minibatch
    out, _, _ = train(x, gamma, beta)
    close(out.mean(axis=0), beta)
    close(out.var(axis=0), gamma**2 * x.var(axis=0) / (x.var(axis=0) + 1e-5))


@both_backwards
@given(minibatches())
def test_dx_sums_to_zero_over_the_batch(backward, minibatch):
    x, gamma, beta, dout = minibatch
    dx, _, _ = backward(dout, train(x, gamma, beta)[1])
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-10 * np.abs(dout).sum())


@both_backwards
@given(minibatches(), st.sampled_from([1e-8, 1e-5, 0.3]))
def test_only_eps_keeps_dx_from_being_orthogonal_to_x_hat(backward, minibatch, eps):
    """sum(dx * x_hat) = inv * eps / (var + eps) * sum(dout * gamma * x_hat)."""
    x, gamma, beta, dout = minibatch
    dx, _, _ = backward(dout, train(x, gamma, beta, eps=eps)[1])
    var = x.var(axis=0)
    x_hat = (x - x.mean(axis=0)) / np.sqrt(var + eps)
    expected = eps / (var + eps) ** 1.5 * (dout * gamma * x_hat).sum(axis=0)
    close((dx * x_hat).sum(axis=0), expected, np.abs(dx).sum())


@both_backwards
@given(minibatches())
def test_gradients_of_gamma_and_beta_are_sums(backward, minibatch):
    """dbeta = sum dout; dgamma = sum dout * x_hat."""
    x, gamma, beta, dout = minibatch
    _, dgamma, dbeta = backward(dout, train(x, gamma, beta)[1])
    x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    close(dbeta, dout.sum(axis=0), np.abs(dout).sum())
    close(dgamma, (dout * x_hat).sum(axis=0), np.abs(dout).sum())


@given(minibatches(), st.floats(-100, 100))
def test_shifting_x_changes_nothing(minibatch, shift):
    x, gamma, beta, _ = minibatch
    np.testing.assert_allclose(train(x + shift, gamma, beta)[0], train(x, gamma, beta)[0], atol=1e-8)


@given(minibatches(), st.floats(0.1, 100))
def test_scaling_x_changes_nothing_while_the_variance_is_far_above_eps(minibatch, factor):
    x, gamma, beta, _ = minibatch
    one, other = (train(x * f, gamma, beta, eps=1e-14)[0] for f in (1, factor))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_scaling_x_matters_where_eps_takes_over():
    """The standard deviation of the output is sqrt(var / (var + eps)): batch norm is off at 1e-4."""
    x = np.random.default_rng(0).normal(size=(50, 4))
    out, _, _ = train(1e-4 * x)
    close(out.std(axis=0), np.sqrt(1e-8 * x.var(axis=0) / (1e-8 * x.var(axis=0) + 1e-5)))
    assert out.std() < 0.04


@both_backwards
@given(minibatches())
def test_permuting_the_batch_permutes_the_results(backward, minibatch):
    x, gamma, beta, dout = minibatch
    order = np.random.default_rng(0).permutation(len(x))
    out, cache, _ = train(x, gamma, beta)
    permuted, permuted_cache, _ = train(x[order], gamma, beta)
    close(permuted, out[order])
    (dx, *sums), (permuted_dx, *permuted_sums) = backward(dout, cache), backward(dout[order], permuted_cache)
    close(permuted_dx, dx[order], np.abs(dout).sum())
    for one, other in zip(sums, permuted_sums, strict=True):
        close(one, other, np.abs(dout).sum())


@pytest.mark.parametrize("mode", ["train", "test"])
@pytest.mark.parametrize("convention", ["course", "pytorch", "unbiased", "eps_outside"])
@given(minibatches())
def test_the_staged_and_the_closed_backward_agree(mode, convention, minibatch):
    x, gamma, beta, dout = minibatch
    running = {"running_mean": x[0], "running_var": x[1] ** 2 + 0.1}
    _, cache = batchnorm_forward(
        x, gamma, beta, {"mode": mode, "convention": convention, "eps": 0.1, **running}
    )
    for staged, closed in zip(
        batchnorm_backward(dout, cache), batchnorm_backward_alt(dout, cache), strict=True
    ):
        close(staged, closed, np.abs(dout).sum())


# --- conventions --------------------------------------------------------------------------------------

X_HAT = {  # as documented elsewhere, written down without the lab
    "course": lambda x, eps: (x - x.mean(0)) / np.sqrt(x.var(0) + eps),
    "pytorch": lambda x, eps: (x - x.mean(0)) / np.sqrt(x.var(0) + eps),
    "unbiased": lambda x, eps: (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + eps),
    "eps_outside": lambda x, eps: (x - x.mean(0)) / (x.std(0) + eps),
}


@pytest.mark.parametrize("convention", X_HAT)
@given(minibatches())
def test_conventions_follow_their_formulas(convention, minibatch):
    x, gamma, beta, _ = minibatch
    out, _, _ = train(x, gamma, beta, convention=convention, eps=0.3)
    close(out, gamma * X_HAT[convention](x, 0.3) + beta)


@pytest.mark.parametrize(
    ("convention", "keep", "initial_var", "ddof"),
    [("course", 0.9, 0, 0), ("pytorch", 0.9, 1, 1), ("unbiased", 0.9, 0, 1), ("eps_outside", 0.9, 0, 0)],
)
@pytest.mark.parametrize("k", [1, 2, 7])
def test_running_statistics_after_equal_batches(convention, keep, initial_var, ddof, k):
    """m**k * initial + (1 - m**k) * statistic."""
    x = np.random.default_rng(0).normal(3, 2, (8, 5))
    param = {"mode": "train", "convention": convention}
    for _ in range(k):
        batchnorm_forward(x, np.ones(5), np.zeros(5), param)
    close(param["running_mean"], (1 - keep**k) * x.mean(axis=0))
    close(param["running_var"], keep**k * initial_var + (1 - keep**k) * x.var(axis=0, ddof=ddof))


@pytest.mark.parametrize(("convention", "keep"), [("course", 0.7), ("pytorch", 0.3)])
def test_momentum_weighs_what_its_convention_says(convention, keep):
    """Momentum 0.7 keeps 0.7 of the running statistics in courses, 0.3 in PyTorch."""
    x, (old_mean, old_var) = (
        np.random.default_rng(0).normal(size=(6, 3)),
        np.random.default_rng(1).uniform(size=(2, 3)),
    )
    *_, param = train(x, convention=convention, momentum=0.7, running_mean=old_mean, running_var=old_var)
    close(param["running_mean"], keep * old_mean + (1 - keep) * x.mean(axis=0))
    close(param["running_var"], keep * old_var + (1 - keep) * x.var(axis=0, ddof=convention == "pytorch"))


# --- test mode ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", X_HAT)
@pytest.mark.parametrize("rows", [1, 6])
def test_test_mode_uses_the_running_statistics(convention, rows):
    """Also a tiny running variance, and a batch of one."""
    rng = np.random.default_rng(0)
    x, gamma, beta, mean, var = rng.normal(size=(rows, 3)), *rng.normal(size=(3, 3)), np.array([1e-4, 0.5, 3])
    param = {"mode": "test", "running_mean": mean, "running_var": var, "eps": 1e-3, "convention": convention}
    out, _ = batchnorm_forward(x, gamma, beta, param)
    root = np.sqrt(var) + 1e-3 if convention == "eps_outside" else np.sqrt(var + 1e-3)
    close(out, gamma * (x - mean) / root + beta)


def test_test_mode_updates_nothing():
    x = np.random.default_rng(0).normal(size=(6, 3))
    *_, param = train(x)
    before = {name: np.array(value) for name, value in param.items()}
    param["mode"] = "test"
    batchnorm_forward(5 * x + 1, np.ones(3), np.zeros(3), param)
    for name in ("running_mean", "running_var"):
        np.testing.assert_array_equal(param[name], before[name])
    assert param.keys() == before.keys()


def test_training_rebinds_the_running_statistics_it_was_given():
    """Arrays that a caller passed in, and perhaps keeps for later, are only read."""
    mean, var = np.zeros(3), np.ones(3)
    train(np.random.default_rng(0).normal(size=(6, 3)), running_mean=mean, running_var=var)
    np.testing.assert_array_equal([mean, var], [np.zeros(3), np.ones(3)])


@both_backwards
@given(minibatches())
def test_backward_in_test_mode_is_a_scaling(backward, minibatch):
    """dx = dout * gamma * inv: the statistics were constants."""
    x, gamma, beta, dout = minibatch
    mean, var = x[0], x[1] ** 2 + 0.1
    _, cache = batchnorm_forward(x, gamma, beta, {"mode": "test", "running_mean": mean, "running_var": var})
    dx, dgamma, dbeta = backward(dout, cache)
    close(dx, dout * gamma / np.sqrt(var + 1e-5), np.abs(dout).sum())
    close(dgamma, (dout * (x - mean) / np.sqrt(var + 1e-5)).sum(axis=0), np.abs(dout).sum())
    close(dbeta, dout.sum(axis=0), np.abs(dout).sum())


# --- hostile numbers ----------------------------------------------------------------------------------


@both_backwards
@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
def test_a_constant_feature_gives_beta(backward, value):
    """And dx = (dout - mean(dout)) * gamma / sqrt(eps): large, but finite."""
    rng = np.random.default_rng(0)
    gamma, beta, dout = np.array([1.5, -2.0]), np.array([0.3, 7.0]), rng.normal(size=(6, 2))
    out, cache, _ = train(np.full((6, 2), value), gamma, beta)
    np.testing.assert_allclose(out, np.tile(beta, (6, 1)), rtol=1e-12)
    np.testing.assert_allclose(backward(dout, cache)[0], (dout - dout.mean(axis=0)) * gamma / np.sqrt(1e-5))


@pytest.mark.parametrize("offset", [1e2, 1e3, 1e4, 1e5, 1e6, 1e7])
def test_float32_far_from_zero(offset):
    """Statistics of float32 data are those that float64 finds in the same data."""
    x = (np.random.default_rng(0).normal(size=(256, 4)) + offset).astype(np.float32)
    out, _, param = train(x, momentum=0.0)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(out, (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5), atol=5e-6)
    np.testing.assert_allclose(param["running_var"], exact.var(axis=0), rtol=5e-6)
    np.testing.assert_allclose(param["running_mean"], exact.mean(axis=0), rtol=1.2e-7)


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_a_million_rows_in_float32(offset):
    """Adding up many small numbers loses nothing that matters, forward and backward."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(1_000_000, 2)) + offset).astype(np.float32)
    dout = rng.normal(size=x.shape).astype(np.float32)
    out, cache, param = train(x, momentum=0.0)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(param["running_mean"], exact.mean(axis=0), rtol=1.2e-7, atol=5e-7)
    x_hat = (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-5)
    np.testing.assert_allclose(out, x_hat, atol=1e-4)
    _, dgamma, dbeta = batchnorm_backward_alt(dout, cache)
    np.testing.assert_allclose(dbeta, dout.sum(axis=0, dtype=np.float64), atol=0.5)  # of 800,000 summed up
    np.testing.assert_allclose(dgamma, (dout * x_hat).sum(axis=0), atol=0.5)  # of 800,000 summed up


@both_backwards
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_feature(backward, value):
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, 6, 4))
    clean, clean_cache, _ = train(x)
    clean_dx, _, _ = backward(dout, clean_cache)
    x[2, 1] = value
    with np.errstate(invalid="ignore"):
        out, cache, param = train(x)
        dx, _, _ = backward(dout, cache)
    others = [0, 2, 3]
    close(out[:, others], clean[:, others])
    close(dx[:, others], clean_dx[:, others])
    assert np.isnan(out[:, 1]).all()
    assert not np.isfinite(param["running_mean"][1])
    assert np.isfinite(param["running_mean"][others]).all()


def test_eps_may_differ_between_the_members_of_a_population():
    """An array (K, 1), as a network passes it."""
    x, eps = np.random.default_rng(0).normal(size=(3, 6, 4)), np.array([1e-8, 1e-3, 0.5])
    out, _, _ = train(x, np.ones((3, 4)), np.zeros((3, 4)), eps=eps[:, None])
    for k in range(3):
        close(out[k], train(x[k], eps=eps[k])[0])


GOOD = {"x": np.ones((4, 3)), "gamma": np.ones(3), "beta": np.zeros(3), "param": {"mode": "train"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x": np.ones((1, 3))},
            r"more than one row .*\(1, 3\).*larger batch, test mode, or layer normalization",
        ),
        ({"x": np.ones((0, 3))}, "more than one row"),
        ({"x": np.ones(3)}, r"x must be floats of shape \(N, D\), not float64 of shape \(3,\)"),
        ({"x": np.ones((4, 3), int)}, "x must be floats .* not int64"),
        ({"gamma": np.ones((4, 3))}, r"gamma has shape \(4, 3\); x \(4, 3\) needs \(3,\)"),
        ({"beta": np.ones(4)}, r"beta has shape \(4,\)"),
        ({"param": {"mode": "trian"}}, "must be 'train' or 'test', not 'trian'"),
        ({"param": {}}, "must be 'train' or 'test', not None"),
        ({"param": {"mode": "test"}}, "train on a batch first"),
        ({"param": {"mode": "test", "running_mean": np.ones(3)}}, "running_mean and running_var"),
        (
            {"param": {"mode": "test", "running_mean": np.ones(2), "running_var": np.ones(3)}},
            "running_mean has shape",
        ),
        (
            {"param": {"mode": "test", "running_mean": np.ones(3), "running_var": np.ones(2)}},
            "running_var has shape",
        ),
        (
            {"param": {"mode": "train", "convention": "tf"}},
            "convention must be one of course, pytorch.*not 'tf'",
        ),
    ],
)
def test_what_cannot_be_normalized_is_refused_by_name(change, message):
    arguments = GOOD | change
    with pytest.raises(ValueError, match=message):
        batchnorm_forward(*arguments.values())
