"""What `observe` sees is there, computed here in another way; and the training doesn't notice."""

import numpy as np
import pytest

from lab import Config, FullyConnectedNet, Training
from lab.nn import batchnorm_backward, batchnorm_forward, relu_backward, relu_forward
from lab.nn.layers import ACTIVATIONS, NORMALIZATIONS
from lab.nn.models.architecture import PLACEMENTS
from lab.probe import observe
from tests import device

SMALL = Config(
    train_size=60, val_size=30, hidden_dims=(20, 10, 15), batch_size=16, weight_scale=0.3, epochs=3,
    learning_rate=1e-2,
)  # fmt: skip
MANY = [
    *[SMALL.replace(normalization=normalization) for normalization in NORMALIZATIONS],
    *[SMALL.replace(activation=activation, normalization=None) for activation in ACTIVATIONS],
    SMALL.replace(noise=True, dropout_keep_ratio=0.7, reg=0.1, optimizer="momentum", dtype="float64"),
    SMALL.replace(noise=True, dropout_keep_ratio=0.7, normalization=None, augmentation="flip"),
    SMALL.replace(convention="pytorch", hidden_dims=(8, 8), batch_size=15),
    SMALL.replace(hidden_dims=()),
]
ARCHITECTURES = [
    *[SMALL.replace(model="residual", hidden_dims=(8,) * 3, placement=placement) for placement in PLACEMENTS],
    SMALL.replace(model="residual", hidden_dims=(8,) * 3, normalization=None, noise=True),
    SMALL.replace(model="convolutional", hidden_dims=(6, 4, 5)),
    SMALL.replace(model="convolutional", hidden_dims=(6, 4, 5), normalization="layernorm", activation="tanh"),
]
NAMES = ("gradient_norms", "update_ratios", "sizes", "silent", "input_vars", "is_off", "running_ratios")


def rms(x):
    return np.sqrt(np.mean(np.square(x, dtype=float), axis=-2))


def minibatch_pass(training):
    """What a copy of the training makes of its next minibatch, layer by layer: [(layer, in, out)]."""
    copy = training.branch()
    out = copy._taken(copy.minibatches.next()).reshape(-1, *copy.net.input_shape)
    seen = []
    for layer in copy.net.layers:
        before, out = out, layer.forward(out, training=True)
        seen.append((layer, before, out))
    return seen


def activations(training):
    """(in, out) of each activation function on the next minibatch."""
    return [(x, out) for layer, x, out in minibatch_pass(training) if layer.family == "activation"]


def advance(training, updates):
    for _, _ in zip(range(updates), training, strict=False):
        pass
    return training


# --- the training doesn't notice ------------------------------------------------------------------


@pytest.mark.parametrize("config", MANY + ARCHITECTURES, ids=Config.share)
def test_training_is_the_same_bit_for_bit(config):
    """Loss, accuracies, parameters and running statistics; and nothing stays wrapped."""
    plain, observed = Training.from_config(config), Training.from_config(config)
    pairs = [layer.functions for layer in observed.net.all_layers]
    list(plain)
    updates = 0
    while (signals := observe(observed)) is not None:
        updates += 1
        assert all(np.all(np.isfinite(getattr(signals, name))) for name in NAMES[:6])
    assert updates == plain.total_steps == observed.step
    np.testing.assert_array_equal(observed.loss, plain.loss)
    np.testing.assert_array_equal(observed.net.flat_params, plain.net.flat_params)
    assert observed.accuracies == plain.accuracies
    for one, other in zip(observed.net.all_layers, plain.net.all_layers, strict=True):
        np.testing.assert_equal(one.state(), other.state())
    assert [layer.functions for layer in observed.net.all_layers] == pairs


