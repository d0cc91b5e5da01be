"""Networks: the course's figures, gradients, training and test mode, populations, errors."""

from copy import deepcopy
from itertools import product

import numpy as np
import pytest

from lab import nn
from lab.nn import FullyConnectedNet, check_gradients
from lab.nn.layers import ACTIVATIONS, NORMALIZATIONS
from lab.nn.optim import OPTIMIZERS
from tests.nn.small import DTYPES, every_normalization, minibatch, network

# --- the course's figures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "losses", "tolerance"),
    [("leaky_relu", (2.609886575288241, 7.008456540025971), 1e-14), ("relu", (2.60958, 7.00608), 2e-6)],
)
def test_the_losses_of_the_course_notebook(activation, losses, tolerance):
    """Its seeding, two networks one after the other, with reg 0 and 3.14 (EXPERIMENTS.md, A4)."""
    np.random.seed(220)
    X, y = np.random.randn(2, 15), np.random.randint(10, size=(2,))
    for reg, expected in zip((0, 3.14), losses, strict=True):
        net = FullyConnectedNet(
            [20, 30], input_dim=15, num_classes=10, reg=reg, weight_scale=5e-2, dtype=np.float64,
            normalization="batchnorm", activation=activation,
        )  # fmt: skip
        assert net.loss(X, y)[0] == pytest.approx(expected, rel=tolerance)


def test_parameters_have_the_names_and_shapes_of_the_course():
    """A bias also in front of a normalization."""
    shapes = {name: value.shape for name, value in network(normalization="batchnorm").params.items()}
    assert shapes == {
        "W1": (7, 6), "b1": (6,), "gamma1": (6,), "beta1": (6,),
        "W2": (6, 4), "b2": (4,), "gamma2": (4,), "beta2": (4,),
        "W3": (4, 3), "b3": (3,),
    }  # fmt: skip
    assert [name for name in network(normalization="weightstd").params if name[0] != "W"] == [
        "b1",
        "b2",
        "b3",
    ]


@pytest.mark.parametrize(
    ("normalization", "settings", "param"),
    [
        (None, {}, {}),
        (
            "batchnorm",
            {"bn_momentum": 0.3, "convention": "pytorch"},
            {"momentum": 0.3, "convention": "pytorch"},
        ),
        ("batchnorm", {"convention": "eps_outside"}, {"convention": "eps_outside"}),
        ("layernorm", {"convention": "unbiased"}, {"convention": "unbiased"}),
        ("groupnorm", {"num_groups": 3}, {"num_groups": 3}),
        ("weightstd", {"convention": "official"}, {"convention": "official"}),
        ("groupnorm+weightstd", {"num_groups": 3}, {"num_groups": 3}),
    ],
)
def test_a_network_is_its_layers_one_after_the_other(normalization, settings, param):
    """With eps, momentum, convention and groups as they were chosen; the last layer is plain."""
    net = network(normalization=normalization, hidden_dims=[6], activation="tanh", eps=0.3, **settings)
    (X, y), p, which = minibatch(), net.params, normalization or ""
    w = (
        nn.weightstd_forward(p["W1"], param if which == "weightstd" else {})[0]
        if "weightstd" in which
        else p["W1"]
    )
    out, _ = nn.affine_forward(X, w, p["b1"])
    bn_param = {"mode": "train", "eps": 0.3, **param}
    if which.partition("+")[0] in ("batchnorm", "layernorm", "groupnorm"):
        forward = getattr(nn, f"{which.partition('+')[0]}_forward")
        out, _ = forward(out, p["gamma1"], p["beta1"], bn_param)
    scores, _ = nn.affine_forward(np.tanh(out), p["W2"], p["b2"])
    loss, _ = nn.softmax_loss(scores, y)
    assert net.loss(X, y)[0] == pytest.approx(loss, rel=1e-12)
    for name in bn_param.keys() & {"running_mean", "running_var"}:
        np.testing.assert_allclose(net.bn_params[0][name], bn_param[name], rtol=1e-12)


