"""Loss and gradient at any weights, and a run that goes on as if nobody had asked."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import Config, FullyConnectedNet, Solver, Training
from lab.data import augment
from lab.nn.backend import to_host
from lab.nn.layers import NORMALIZATIONS
from lab.nn.models.architecture import PLACEMENTS
from lab.train.loop import MOST_SHIFT
from lab.train.samples import load_data
from lab.train.sweep import POPULATION_FIELDS
from tests import device

SMALL = Config(
    train_size=60, val_size=20, hidden_dims=(8, 6), num_groups=2, batch_size=16, epochs=4, weight_scale=0.3,
    reg=1e-3,
)  # fmt: skip
MEMBERS = {
    "weight_scale": [0.1, 0.3, 1.0], "learning_rate": [1e-3, 1e-2, 0.0], "reg": [0.0, 0.1, 1.0],
    "eps": [1e-5, 0.1, 1.0], "seed": [3, 4, 5],
}  # fmt: skip
ARCHITECTURES = (
    {},
    *({"model": "residual", "hidden_dims": (8, 8), "placement": placement} for placement in PLACEMENTS),
    {"model": "convolutional", "hidden_dims": (4, 2)},
)
configs = st.builds(
    lambda architecture, **fields: SMALL.replace(**architecture, **fields),
    architecture=st.sampled_from(ARCHITECTURES),
    normalization=st.sampled_from(NORMALIZATIONS),
    noise=st.sampled_from([None, True]),
    dropout_keep_ratio=st.sampled_from([1.0, 0.7]),
    augmentation=st.sampled_from([None, "flip+shift"]),
    sampling=st.sampled_from(["epoch", "with_replacement"]),
    optimizer=st.sampled_from(["momentum", "adam"]),
    dtype=st.sampled_from(["float32", "float64"]),
    data_seed=st.integers(0, 3),
)
populations = st.none() | st.sampled_from(POPULATION_FIELDS)


@cache
def digits():
    """Loaded once: a property test makes many runs."""
    return load_data(SMALL)


def run_of(config, field, updates):
    members = {} if field is None else {field: MEMBERS[field]}
    return advance(Training.from_config(config, digits(), **members), updates)


def advance(training, updates):
    for _, _ in zip(range(updates), training, strict=False):
        pass
    return training


def assert_same(one, other):
    """Equal bit for bit, whatever dicts, lists and arrays they are made of."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        for part, of_other in zip(one, other, strict=True):
            assert_same(part, of_other)
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    elif isinstance(one, device.ndarray):
        assert_same(one.get(), other.get())
    elif isinstance(one, np.random.Generator):
        assert_same(one.bit_generator.state, other.bit_generator.state)
    else:
        assert one == other


def everything(training):
    """All that an update depends on or leaves, `np.random` included."""
    _ = training.accuracies  # a state measures what is due
    return [training.state(), training.net.flat_gradient.copy(), np.random.get_state()]


def other_weights(training, seed=0):
    flat = training.net.flat_params
    rng = np.random.default_rng(seed)
    return (to_host(flat) + 0.1 * rng.normal(size=flat.shape)).astype(flat.dtype)


def assert_leaves_no_trace(training, **arguments):
    """Neither in its state, nor in the next updates, which are those of an untouched twin."""
    twin, before = training.branch(), everything(training)
    found = training.evaluate(**arguments)
    assert_same(everything(training), before)
    assert found.gradient.shape == training.net.flat_params.shape
    kept = to_host(found.gradient).copy(), to_host(found.loss).copy()
    advance(training, 6), advance(twin, 6)
    assert_same(everything(training), everything(twin))
    assert_same((to_host(found.gradient), to_host(found.loss)), kept)  # arrays of their own
    return found


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("field", [None, *POPULATION_FIELDS])
@settings(max_examples=5)
@given(config=configs, updates=st.integers(0, 9))
@pytest.mark.product(every=5)
def test_it_finds_what_the_next_update_finds(normalization, field, config, updates):
    training = run_of(config.replace(normalization=normalization), field, updates)
    loss, gradient = training.evaluate()
    assert np.abs(gradient).max() > 0
    advance(training, 1)
    np.testing.assert_array_equal(np.asarray(loss, float), training.loss[-1])
    np.testing.assert_array_equal(gradient, training.net.flat_gradient)


@settings(max_examples=40)
@given(
    configs,
    populations,
    st.integers(0, 9),
    st.booleans(),
    st.none() | st.lists(st.integers(0, 59), min_size=2),
)
def test_it_leaves_no_trace(config, field, updates, are_others, rows):
    training = run_of(config, field, updates)
    assert_leaves_no_trace(training, weights=other_weights(training) if are_others else None, rows=rows)