def test_a_pair_that_raises_is_unwrapped():
    calls = []

    def forward(x):
        calls.append(1)
        if len(calls) == 5:
            raise ZeroDivisionError
        return relu_forward(x)

    training = Training.from_config(SMALL, layers={"relu": (forward, relu_backward)})
    pairs = [layer.functions for layer in training.net.layers]
    with pytest.raises(ZeroDivisionError):
        list(iter(lambda: observe(training), None))
    assert [layer.functions for layer in training.net.layers] == pairs


# --- what is seen is there ------------------------------------------------------------------------


@pytest.mark.parametrize("config", [c for c in MANY if not c.augmentation], ids=Config.share)
@pytest.mark.parametrize("updates", [0, 3])  # after the first and the fourth update accuracy is measured
def test_sizes_and_shares_are_those_of_the_minibatch(config, updates):
    training = advance(Training.from_config(config), updates)
    expected = activations(training)
    signals = observe(training)
    assert len(expected) == len(config.hidden_dims)
    assert signals.sizes.shape == (len(expected), 3)
    for i, (x, out) in enumerate(expected):
        if config.activation in ("relu", "leaky_relu"):
            alive = (x > 0).any(axis=0)
            silent = 1 - alive.mean()
        else:
            alive = np.full(x.shape[1], True)
            slopes = {"tanh": 1 - out**2, "sigmoid": 4 * out * (1 - out), "identity": np.ones_like(out)}
            slope = slopes[config.activation]
            silent = (slope < 0.05).mean()
        expected_sizes = np.percentile(rms(out)[alive], [5, 50, 95], method="nearest")
        np.testing.assert_allclose(signals.sizes[i], expected_sizes, rtol=1e-5)
        np.testing.assert_allclose(signals.silent[i], silent)


@pytest.mark.parametrize("members", [{}, {"seed": [1, 2]}])
def test_channels_are_units(members):
    """Of a convolution: what a channel holds at all positions of all samples."""
    config = SMALL.replace(model="convolutional", hidden_dims=(6, 4), data_seed=0, noise=True)
    training = advance(Training.from_config(config, **members), 2)
    passed = minibatch_pass(training)
    signals, lead = observe(training), tuple(len(seeds) for seeds in members.values())
    assert signals.sizes.shape == (*lead, 2, 3)
    assert signals.gradient_norms.shape == (*lead, 3)
    activations = [(x, out) for layer, x, out in passed if layer.family == "activation"]
    entering = [x for layer, x, _ in passed if layer.family == "normalization"]
    for i, (x, out) in enumerate(activations):
        for member in np.ndindex(lead):
            channels = np.moveaxis(x[member], 1, 0).reshape(x.shape[-3], -1)
            alive = (channels > 0).any(axis=1)
            sizes = np.sqrt(np.square(np.moveaxis(out[member], 1, 0).reshape(len(alive), -1)).mean(axis=1))
            expected = np.percentile(sizes[alive], [5, 50, 95], method="nearest")
            np.testing.assert_allclose(signals.sizes[(*member, i)], expected, rtol=1e-4)
            np.testing.assert_allclose(signals.silent[(*member, i)], 1 - alive.mean())
            variances = np.moveaxis(entering[i][member], 1, 0).reshape(len(alive), -1).var(axis=1)
            expected = np.percentile(variances, 50, method="nearest")
            np.testing.assert_allclose(signals.input_vars[(*member, i)], expected, rtol=1e-4)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_normalization_of_a_block_is_that_in_front_of_its_activation(placement):
    config = SMALL.replace(model="residual", hidden_dims=(8,) * 3, placement=placement)
    training = Training.from_config(config)
    signals = observe(training)
    assert signals.sizes.shape == (3, 3)
    assert signals.gradient_norms.shape == (5,)
    kinds = [layer for layer in training.net.all_layers if layer.family in ("normalization", "activation")]
    firsts = [kinds[kinds.index(one) - 1] for one in kinds if one.family == "activation"]
    assert signals.running_ratios.shape == (3, 3)
    if placement == "post":  # nothing has been normalized in front of the first block
        assert np.isnan(signals.running_ratios[0]).all()
        firsts = firsts[1:]
    assert all(one.family == "normalization" for one in firsts)