def test_small_weights_lose_the_logarithm_of_the_number_of_classes():
    loss, _ = network(weight_scale=1e-9).loss(*minibatch())
    assert loss == pytest.approx(np.log(3))


def test_images_are_flattened_and_integers_converted():
    """X of any trailing shape; uint8 pixels."""
    net = FullyConnectedNet([5], input_dim=12, seed=0)
    images = np.random.default_rng(0).integers(256, size=(4, 3, 2, 2), dtype=np.uint8)
    y = np.array([0, 1, 2, 3], dtype=np.uint8)
    assert net.loss(images, y)[0] == net.loss(images.reshape(4, 12).astype(np.float32), y)[0]
    assert net.loss(images).shape == (4, 10)


@every_normalization
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_is_kept_throughout(normalization, dtype):
    """Parameters, gradients, loss and scores; with settings from np.linspace, which are numpy.float64."""
    half = np.float64(0.5)
    net = network(
        dtype=dtype, normalization=normalization, reg=half, eps=np.float64(1e-3), dropout_keep_ratio=half,
        bn_momentum=half, weight_scale=half, noise={"n_mu": half}, num_groups=np.int64(2),
    )  # fmt: skip
    loss, gradients = net.loss(*minibatch())
    for array in (net.scores(minibatch()[0]), loss, *gradients.values(), *net.params.values()):
        assert array.dtype == dtype
    for layer in net.layers:
        assert layer.cache is None or getattr(layer.cache, "dtype", dtype) == dtype


# --- gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("normalization", "activation"), list(product(NORMALIZATIONS, ACTIVATIONS)))
@pytest.mark.product(every=5)
def test_every_gradient_agrees_with_differences(normalization, activation):
    """With L2, biases, gamma and beta away from their start; smooth cases show the slope of truncation."""
    net = network(normalization=normalization, activation=activation, reg=0.3, eps=1e-2)
    for name, view in net.params.items():
        if name[0] != "W":
            view += 0.3 * np.random.default_rng(3).normal(size=view.shape)
    checks = check_gradients(net, *minibatch())
    assert all(check.passed for check in checks.values()), "\n".join(map(str, checks.values()))
    if activation in ("sigmoid", "tanh"):
        assert 1.8 < checks["W3"].slope < 2.2
        assert all(check.slope is None or check.slope > 1.5 for check in checks.values())


@pytest.mark.parametrize("settings", [{"dropout_keep_ratio": 0.6}, {"noise": True}])
@every_normalization
@pytest.mark.product(every=5)
def test_gradients_with_randomness_agree_with_differences(normalization, settings):
    """The same mask and the same noise at every call."""
    net = network(normalization=normalization, activation="tanh", **settings)
    checks = check_gradients(net, *minibatch())
    assert all(check.passed for check in checks.values()), "\n".join(map(str, checks.values()))


@pytest.mark.parametrize("wrong", ["W1", "b2", "gamma1", "beta2", "W3"])
def test_a_planted_error_is_found_and_named(wrong):
    """In one entry of one gradient; the others still pass."""
    net = network(normalization="batchnorm", activation="tanh")
    backpropagate, entry = net.backpropagate, 2

    def planted(X, y):
        loss = backpropagate(X, y)
        net._gradients[wrong].reshape(-1)[entry] += 1e-3
        return loss

    net.backpropagate = planted
    checks = check_gradients(net, *minibatch())
    assert [name for name, check in checks.items() if not check.passed] == [wrong]
    index = np.unravel_index(entry, net.params[wrong].shape)
    assert f"worst at {wrong}[{', '.join(map(str, index))}]" in str(checks[wrong])


@pytest.mark.parametrize("normalization", ["batchnorm", "batchnorm+weightstd"])
def test_a_bias_in_front_of_batch_norm_has_gradient_zero(normalization):
    """It is kept all the same."""
    _, gradients = network(normalization=normalization).loss(*minibatch())
    np.testing.assert_allclose(gradients["b1"], 0, atol=1e-15)
    assert np.abs(gradients["b3"]).max() > 1e-3


