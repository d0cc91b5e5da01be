"""Chains of any layers: what holds for a network holds however its layers are nested."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.nn import check_gradients
from lab.nn.affine import Affine
from lab.nn.composite import Residual, Sequential
from lab.nn.flatten import Flatten
from lab.nn.layers import LAYERS
from lab.nn.network import Network
from lab.nn.weightstd import WeightStd

WIDTH = 6  # of every row inside
SETTINGS = {"groupnorm": {"num_groups": 2}, "dropout": {"keep_ratio": 0.7}}
ROWS = sorted(
    kind
    for kind, layer in LAYERS.items()
    if layer.family in ("normalization", "activation", "random") and (not layer.axes or 1 in layer.axes)
)

# An architecture as it can be drawn and built twice: names of layers, and lists of them in composites.
leaves = st.sampled_from([*ROWS, "affine", "affine+weightstd"])
chains = st.recursive(
    st.lists(leaves, min_size=1, max_size=3),
    lambda inner: st.lists(
        leaves | st.tuples(st.sampled_from(["residual", "sequential"]), inner), min_size=1, max_size=4
    ),
    max_leaves=8,
)
inside_a_residual_block = pytest.mark.parametrize("kind", [*ROWS, "affine", "affine+weightstd"])


def made(one, eps=0.1):
    """The layer that a name, or a pair (composite, chain), stands for."""
    if isinstance(one, tuple):
        return {"residual": Residual, "sequential": Sequential}[one[0]]([made(part, eps) for part in one[1]])
    kind, _, weights = one.partition("+")
    if kind == "affine":
        affine = Affine(WIDTH, WIDTH)
        affine.weightstd = WeightStd() if weights else None
        return affine
    layer = LAYERS[kind]
    given = {"eps": eps} if "eps" in layer.settings else {}
    sizes = [WIDTH] if layer.family == "normalization" else []
    return layer(*sizes, **SETTINGS.get(kind, {}), **given)


def network(chain, eps=0.1, **given):
    given = {"weight_scale": 0.5, "seed": 3, "dtype": np.float64} | given
    inner = [made(one, eps) for one in chain]
    return Network([Flatten(), Affine(8, WIDTH), *inner, Affine(WIDTH, 3)], (2, 4), **given)


def minibatch(seed=0, n=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2, 4)), rng.integers(0, 3, n)


def train(net, steps=2, seed=1):
    """The losses of a few steps of gradient descent with L2."""
    losses = []
    for step in range(steps):
        losses.append(net.backpropagate(*minibatch(seed + step)))
        net.flat_params -= 0.1 * net.flat_gradient
    return np.array(losses)


def assert_goes_back(net):
    """state, frozen and deepcopy, bit for bit; and that there was something to go back from."""
    train(net)
    before, twin = net.state(), deepcopy(net)
    with net.frozen():
        net.backpropagate(*minibatch(7))
    np.testing.assert_equal(net.state(), before)
    losses, scores = train(net), net.scores(minibatch()[0])
    np.testing.assert_equal(twin.state(), before)  # which shares nothing with it
    np.testing.assert_array_equal(train(twin), losses)
    np.testing.assert_array_equal(twin.scores(minibatch()[0]), scores)
    np.testing.assert_equal(twin.state(), net.state())
    assert (net.flat_params != before["params"]).any()
    net.load_state(before)
    np.testing.assert_array_equal(train(net), losses)
    np.testing.assert_array_equal(net.scores(minibatch()[0]), scores)


@inside_a_residual_block
@pytest.mark.parametrize("members", [{}, {"seed": [1, 2], "weight_scale": [0.1, 0.5]}])
def test_every_kind_inside_a_residual_block_goes_back_bit_for_bit(kind, members):
    assert_goes_back(network([("residual", [kind, ("sequential", [kind, "relu"])])], **members))


@settings(max_examples=40, deadline=None)
@given(chains)
def test_any_chain_goes_back_bit_for_bit(chain):
    assert_goes_back(network(chain, reg=0.1))


def test_running_statistics_inside_a_block_are_part_of_the_state():
    net = network([("residual", ["batchnorm"])])
    (param,) = net.bn_params
    before, mean = net.state(), param["running_mean"].copy()
    train(net)
    assert (param["running_mean"] != mean).all()
    net.load_state(before)
    np.testing.assert_array_equal(param["running_mean"], mean)


@settings(max_examples=25, deadline=None)
@given(chains)
@pytest.mark.long
def test_gradients_of_any_chain_agree_with_differences(chain):
    """With tanh in the place of activations that have kinks."""

    def smooth(one):
        if isinstance(one, tuple):
            return one[0], [smooth(part) for part in one[1]]
        return "tanh" if one in ("relu", "leaky_relu") else one

    net = network([smooth(one) for one in chain], reg=0.1, seed=5)
    checks = check_gradients(net, *minibatch())
    assert all(check.passed for check in checks.values()), "\n".join(map(str, checks.values()))


@settings(max_examples=25, deadline=None)
@given(chains)
def test_a_population_of_any_chain_is_its_members(chain):
    members = {"weight_scale": [0.2, 0.5, 1.0], "reg": [0.0, 0.1, 0.2], "seed": [1, 2, 3]}
    eps = [1e-3, 0.1, 1.0]
    together = network(chain, eps=eps, data_seed=4, **members)
    losses, scores = train(together), together.scores(minibatch()[0])
    for k in range(3):
        own = {name: values[k] for name, values in members.items()}
        alone = network(chain, eps=eps[k], data_seed=4, **own)
        np.testing.assert_allclose(losses[:, k], train(alone), rtol=1e-9)
        np.testing.assert_allclose(scores[k], alone.scores(minibatch()[0]), rtol=1e-7, atol=1e-9)


def test_names_count_each_parameter_by_itself():
    net = network([("residual", ["batchnorm", "relu", "affine"]), "layernorm"])
    assert list(net.params) == [
        "W1", "b1", "gamma1", "beta1", "W2", "b2", "gamma2", "beta2", "W3", "b3",
    ]  # fmt: skip
    assert [w.shape for w, _ in net.weights] == [(8, 6), (6, 6), (6, 3)]


def test_own_pairs_and_compiled_ones_reach_inside():
    calls = []

    def forward(x):
        calls.append(x.shape)
        return LAYERS["relu"].pair[0](x)

    net = network(
        [("residual", ["relu", ("sequential", ["relu"])])], own={"relu": (forward, LAYERS["relu"].pair[1])}
    )
    net.scores(minibatch()[0])
    assert calls == [(5, WIDTH)] * 2
    old, new = LAYERS["tanh"].pair, (None, None)
    net = network([("residual", ["tanh"]), "tanh"])
    net.replace({old: new})
    assert [one.functions for one in net.all_layers if one.kind == "tanh"] == [new, new]


def test_a_network_that_begins_without_weights_takes_a_population():
    """The data has no member axis, and every member normalizes it with gamma and beta of its own."""
    net = Network([Flatten(), LAYERS["layernorm"](8), Affine(8, 3)], (2, 4), seed=[1, 2], dtype=np.float64)
    assert train(net).shape == (2, 2)


def twice(layer):
    return [layer, layer]


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([LAYERS["batchnorm"](8), Flatten(), Affine(8, 3)], (2, 2, 2), "batch norm takes rows .*not samples"),
        ([Flatten(), Affine(6, 3)], (2, 4), "affine layer takes rows of 6 features, not 8"),
        ([Affine(4, 3), Flatten()], (2, 4), "affine layer takes rows"),
        ([Affine(8, 4), *twice(LAYERS["relu"]()), Affine(4, 3)], (8,), "stands in a network once"),
        ([Residual([Affine(8, 4)]), Affine(4, 3)], (8,), r"added to x must have its shape \(8,\)"),
        ([LAYERS["relu"]()], (2, 4), r"ends in a row of scores, not in shape \(2, 4\)"),
        ([Flatten()], (2, 4), "a network has weights"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, shape, message):
    with pytest.raises(ValueError, match=message):
        Network(layers, shape)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"conv": (max, max)}, "layers has no 'conv'; it has: affine"),
        ({"tanh": max}, r"layers\['tanh'\] must be a pair of functions"),
        ({"tanh": (max, None)}, r"layers\['tanh'\] must be a pair of functions"),
        ("tanh", "layers must be a dict of pairs of functions"),
    ],
)
def test_own_pairs_that_nobody_would_call_are_refused(own, message):
    with pytest.raises(ValueError, match=message):
        network(["relu"], own=own)


def test_samples_of_another_size_are_refused():
    X, y = minibatch()
    with pytest.raises(ValueError, match=r"needs \(N, ...\), N at least 1, with 8 features each"):
        network(["relu"]).loss(X[:, :1], y)