@pytest.mark.parametrize("normalization", [None, "batchnorm", "layernorm", "batchnorm+weightstd"])
def test_variance_of_what_enters(normalization):
    """Into the normalization, or into the activation function where there is none."""
    training = advance(Training.from_config(SMALL.replace(normalization=normalization, noise=True)), 4)
    layers = minibatch_pass(training)
    wanted = [
        x for layer, x, _ in layers
        if layer.family == ("normalization" if normalization else "activation")
    ]  # fmt: skip
    expected = [np.percentile(x.var(axis=0), 50, method="nearest") for x in wanted]
    np.testing.assert_allclose(observe(training).input_vars, expected, rtol=1e-4)


@pytest.mark.parametrize("config", [SMALL, SMALL.replace(reg=0.5, normalization="weightstd")])
def test_gradients_and_updates(config):
    training = advance(Training.from_config(config), 2)
    copy = training.branch()
    rows = copy.minibatches.next()
    _, gradients = copy.net.loss(copy._X[rows], copy._y[rows])
    before = training.net.params.copy()
    signals = observe(training)
    names = ["W1", "W2", "W3", "W4"]
    norms = [np.linalg.norm(gradients[name].astype(float)) for name in names]
    np.testing.assert_allclose(signals.gradient_norms, norms, rtol=1e-5)
    ratios = [
        np.linalg.norm((training.net.params[name] - before[name]).astype(float))
        / np.linalg.norm(before[name])
        for name in names
    ]
    np.testing.assert_allclose(signals.update_ratios, np.log10(ratios), rtol=1e-5)


def test_an_update_of_nothing_is_minus_infinity():
    assert (observe(Training.from_config(SMALL.replace(learning_rate=0.0))).update_ratios == -np.inf).all()


def test_batch_norm_is_off_where_its_variance_is_near_eps():
    """At weight scale 1e-4 only the first layer gets a variance well above eps from the data, if any; an eps
    of zero is never near."""
    small = SMALL.replace(weight_scale=1e-4, hidden_dims=(50,) * 4)
    signals = observe(Training.from_config(small))
    assert signals.is_off[1:].all()
    var = signals.input_vars[0]
    for eps, is_off in ((var / 9.9, True), (var / 10.1, False)):
        assert observe(Training.from_config(small.replace(eps=eps))).is_off[0] == is_off
    assert not observe(Training.from_config(small.replace(eps=1e-25))).is_off.any()
    assert not observe(Training.from_config(small.replace(normalization=None))).is_off.any()
    assert not observe(Training.from_config(small.replace(normalization="layernorm"))).is_off.any()


def test_running_ratios_compare_with_what_test_mode_uses():
    """From zero with momentum 0.9 the first running variance is a tenth of the minibatch's."""
    training = Training.from_config(SMALL)
    np.testing.assert_allclose(observe(training).running_ratios, 10**0.5, rtol=1e-4)
    entering = [x for layer, x, _ in minibatch_pass(training) if layer.family == "normalization"]
    signals = observe(training)
    for i, (x, param) in enumerate(zip(entering, training.net.bn_params, strict=True)):
        ratios = np.sqrt(x.var(axis=0) / param["running_var"])
        expected = np.percentile(ratios, [5, 50, 95], method="nearest")
        np.testing.assert_allclose(signals.running_ratios[i], expected, rtol=1e-4)


@pytest.mark.parametrize("normalization", [None, "layernorm", "groupnorm", "weightstd"])
def test_no_running_statistics(normalization):
    assert observe(Training.from_config(SMALL.replace(normalization=normalization))).running_ratios is None


def test_histogram_of_what_enters_the_activation_function():
    training = Training.from_config(SMALL)
    x = activations(training)[1][0]
    edges, shares = observe(training).histogram(2, bins=7)
    counts, expected_edges = np.histogram(x, 7)
    np.testing.assert_allclose(edges, expected_edges, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(shares, counts / x.size)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e30, 1e-310])
