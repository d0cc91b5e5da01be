"""The training loop: one source of randomness, explicit state, divergence as a result."""

import copy
import os

import numpy as np
import pytest

from lab import Config, FullyConnectedNet, Training
from lab.nn import relu_backward, relu_forward
from lab.nn.layers import NORMALIZATIONS
from lab.nn.models.architecture import PLACEMENTS
from lab.train.loop import POPULATION_FIELDS
from tests import device

SMALL = Config(
    train_size=200,
    val_size=60,
    hidden_dims=(20, 20),
    batch_size=16,
    epochs=4,
    weight_scale=0.1,
    learning_rate=1e-2,
)
EVERYTHING = SMALL.replace(
    noise=True, dropout_keep_ratio=0.8, reg=1e-3, schedule="cosine", augmentation="flip+shift"
)


def advance(training, updates):
    for _, _ in zip(range(updates), training, strict=False):
        pass
    return training


def test_iterating_counts_updates_and_accuracy_is_measured_after_the_first_and_each_epoch():
    training = Training.from_config(SMALL)
    assert training.minibatches.per_epoch == 13
    assert list(training) == list(range(1, 4 * 13 + 1))
    assert [a.update for a in training.accuracies] == [1, 13, 26, 39, 52]
    assert [a.epoch for a in training.accuracies] == [0, 1, 2, 3, 4]
    assert len(training.loss) == 52
    assert training.accuracies[-1].val > 0.8
    assert training.diverged_at is None


def test_accuracy_may_be_measured_bit_by_bit():
    """What was begun and given up is measured anew, once, whatever the number of samples at a time."""
    expected, training = advance(Training.from_config(SMALL), 13), Training.from_config(SMALL)
    advance(training, 1)
    assert len(list(training.measuring(50))) == 4 + 2
    assert list(training.measuring()) == []
    advance(training, 12)
    given_up = training.measuring(10)
    next(given_up)
    given_up.close()
    assert len(training.measured) == 1
    assert training.accuracies == expected.accuracies


def test_iteration_can_be_left_and_taken_up_again():
    whole, parts = Training.from_config(SMALL), Training.from_config(SMALL)
    list(whole)
    while not parts.is_done:
        advance(parts, 5)
    np.testing.assert_array_equal(parts.loss, whole.loss)


def test_a_pair_with_normalization_off_in_both_is_bit_equal():
    config = EVERYTHING.replace(normalization=None)
    one, other = Training.from_config(config), Training.from_config(config)
    for _ in zip(one, other, strict=True):
        pass
    np.testing.assert_array_equal(one.loss, other.loss)
    np.testing.assert_array_equal(one.net.flat_params, other.net.flat_params)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_twins_share_weights_and_minibatches(normalization):
    """Whatever the normalization, dropout and noise: the difference on the screen comes from the slider."""
    plain = Training.from_config(EVERYTHING.replace(normalization=None))
    other = Training.from_config(EVERYTHING.replace(normalization=normalization))
    for name in plain.net.params:
        np.testing.assert_array_equal(plain.net.params[name], other.net.params[name])
    for _ in range(30):
        np.testing.assert_array_equal(plain.minibatches.next(), other.minibatches.next())


every_architecture = pytest.mark.parametrize(
    "fields",
    [
        *({"optimizer": optimizer} for optimizer in ("sgd", "momentum", "rmsprop", "adam")),
        *({"model": "residual", "hidden_dims": (8,) * 5, "placement": p} for p in PLACEMENTS),
        {"model": "convolutional", "hidden_dims": (4, 2)},
    ],
    ids=lambda fields: "-".join(map(str, fields.values())),
)


@every_architecture
def test_a_restored_state_is_replayed_bit_for_bit(fields):
    training = advance(Training.from_config(EVERYTHING.replace(**fields, epochs=8)), 17)
    state = training.state()
    ahead = advance(training, 50).loss
    params = training.net.flat_params.copy()
    training.load_state(state)
    assert training.step == 17
    assert len(training.loss) == 17
    np.testing.assert_array_equal(advance(training, 50).loss, ahead)
    np.testing.assert_array_equal(training.net.flat_params, params)
    assert [a.update for a in training.accuracies] == [1, 13, 26, 39, 52, 65]


def test_a_state_can_be_restored_more_than_once():
    training = advance(Training.from_config(EVERYTHING), 10)
    state = training.state()
    first = advance(training, 20).loss
    training.load_state(state)
    advance(training, 7)
    training.load_state(state)
    np.testing.assert_array_equal(advance(training, 20).loss, first)