def test_l2_counts_weights_alone():
    """0.5 * reg * sum(W**2); biases, gamma and beta aren't in it."""
    plain, reg = (network(normalization="batchnorm", reg=reg) for reg in (0, 0.7))
    (loss, gradients), (reg_loss, reg_gradients) = plain.loss(*minibatch()), reg.loss(*minibatch())
    squares = sum((w**2).sum() for name, w in plain.params.items() if name[0] == "W")
    assert reg_loss - loss == pytest.approx(0.35 * squares)
    for name, w in plain.params.items():
        np.testing.assert_allclose(
            reg_gradients[name] - gradients[name], 0.7 * w if name[0] == "W" else 0, atol=1e-12
        )


# --- training and test mode ---------------------------------------------------------------------------


def running(net):
    return [
        layer.param["running_mean"].copy() for layer in net.layers if "running_mean" in (layer.param or {})
    ]


def test_the_loss_updates_running_statistics_as_in_a_course_and_evaluation_does_not():
    """Also when a numerical gradient calls the loss; within `frozen` they go back."""
    net, (X, y) = network(normalization="batchnorm"), minibatch()
    net.loss(X, y)
    first = running(net)
    net.loss(X, y)
    second = running(net)
    assert all((one != other).all() for one, other in zip(first, second, strict=True))
    net.loss(X)
    net.scores(3 * X)
    with net.frozen():
        net.loss(5 * X, y)
        assert (running(net)[0] != second[0]).all()
    np.testing.assert_equal(running(net), second)


def test_frozen_goes_back_also_after_an_exception():
    net, (X, y) = network(normalization="batchnorm", dropout_keep_ratio=0.5), minibatch()
    before = net.state()
    with pytest.raises(ValueError, match="5 integer labels"), net.frozen():  # noqa: PT012
        net.backpropagate(X, y)
        net.backpropagate(X[:5], y)
    np.testing.assert_equal(net.state(), before)


def test_a_batch_of_one_is_refused_in_training_and_fine_in_test_mode():
    net, (X, y) = network(normalization="batchnorm"), minibatch()
    net.loss(X, y)
    with pytest.raises(ValueError, match="more than one row in training mode"):
        net.loss(X[:1], y[:1])
    assert net.scores(X[:1]).shape == (1, 3)


def test_scores_in_test_mode_do_not_depend_on_the_rest_of_the_batch():
    net, (X, y) = network(normalization="batchnorm", dropout_keep_ratio=0.5, noise=True), minibatch()
    net.loss(X, y)
    np.testing.assert_allclose(net.scores(X)[:2], net.scores(X[:2]), rtol=1e-12)
    np.testing.assert_array_equal(net.scores(X), net.loss(X))


def test_with_a_seed_dropout_and_noise_are_the_same_at_every_call_of_loss():
    """So that a numerical gradient can be taken; training itself draws anew at every step."""
    settings = {"dropout_keep_ratio": 0.5, "noise": True}
    net, (X, y) = network(**settings), minibatch()
    assert net.loss(X, y)[0] == net.loss(X, y)[0] == net.backpropagate(X, y)
    assert net.backpropagate(X, y) != net.backpropagate(X, y)
    unseeded = network(**settings | {"seed": None})
    assert unseeded.loss(X, y)[0] != unseeded.loss(X, y)[0]


def test_the_seed_of_the_data_is_its_own():
    """Same weights, other masks."""
    one, other = (network(dropout_keep_ratio=0.5, data_seed=seed) for seed in (5, 6))
    np.testing.assert_array_equal(one.flat_params, other.flat_params)
    assert one.loss(*minibatch())[0] != other.loss(*minibatch())[0]


# --- populations --------------------------------------------------------------------------------------

MEMBERS = {
    "weight_scale": [0.1, 0.5, 1.0],
    "reg": [0.0, 0.1, 1.0],
    "eps": [1e-5, 1e-2, 0.5],
    "seed": [1, 2, 3],
}
RATES = np.array([0.01, 0.05, 0.2])