def test_histogram_of_one_value_alone(value):
    """All of it in one bin, and edges that grow."""
    layers = {"batchnorm": (lambda x, gamma, beta, param: (np.full_like(x, value), x), _no_gradient)}
    training = Training.from_config(SMALL.replace(dtype="float64"), layers=layers)
    edges, shares = observe(training).histogram(1)
    assert edges.shape == (41,)
    assert (np.diff(edges) > 0).all()
    assert shares.max() == shares.sum() == 1


def _no_gradient(dout, cache):
    return np.zeros_like(dout), np.zeros(dout.shape[1]), np.zeros(dout.shape[1])


@pytest.mark.parametrize("layer", [0, 4, 1.5])
def test_histogram_of_a_layer_that_is_not_there(layer):
    with pytest.raises(ValueError, match="layer must be a whole number from 1 to 3, not"):
        observe(Training.from_config(SMALL)).histogram(layer)


# --- dead and diverged ----------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_dead_units_have_no_size(activation):
    """One layer is dead as a whole, another by half; sizes are those of the living half."""
    training = Training.from_config(SMALL.replace(normalization=None, activation=activation))
    training.net.params["b1"][...] = np.where(np.arange(20) % 2, 0, -1e3)
    training.net.params["b3"][...] = -1e6
    _, out = activations(training)[0]
    signals = observe(training)
    assert signals.silent_word == "dead"
    assert signals.silent[0] == 0.5
    assert signals.silent[2] == 1
    alive = rms(out)[1::2]
    np.testing.assert_allclose(signals.sizes[0], np.percentile(alive, [5, 50, 95], method="nearest"), 1e-5)
    assert np.isnan(signals.sizes[2]).all()


def test_units_that_are_never_positive_are_dead():
    """Zero isn't positive."""
    signals = observe(Training.from_config(SMALL.replace(normalization=None, weight_scale=0)))
    np.testing.assert_array_equal(signals.silent, [1, 1, 1])
    assert np.isnan(signals.sizes).all()


@pytest.mark.parametrize(("activation", "bound"), [("tanh", 2.178), ("sigmoid", 4.357)])
def test_saturated_entries(activation, bound):
    """Beyond the input where the slope falls under 5 % of its greatest value."""
    training = Training.from_config(SMALL.replace(normalization=None, activation=activation, weight_scale=0))
    for size, share in ((1.001, 1), (0.999, 0)):
        branch = training.branch()
        branch.net.params["b1"][...] = bound * size
        branch.net.params["b2"][...] = -bound * size
        signals = observe(branch)
        assert signals.silent_word == "saturated"
        np.testing.assert_array_equal(signals.silent, [share, share, 0])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", [None, "batchnorm"])
@pytest.mark.filterwarnings("error")
def test_divergence_is_a_result(activation, normalization):
    """nan or inf where the numbers have left the scale, and neither a warning nor an exception."""
    training = Training.from_config(SMALL.replace(activation=activation, normalization=normalization))
    training.net.params["W1"][...] = np.nan
    signals = observe(training)
    assert np.isnan(signals.sizes).all()
    assert np.isnan(signals.silent).all()
    assert np.isnan(signals.input_vars).all()
    assert not signals.is_off.any()
    assert np.isnan(signals.gradient_norms).all()
    assert signals.histogram(1)[1].sum() == 0
    assert observe(training) is None
    training = Training.from_config(SMALL.replace(activation=activation, normalization=normalization))
    training.net.params["W1"][...] = 1e38
    signals = observe(training)
    for name in NAMES:
        getattr(signals, name)
    signals.histogram(1)


def test_squares_of_a_vanishing_signal_are_not_lost():
    """Ten layers down the activations are 1e-30, and their gradients too: squares would leave float32."""
    config = SMALL.replace(hidden_dims=(20,) * 10, weight_scale=1e-4, normalization=None)
    signals = observe(Training.from_config(config))
    last = signals.sizes[-1, 1]
    assert 0 < last < 1e-24
    assert (signals.gradient_norms[:5] > 0).all()
    assert (signals.input_vars > 0).all()


