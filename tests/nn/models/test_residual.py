"""Residual networks: the formula of each placement, and what the literature says of signals by depth."""

import numpy as np
import pytest

from lab import nn
from lab.nn.models import MODELS, build
from lab.nn.models.architecture import PLACEMENTS, Settings

WIDTH, CLASSES = 6, 3
X = np.random.default_rng(0).normal(size=(5, 1, 2, 4))


def network(blocks=2, width=WIDTH, **settings):
    settings = {"seed": 1, "weight_scale": 0.5, "dtype": np.float64} | settings
    return build("residual", X.shape[1:], CLASSES, hidden_dims=(width,) * blocks, **settings)


def by_hand(net, placement):
    """The scores from the formulas, with layer norm."""
    p, used = net.params, {"W": 1, "gamma": 0}

    def affine(x):
        used["W"] += 1
        return nn.affine_forward(x, p[f"W{used['W']}"], p[f"b{used['W']}"])[0]

    def norm(x):
        used["gamma"] += 1
        return nn.layernorm_forward(x, p[f"gamma{used['gamma']}"], p[f"beta{used['gamma']}"], {})[0]

    def f(x):
        return affine(np.maximum(x, 0))

    x = X.reshape(len(X), -1) @ p["W1"] + p["b1"]
    for _ in range(2):
        if placement is None:
            x = x + f(x)
        elif placement == "pre":
            x = x + f(norm(x))
        elif placement == "post":
            x = norm(x + f(x))
        else:
            x = x + norm(f(norm(x)))
    return affine(norm(x) if placement == "pre" else x)


@pytest.mark.parametrize("placement", [None, *PLACEMENTS])
def test_each_placement_is_its_formula(placement):
    net = network(normalization=placement and "layernorm", placement=placement or "pre")
    rng = np.random.default_rng(2)
    for name, view in net.params.items():
        if name[0] != "W":
            view[...] = rng.normal(size=view.shape)
    np.testing.assert_allclose(net.scores(X), by_hand(net, placement), rtol=1e-10)


@pytest.mark.parametrize("normalization", [None, "weightstd"])
@pytest.mark.parametrize("noise", [None, True])
def test_without_a_normalization_of_activations_there_is_nothing_to_place(normalization, noise):
    scores = [network(placement=p, normalization=normalization, noise=noise).scores(X) for p in PLACEMENTS]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


def test_every_placement_starts_from_the_same_weights():
    """So that a difference comes from the placement alone."""
    nets = [network(normalization="batchnorm", placement=placement) for placement in PLACEMENTS]
    nets.append(network())
    for name in ("W1", "W2", "W3", "W4"):
        for net in nets[1:]:
            np.testing.assert_array_equal(net.params[name], nets[0].params[name])


@pytest.mark.parametrize("sizes", [(), (5, 6)])
def test_blocks_have_one_size(sizes):
    with pytest.raises(ValueError, match="hidden_dims of one size, at least one"):
        build("residual", (8,), CLASSES, hidden_dims=sizes)


def stream_variances(placement, blocks=12, width=400):
    """The mean square of the stream behind each block, He-initialized, for inputs of variance one."""
    settings = {"normalization": placement and "layernorm", "placement": placement or "pre"}
    net = build(
        "residual", (width,), CLASSES, hidden_dims=(width,) * blocks, initialization="he", seed=3,
        dtype=np.float64, **settings,
    )  # fmt: skip
    out, variances = np.random.default_rng(4).normal(size=(40, width)), []
    for layer in net.layers[1:-1]:
        out = layer.forward(out, training=True)
        variances.append(np.mean(out**2))
    if placement == "pre":
        variances.pop()  # behind the last normalization
    return variances[2::2] if placement == "post" else variances[1:]


def test_without_normalization_the_stream_s_variance_doubles_a_block():
    """De and Smith, 2020, section 2."""
    ratios = np.divide(*[stream_variances(None)[i] for i in (slice(1, None), slice(-1))])
    np.testing.assert_allclose(ratios, 2, rtol=0.35)
    assert np.prod(ratios) ** (1 / len(ratios)) == pytest.approx(2, rel=0.1)


def test_with_a_normalization_in_front_it_grows_by_one_a_block():
    """So block l contributes 1 / (l + 1) of it."""
    growth = np.diff(stream_variances("pre"))
    np.testing.assert_allclose(growth, 1, rtol=0.4)
    assert growth.mean() == pytest.approx(1, rel=0.1)


def test_with_a_normalization_behind_it_stays():
    np.testing.assert_allclose(stream_variances("post"), 1, rtol=1e-3)


def test_in_words():
    assert MODELS["residual"].in_words(Settings(hidden_dims=(50,) * 64)) == "residual 64×50"