@settings(max_examples=15)
@given(configs, populations)
def test_at_other_weights_it_finds_what_a_run_with_those_finds(config, field):
    training = run_of(config, field, 4)
    weights = other_weights(training)
    moved = training.branch()
    moved.net.flat_params[...] = weights
    found, expected, here = training.evaluate(weights), moved.evaluate(), training.evaluate()
    assert_same(found, expected)
    assert np.abs(found.gradient - here.gradient).max() > 0
    assert_same(training.evaluate(training.net.flat_params), here)


@pytest.mark.parametrize("field", [None, "weight_scale"])
def test_the_gradient_is_that_of_the_loss(field):
    """Against differences along a random direction, with dropout and noise that stand still."""
    config = SMALL.replace(dtype="float64", activation="tanh", noise=True, dropout_keep_ratio=0.7)
    training, rng, h = run_of(config, field, 3), np.random.default_rng(0), 1e-5
    w = training.net.flat_params.copy()
    direction = rng.normal(size=w.shape)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    ahead, behind = (training.evaluate(w + step * direction).loss for step in (h, -h))
    slope = (training.evaluate().gradient * direction).sum(axis=-1)
    assert np.abs(slope).min() > 1e-4
    np.testing.assert_allclose((ahead - behind) / (2 * h), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("augmentation", [None, "flip+shift"])
def test_rows_are_training_samples_as_they_are(augmentation):
    training = run_of(SMALL.replace(augmentation=augmentation), None, 2)
    rows = [5, 0, 5, 59, 7]
    with training.net.frozen():
        expected = training.net.backpropagate(training._X[rows], training._y[rows])
    assert training.evaluate(rows=rows).loss == expected
    assert training.evaluate(rows=np.array(rows, np.uint8)).loss == expected
    assert training.evaluate(rows=rows[:4]).loss != expected


def test_the_next_minibatch_is_augmented_as_the_run_does_it():
    training = run_of(SMALL.replace(augmentation="flip+shift"), None, 2)
    twin = training.branch()
    rows = twin.minibatches.next()
    X = augment(twin._X[rows], twin._augmentation_rng, (1, 8, 8), True, MOST_SHIFT)
    assert training.evaluate().loss == twin.net.backpropagate(X, twin._y[rows])


def test_streams_that_are_all_np_random_s_come_back():
    """As in a course notebook: weights, minibatches, dropout and noise draw from one stream."""
    np.random.seed(3)
    net = FullyConnectedNet([8], 64, 10, dropout_keep_ratio=0.7, noise=True, normalization="batchnorm")
    training = advance(Solver(net, digits(), batch_size=20, update_rule="adam").training, 3)
    before = everything(training)
    found = training.evaluate()
    training.evaluate(other_weights(training), [1, 2, 3])
    assert_same(everything(training), before)
    advance(training, 1)
    assert training.loss[-1] == found.loss
    np.testing.assert_array_equal(training.net.flat_gradient, found.gradient)


def test_an_own_pair_that_draws_from_np_random_draws_the_same_afterwards():
    def noisy_forward(x):
        return x * (mask := np.random.rand(*x.shape) < 0.8), mask

    def noisy_backward(dout, mask):
        return dout * mask

    training = advance(Training.from_config(SMALL, layers={"relu": (noisy_forward, noisy_backward)}), 2)
    before = everything(training)
    found = training.evaluate()
    assert_same(everything(training), before)
    advance(training, 1)
    assert training.loss[-1] == found.loss


class TheirNet:
    """Softmax regression with all that a model may keep: a running mean, a cache, two sources of noise."""

    def __init__(self, input_dim, num_classes, seed):
        self.params = {"W": np.zeros((input_dim, num_classes), np.float32), "b": np.zeros(num_classes)}
        self.running = {"mean": np.zeros(input_dim), "calls": 0}
        self.rng, self.reg = np.random.default_rng(seed), 0.0

    def loss(self, X, y=None):
        if y is None:
            return (X - self.running["mean"]) @ self.params["W"] + self.params["b"]
        self.last = X - X.mean(axis=0) + 0.1 * self.rng.normal(size=X.shape) + 0.1 * np.random.randn(*X.shape)
        self.running["mean"] *= 0.9
        self.running["mean"] += 0.1 * X.mean(axis=0)
        self.running["calls"] += 1
        scores = self.last @ self.params["W"] + self.params["b"]
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(X)), y]).mean() + 0.5 * self.reg * (self.params["W"] ** 2).sum()
        p[np.arange(len(X)), y] -= 1
        W = self.last.T @ p / len(X) + self.reg * self.params["W"]
        return loss, {"b": p.mean(axis=0), "W": W}