@every_architecture
def test_a_branch_goes_on_by_itself_and_leaves_its_origin_alone(fields):
    training = advance(Training.from_config(EVERYTHING.replace(**fields)), 10)
    branch = training.branch()
    advance(branch, 20)
    assert training.step == 10
    assert len(training.accuracies) == 1
    assert len(training.loss) == 10
    np.testing.assert_array_equal(advance(training, 20).loss, branch.loss)


def test_rate_and_l2_change_in_the_middle_of_a_run():
    training = advance(Training.from_config(SMALL), 10)
    branch = training.branch()
    branch.learning_rate, branch.reg = 0.0, 0.5
    before = branch.net.flat_params.copy()
    advance(branch, 1)
    np.testing.assert_array_equal(branch.net.flat_params, before)
    weights = [v for name, v in branch.net.params.items() if name[0] == "W"]
    expected = advance(training, 1).loss[-1] + 0.25 * sum((w.astype(float) ** 2).sum() for w in weights)
    np.testing.assert_allclose(branch.loss[-1], expected, rtol=1e-5)
    assert training.reg == 0.0


def test_a_schedule_sets_the_rate_of_each_update():
    config = SMALL.replace(optimizer="sgd", schedule="step", schedule_config={"every": 1, "factor": 0.0})
    training = advance(Training.from_config(config), 1)
    after_one = training.net.flat_params.copy()
    advance(training, 1)
    np.testing.assert_array_equal(training.net.flat_params, after_one)


def test_divergence_is_recorded_and_ends_the_run():
    config = SMALL.replace(normalization=None, optimizer="sgd", learning_rate=1e6)
    training = Training.from_config(config)
    list(training)
    assert training.is_done
    assert not np.isfinite(training.loss[training.diverged_at - 1])
    assert np.isfinite(training.loss[: training.diverged_at - 1]).all()
    assert training.step == training.diverged_at < training.total_steps


def test_a_member_that_diverges_does_not_disturb_the_others():
    config = SMALL.replace(normalization=None, optimizer="sgd", learning_rate=0.1)
    population = Training.from_config(config, learning_rate=[0.1, 1e7, 0.05])
    list(population)
    assert population.diverged_at[0] is None
    assert population.diverged_at[1] is not None
    assert population.loss.shape == (population.total_steps, 3)
    for k, rate in ((0, 0.1), (2, 0.05)):
        alone = Training.from_config(config.replace(learning_rate=rate))
        list(alone)
        np.testing.assert_allclose(population.loss[:, k], alone.loss, rtol=2e-3)
        assert abs(population.accuracies[-1].val[k] - alone.accuracies[-1].val) < 0.03


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam"])
@pytest.mark.parametrize(
    "members",
    [
        {"weight_scale": [0.01, 0.1, 0.3], "reg": [0.0, 1e-3, 1e-2]},
        {"eps": [1e-5, 0.1, 1.0], "seed": [3, 4, 5], "learning_rate": [1e-3, 1e-2, 0.0]},
    ],
)
def test_a_population_is_its_members(optimizer, members):
    config = SMALL.replace(optimizer=optimizer, dtype="float64", noise=True, data_seed=7, schedule="cosine")
    population = advance(Training.from_config(config, **members), 20)
    for k in range(3):
        own = {name: values[k] for name, values in members.items()}
        alone = advance(Training.from_config(config.replace(**own)), 20)
        np.testing.assert_allclose(population.loss[:, k], alone.loss, rtol=1e-7)
        np.testing.assert_allclose(population.net.flat_params[k], alone.net.flat_params, atol=1e-7)
        assert population.accuracies[-1].train[k] == pytest.approx(alone.accuracies[-1].train, abs=0.011)


def test_on_a_device_only_losses_and_accuracies_are_read_and_not_at_every_update():
    data = {f"X_{part}": np.random.default_rng(0).normal(size=(64, 6)) for part in ("train", "val")}
    data |= {f"y_{part}": np.arange(64) % 3 for part in ("train", "val")}
    losses = []
    for xp in (np, device):
        net = FullyConnectedNet([8], 6, 3, normalization="batchnorm", reg=0.1, seed=0, xp=xp)
        training = Training(net, data, batch_size=16, epochs=20)
        before = device.host_reads
        list(training)
        reads = device.host_reads - before
        losses.append(training.loss)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    measurements = 2 * len(training.accuracies)
    assert 0 < reads <= measurements + training.total_steps / 10 + 1