def of_member(settings, k):
    return {
        name: value[k] if name in MEMBERS and np.ndim(value) else value for name, value in settings.items()
    }


def run(net, rule, rate):
    """Losses of four updates and the scores in test mode afterwards."""
    optimizer = OPTIMIZERS[rule](net.flat_params)
    losses = []
    for _ in range(4):
        losses.append(net.backpropagate(*minibatch()))
        optimizer.update(net.flat_params, net.flat_gradient, rate)
    return np.array(losses), net.scores(minibatch()[0])


@every_normalization
@pytest.mark.parametrize(
    ("dtype", "rule"), [(np.float32, "momentum"), (np.float64, "momentum"), (np.float64, "adam")]
)
def test_a_population_is_its_members(normalization, dtype, rule):
    """Members differ in scale, L2, eps, seed and rate; dropout and noise are the same for all.

    Adam makes full steps of the rounding that float32 leaves in the gradient of a bias before batch norm.
    """
    settings = {
        "normalization": normalization,
        "dtype": dtype,
        "dropout_keep_ratio": 0.7,
        "noise": True,
        "data_seed": 4,
    }
    settings |= MEMBERS | {"activation": "tanh"}  # no kinks, which would turn rounding into differences
    losses, scores = run(network(**settings), rule, RATES[:, None])
    assert losses.shape == (4, 3)
    assert scores.shape == (3, 6, 3)
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-8, "atol": 1e-10}
    for k in range(3):
        alone_losses, alone_scores = run(network(**of_member(settings, k)), rule, float(RATES[k]))
        np.testing.assert_allclose(losses[:, k], alone_losses, **tolerance)
        np.testing.assert_allclose(scores[k], alone_scores, **tolerance)


@pytest.mark.parametrize("name", MEMBERS)
def test_any_one_setting_makes_a_population(name):
    """The others are the same for all members."""
    settings = {"normalization": "layernorm", name: MEMBERS[name]}
    losses, _ = run(network(**settings), "sgd", 0.1)
    for k in range(3):
        np.testing.assert_allclose(
            losses[:, k], run(network(**of_member(settings, k)), "sgd", 0.1)[0], rtol=1e-9
        )


def test_members_start_from_the_same_weights_unless_their_seeds_differ():
    """They differ in scale alone; also without a seed."""
    for seed in (1, None):
        w = network(weight_scale=[0.1, 0.2], seed=seed).params["W1"]
        np.testing.assert_allclose(w[1], 2 * w[0])
    w = network(seed=[1, 2]).params["W1"]
    assert not np.isclose(w[0], w[1]).any()


def test_a_population_of_one_keeps_its_axis():
    net = network(weight_scale=[0.5])
    loss, gradients = net.loss(*minibatch())
    assert loss.shape == (1,)
    assert gradients["W1"].shape == (1, 7, 6)
    assert loss[0] == pytest.approx(network().loss(*minibatch())[0])