@pytest.mark.parametrize("updates", [0, 5])
@pytest.mark.parametrize("augmentation", [None, "flip+shift"])
def test_the_model_of_somebody_else_is_left_as_it_was(augmentation, updates):
    """Nothing is added to it either, and what it holds are the same objects as before."""
    training = advance(Training.from_config(SMALL.replace(augmentation=augmentation), net=TheirNet), updates)
    model = training.net.model
    before, held = everything(training), dict(vars(model))
    found = training.evaluate()
    at_others = training.evaluate(other_weights(training), [4, 4, 9])
    assert_same(everything(training), before)
    assert training.net.model is model
    assert vars(model).keys() == held.keys()
    assert all(vars(model)[name] is value for name, value in held.items())
    assert at_others.loss != found.loss
    advance(training, 1)
    assert training.loss[-1] == found.loss
    np.testing.assert_array_equal(training.net.flat_gradient, found.gradient)


def test_the_parameters_of_a_frozen_model_can_be_moved_and_read():
    """The network's own `frozen` leaves parameters alone, too."""
    net = Training.from_config(SMALL, net=TheirNet).net
    with net.frozen() as frozen:
        frozen.flat_params += 1
        assert (frozen.model.params["W"] == 1).all()
    assert (net.model.params["W"] == 1).all()
    net.flat_params += 1
    assert (net.model.params["W"] == 2).all()


def test_a_frozen_model_draws_the_same_each_time():
    training = advance(Training.from_config(SMALL, net=TheirNet), 2)
    X, y, losses = training._X[:9], training._y[:9], []
    for _ in range(2):
        with training.net.frozen() as frozen:
            losses.append(frozen.backpropagate(X, y))
    assert losses[0] == losses[1] == training.net.backpropagate(X, y)


def on(xp, **settings):
    data = {f"X_{part}": np.random.default_rng(0).normal(size=(64, 6)) for part in ("train", "val")}
    data |= {f"y_{part}": np.arange(64) % 3 for part in ("train", "val")}
    net = FullyConnectedNet(
        [8], 6, 3, normalization="batchnorm", noise=True, dropout_keep_ratio=0.8, reg=0.1, seed=0, xp=xp,
        dtype=np.float64, **settings,
    )  # fmt: skip
    return advance(Training(net, data, batch_size=16, epochs=3), 3)


@pytest.mark.parametrize("members", [{}, {"weight_scale": [0.1, 0.2]}], ids=["single", "population"])
@pytest.mark.parametrize("rows", [None, [3, 1, 60]])
def test_on_a_device_nothing_is_read_and_nothing_left(members, rows):
    here, there = on(np, **members), on(device, **members)
    weights = other_weights(here)
    before = device.host_reads
    found = there.evaluate(weights, rows), there.evaluate(device.asarray(weights), rows)
    assert device.host_reads == before
    for loss, gradient in found:
        np.testing.assert_allclose(to_host(loss), here.evaluate(weights, rows).loss, rtol=1e-9)
        np.testing.assert_allclose(to_host(gradient), here.evaluate(weights, rows).gradient, rtol=1e-9)
    assert_leaves_no_trace(there, weights=weights, rows=rows)


def test_weights_that_diverge_give_what_is_not_finite_and_no_record():
    training = run_of(SMALL.replace(normalization=None), None, 2)
    found = training.evaluate(np.full(training.net.flat_params.shape, 1e38))
    assert not np.isfinite(found.loss)
    assert training.diverged_at is None
    assert np.isfinite(training.net.flat_params).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": np.zeros(3)}, r"weights must have shape \(\d+,\), not \(3,\)"),
        ({"weights": 0.5}, r"weights must have shape \(\d+,\), not \(\)"),
        ({"rows": [0, 60]}, r"rows must lie in 0 \.\. 59, not in 0 \.\. 60"),
        ({"rows": [-1, 3]}, r"rows must lie in 0 \.\. 59, not in -1 \.\. 3"),
        ({"rows": []}, "rows must be a list of whole numbers, and at least one"),
        ({"rows": 3}, r"rows must be a list of whole numbers, .* not int64 of shape \(\)"),
        ({"rows": [0.5, 1]}, "rows must be a list of whole numbers, .* not float64"),
        ({"rows": [True, False]}, "rows must be a list of whole numbers, .* not bool"),
        ({"rows": [4]}, "batch of one|at least two|one row"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_and_leaves_no_trace(arguments, message):
    training = run_of(SMALL, None, 2)
    before = everything(training)
    with pytest.raises(ValueError, match=message):
        training.evaluate(**arguments)
    assert_same(everything(training), before)


def test_a_finished_run_has_no_next_minibatch_but_its_samples_still():
    training = run_of(SMALL, None, 100)
    with pytest.raises(ValueError, match="the run is finished and has no next minibatch: rows must say"):
        training.evaluate()
    before = everything(training)
    assert np.isfinite(training.evaluate(rows=[0, 1, 2]).loss)
    assert_same(everything(training), before)