def test_training_samples_are_not_modified():
    X = np.random.default_rng(0).normal(size=(40, 3 * 4 * 4)).astype(np.float32)
    data = {
        "X_train": X.reshape(40, 3, 4, 4),
        "y_train": np.arange(40) % 2,
        "X_val": X,
        "y_val": np.arange(40) % 2,
    }
    before = copy.deepcopy(data)
    config = SMALL.replace(train_size=None, augmentation="flip+shift", batch_size=8)
    list(Training.from_config(config, data))
    for name, array in before.items():
        np.testing.assert_array_equal(data[name], array)


def test_augmentation_changes_what_is_trained_on():
    plain = advance(Training.from_config(SMALL), 5).loss
    augmented = advance(Training.from_config(SMALL.replace(augmentation="shift")), 5).loss
    assert not np.array_equal(plain, augmented)


def test_own_pairs_train_and_a_wrong_one_trains_wrongly():
    from lab import batchnorm_backward, batchnorm_forward

    def forgetful(dout, cache):
        return dout * 0, *batchnorm_backward(dout, cache)[1:]

    config = SMALL.replace(dtype="float64")
    lab = advance(Training.from_config(config), 20)
    right = Training.from_config(config, layers={"batchnorm": (batchnorm_forward, batchnorm_backward)})
    wrong = Training.from_config(config, layers={"batchnorm": (batchnorm_forward, forgetful)})
    np.testing.assert_allclose(advance(right, 20).loss, lab.loss, rtol=1e-7)
    assert advance(wrong, 20).loss[-1] > 1.2 * lab.loss[-1]


@pytest.mark.parametrize(
    ("change", "members", "message"),
    [
        ({"batch_size": 500, "train_size": 200}, {}, "batch_size is 500, but there are only 200"),
        ({}, {"batch_size": [10, 20]}, "members can't differ in 'batch_size', only in: weight_scale"),
        ({}, {"weight_scale": [0.1, 0.2], "seed": [1, 2, 3]}, "needs equally many members"),
        ({}, {"weight_scale": []}, "at least one"),
        (
            {},
            {"weight_scale": [0.1, 0.2], "learning_rate": [1, 2, 3]},
            "learning_rate has 3 values for 2 networks",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(change, members, message):
    with pytest.raises(ValueError, match=message):
        Training.from_config(SMALL.replace(**change), **members)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"weight_scale": [0.1, 0.2]},
            "net makes one network and no population: leave net or weight_scale out",
        ),
        ({"learning_rate": [0.1], "reg": [0.1]}, "leave net or learning_rate, reg out"),
        (
            {"layers": {"relu": (relu_forward, relu_backward)}},
            "net brings its own layers: leave net or layers",
        ),
        ({"layers": {}}, "leave net or layers out"),
        ({"net": 3}, "net must be a model .* or a class or function that makes one, not int"),
        ({"net": lambda my_depth: None}, "net needs 'my_depth', which no configuration has"),
    ],
)
def test_what_somebody_elses_network_would_not_hear_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Training.from_config(SMALL, **{"net": FullyConnectedNet, **arguments})


@pytest.mark.parametrize("net", [FullyConnectedNet, FullyConnectedNet([3], 64, 10, seed=0)])
def test_somebody_elses_network_does_not_move_to_another_backend(net):
    with pytest.raises(ValueError, match="net computes with NumPy: backend must be 'numpy' or 'auto', not"):
        Training.from_config(SMALL.replace(backend="cupy"), net=net)
    assert Training.from_config(SMALL.replace(backend="auto"), net=net).net.xp is np


@pytest.mark.parametrize("name", POPULATION_FIELDS)
@pytest.mark.parametrize("value", [1, np.float32(1), None, "1"])
def test_a_single_value_belongs_in_the_configuration(name, value):
    """The run would say that it was trained with another one."""
    with pytest.raises(ValueError, match=f"{name} must be a list with a value for each member, not "):
        Training.from_config(SMALL, **{name: value})


def test_a_pair_of_arrays_is_split_and_preprocessed():
    rng = np.random.default_rng(0)
    X, y = rng.normal(5, 3, (100, 4)), np.arange(100) % 2
    X[y == 1] += 4
    training = Training.from_config(SMALL.replace(batch_size=10, epochs=10), (X, y))
    list(training)
    assert training.accuracies[-1].val > 0.6