def test_a_member_that_diverges_leaves_the_others_alone():
    net, other = (network(weight_scale=[0.5, scale, 0.5], normalization=None) for scale in (1e200, 0.5))
    with np.errstate(invalid="ignore", over="ignore"):
        loss, _ = net.loss(*minibatch())
    expected, _ = other.loss(*minibatch())
    assert not np.isfinite(loss[1])
    np.testing.assert_allclose(loss[[0, 2]], expected[[0, 2]])


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"normalization": "batch"}, "normalization must be one of None, batchnorm, .*, not 'batch'"),
        (
            {"activation": "gelu"},
            "activation must be one of relu, .*, identity, not 'gelu'",
        ),
        ({"initialization": "zeros"}, "initialization must be one of normal, he, xavier, not 'zeros'"),
        ({"convention": "tf"}, "convention must be one of course, .*, not 'tf'"),
        ({"input_dim": 0}, "input_dim must be a whole number from 1 on, not 0"),
        ({"num_classes": 2.5}, "num_classes must be a whole number from 1 on, not 2.5"),
        ({"hidden_dims": [5, -1]}, "each of hidden_dims must be a whole number from 1 on, not -1"),
        ({"hidden_dims": 5}, "hidden_dims must be a list of whole numbers, not 5"),
        ({"dropout_keep_ratio": 0}, "dropout_keep_ratio must be a number above 0 to 1, not 0"),
        ({"dropout_keep_ratio": np.nan}, "dropout_keep_ratio"),
        ({"dtype": np.float16}, "dtype must be float32 or float64, not .*float16"),
        ({"dtype": int}, "not <class 'int'>"),
        ({"reg": -1}, "reg must be a number from 0 on, not -1"),
        ({"weight_scale": [0.1, np.nan]}, "weight_scale must be a number from 0 on, not nan"),
        ({"eps": -1e-5}, "eps must be a number from 0 on, not -1e-05"),
        ({"bn_momentum": 1.5}, "bn_momentum must be a number from 0 to 1, not 1.5"),
        (
            {"normalization": "groupnorm", "num_groups": 4},
            r"num_groups must divide the 6 units of each layer, not 4",
        ),
        (
            {"normalization": "groupnorm+weightstd", "num_groups": 0},
            "num_groups must be a whole number from 1 on, not 0",
        ),
        ({"noise": {"mu": 1}}, "noise has no 'mu'; it has: n_mu, n_sigma, r_mu, r_sigma"),
        (
            {"layers": {"batch_norm": (abs, abs)}},
            "layers has no 'batch_norm'; it has: affine, batchnorm",
        ),
        ({"layers": {"batchnorm": (abs,)}}, r"layers\['batchnorm'\] must be a pair of functions"),
        ({"layers": {"batchnorm": (abs, 3)}}, r"layers\['batchnorm'\] must be a pair of functions"),
        (
            {"weight_scale": [0.1, 0.2], "reg": [0, 1, 2]},
            "needs equally many members, and at least one, not .*'weight_scale': 2, 'reg': 3",
        ),
        ({"weight_scale": []}, "at least one"),
    ],
)
def test_settings_that_do_not_exist_or_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        network(**settings)


X, Y = minibatch()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            X[:, :5],
            Y,
            r"X has shape \(6, 5\); the network needs \(N, ...\), N at least 1, with 7 features each",
        ),
        (X[0], Y, r"X has shape \(7,\)"),
        (X[:0], Y[:0], r"X has shape \(0, 7\)"),
        (X, Y[:5], r"y must be 6 integer labels, one for each row of X, not int64 of shape \(5,\)"),
        (X, Y[:, None], r"not int64 of shape \(6, 1\)"),
        (X, Y.astype(float), "not float64"),
        (X, Y + 1, r"y must lie in 0 .. 2, not in 1 .. 3"),
        (X, Y - 1, r"y must lie in 0 .. 2, not in -1 .. 1"),
    ],
)
def test_data_that_does_not_fit_is_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        network().loss(x, y)


def test_params_can_be_copied():
    """By .copy() and by deepcopy: a dict of arrays of their own."""
    net = FullyConnectedNet([4], 3, 2, seed=0)
    for duplicate in (type(net.params).copy, deepcopy):
        copied = duplicate(net.params)
        assert isinstance(copied, dict)
        copied["W1"] += 1
        assert (net.params["W1"] != copied["W1"]).all()
        net.params = copied
        np.testing.assert_array_equal(net.params["W1"], copied["W1"])


def test_an_untrained_batch_norm_has_a_test_mode():
    """Its running statistics are those that the convention starts from."""
    x = np.random.default_rng(0).normal(size=(5, 3))
    for convention, var in (("course", 0.0), ("pytorch", 1.0)):
        net = FullyConnectedNet(
            [4], 3, 2, normalization="batchnorm", seed=0, dtype=np.float64, convention=convention
        )
        hidden = x @ net.params["W1"] / np.sqrt(var + 1e-5)
        np.testing.assert_allclose(net.loss(x), np.maximum(hidden, 0) @ net.params["W2"])
        assert net.num_layers == 2
        assert [param["running_var"].tolist() for param in net.bn_params] == [[var] * 4]