# --- whatever the network -------------------------------------------------------------------------


def test_own_pair_that_works_in_place_is_seen_as_it_was_called():
    """What went in is kept before the pair overwrites it."""

    def forward(x, gamma, beta, bn_param):
        out, cache = batchnorm_forward(x.copy(), gamma, beta, bn_param)
        x[...] = out
        return x, cache

    own = Training.from_config(SMALL, layers={"batchnorm": (forward, batchnorm_backward)})
    ours = Training.from_config(SMALL)
    np.testing.assert_allclose(observe(own).input_vars, observe(ours).input_vars, rtol=1e-6)
    np.testing.assert_allclose(observe(own).running_ratios, observe(ours).running_ratios, rtol=1e-2)


@pytest.mark.parametrize("own", [False, True])
def test_population_has_one_more_axis(own):
    """Each member's signals are those of the network alone, for the lab's pairs and for own ones."""
    scales, eps = [1e-3, 0.1, 1.0], [1e-5, 1e-2, 10.0]
    layers = {"batchnorm": (batchnorm_forward, batchnorm_backward)} if own else None
    population = Training.from_config(SMALL, layers=layers, weight_scale=scales, eps=eps)
    of_all = observe(population)
    for k, (scale, member_eps) in enumerate(zip(scales, eps, strict=True)):
        alone = observe(Training.from_config(SMALL.replace(weight_scale=scale, eps=member_eps)))
        for name in NAMES:
            together, expected = getattr(of_all, name), getattr(alone, name)
            assert together.shape == (3, *expected.shape)
            np.testing.assert_allclose(together[k], expected, rtol=1e-3, err_msg=name)
        for together, expected in zip(of_all.histogram(2), alone.histogram(2), strict=True):
            np.testing.assert_allclose(together[k], expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("members", [{"eps": [1e-3]}, {"learning_rate": [0.1, 0.2]}])
def test_population_of_one_and_of_one_setting(members):
    """eps may be by member or one for all."""
    signals = observe(Training.from_config(SMALL, **members))
    assert signals.is_off.shape == (len(*members.values()), 3)


def test_network_on_a_device():
    """Only what is seen is read back."""
    data = Training.from_config(SMALL)
    arrays = {
        "X_train": data._X,
        "y_train": data._y,
        "X_val": data._measured["val"][0],
        "y_val": data._measured["val"][1],
    }
    nets = [
        FullyConnectedNet([8, 8], 64, 10, normalization="batchnorm", seed=0, xp=xp) for xp in (np, device)
    ]
    host, there = (observe(Training(net, arrays)) for net in nets)
    for name in NAMES:
        np.testing.assert_allclose(getattr(there, name), getattr(host, name), rtol=1e-4)


class Logistic:
    """The course's face alone: a bias and a matrix."""

    def __init__(self):
        self.params = {"b": np.zeros(10), "w": np.full((64, 10), 0.5)}

    def loss(self, X, y=None):
        scores = X.reshape(len(X), -1) @ self.params["w"] + self.params["b"]
        return scores if y is None else (1.0, {"b": np.ones(10), "w": np.full((64, 10), 2.0)})


def test_network_of_somebody_else():
    """Its matrices are seen, and that is all."""
    data = Training.from_config(SMALL)
    arrays = {"X_train": data._X, "y_train": data._y, "X_val": data._X, "y_val": data._y}
    signals = observe(Training(Logistic(), arrays, optimizer="sgd", learning_rate=0.025))
    np.testing.assert_allclose(signals.gradient_norms, [2 * 640**0.5])
    np.testing.assert_allclose(signals.update_ratios, [-1])
    assert signals.sizes.shape == (0, 3)
    assert signals.silent.shape == signals.is_off.shape == (0,)
    assert signals.running_ratios is None