@pytest.mark.parametrize("labels", [np.arange(9), np.arange(9) - 1])
def test_labels_that_are_no_classes_are_refused(labels):
    data = {"X_train": np.ones((9, 4)), "y_train": labels, "X_val": np.ones((9, 4)), "y_val": labels % 2}
    with pytest.raises(ValueError, match="y_train must hold labels 0 to 4, not"):
        Training(FullyConnectedNet([3], 4, 5, seed=0), data, batch_size=3)


def test_augmentation_of_what_is_no_image_is_refused():
    data = {
        "X_train": np.ones((9, 4)),
        "y_train": np.zeros(9, int),
        "X_val": np.ones((9, 4)),
        "y_val": np.zeros(9, int),
    }
    with pytest.raises(ValueError, match="needs images"):
        Training(FullyConnectedNet([3], 4, 2, seed=0), data, batch_size=3, augmentation="flip")


def good_data():
    X, y = np.random.default_rng(0).normal(size=(12, 4)), np.arange(12) % 3
    return {"X_train": X, "y_train": y, "X_val": X, "y_val": y}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"y_train": np.zeros(7, int)},
            "y_train must be 12 whole numbers, one for each row of X_train, not int64 of",
        ),
        ({"y_val": np.zeros(12)}, "y_val must be 12 whole numbers, .* not float64"),
        ({"y_train": np.eye(12, dtype=int)}, r"y_train must be 12 whole numbers, .*shape \(12, 12\)"),
        ({"y_val": np.full(12, 3)}, "y_val must hold labels 0 to 2, not 3 to 3"),
        ({"X_val": np.ones((12, 5))}, "X_train has 4 features a sample and X_val 5"),
        ({"X_train": [["a"]]}, "X_train must be numbers of shape"),
        ({"X_train": np.ones((0, 4))}, "X_train must be numbers of shape"),
    ],
)
def test_data_that_does_not_fit_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        Training(FullyConnectedNet([3], 4, 3, seed=0), {**good_data(), **change}, batch_size=4)


def test_missing_data_is_named():
    data = good_data()
    del data["y_val"]
    with pytest.raises(ValueError, match="data needs X_train, y_train, X_val and y_val; y_val is missing"):
        Training(FullyConnectedNet([3], 4, 3, seed=0), data, batch_size=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling": "x"}, "sampling must be one of epoch, with_replacement, not 'x'"),
        ({"batch_size": -5}, "batch_size must be a whole number from 1 on, not -5"),
        ({"epochs": 1.5}, "epochs must be a whole number from 1 on, not 1.5"),
        ({"learning_rate": -1.0}, "learning_rate must be a number from 0 on"),
        ({"optimizer": "adamw"}, "optimizer must be one of sgd"),
        ({"schedule": "x"}, "schedule must be one of constant"),
        (
            {"augmentation": "rotate"},
            "augmentation must be one of None, flip, shift, flip.shift, not 'rotate'",
        ),
        ({"optim_config": []}, r"optim_config must be a dict of settings by name, not \[\]"),
        ({"schedule_config": 0}, "schedule_config must be a dict of settings by name, not 0"),
        ({"train_samples": 0.5}, "train_samples must be a whole number from 0 on, not 0.5"),
        ({"val_samples": -1}, "val_samples must be a whole number from 0 on, not -1"),
    ],
)
def test_a_training_that_cannot_be_is_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        Training(FullyConnectedNet([3], 4, 3, seed=0), good_data(), **{"batch_size": 4, **settings})


def test_a_run_on_own_data_says_so():
    training = Training.from_config(SMALL.replace(batch_size=4), good_data())
    assert training.config.dataset == "own data"


def test_a_small_data_set_is_taken_whole_and_a_large_one_up_to_1000():
    if "LAB_DATA" not in os.environ:
        pytest.skip("machine: LAB_DATA names no folder with the glass data")
    assert len(Training.from_config(Config(dataset="glass"))._y) == 130
    assert len(Training.from_config(Config(dataset="digits"))._y) == 1000


def test_a_class_that_takes_whatever_the_course_s_takes_gets_nothing_else():
    """Fields of other architectures aren't the course's."""
    given = {}

    class Mine(FullyConnectedNet):
        def __init__(self, hidden_dims, **settings):
            given.update(settings)
            super().__init__(hidden_dims, **settings)

    training = Training.from_config(SMALL.replace(epochs=1), net=Mine)
    assert not given.keys() & {"model", "placement", "width_factor", "config"}
    np.testing.assert_array_equal(training.net.flat_params, Training.from_config(SMALL).net.flat_params)
