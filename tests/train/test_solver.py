"""The course's Solver, and models that somebody else wrote."""

import re

import numpy as np
import pytest

from lab import FullyConnectedNet, Solver, load


@pytest.fixture(scope="module")
def data():
    digits = load("digits", train_size=200, val_size=60)
    return {name: digits[name] for name in ("X_train", "y_train", "X_val", "y_val")}


def net(**settings):
    return FullyConnectedNet(
        [20, 20], 64, 10, weight_scale=0.1, normalization="batchnorm", seed=0, **settings
    )


def solver_of(model, data, **settings):
    defaults = {"num_epochs": 5, "batch_size": 25, "update_rule": "adam", "verbose": False}
    return Solver(model, data, **{**defaults, **settings})


def test_histories_have_the_course_s_lengths(data):
    solver = solver_of(net(), data, optim_config={"learning_rate": 1e-2})
    solver.train()
    assert len(solver.loss_history) == 40
    assert len(solver.train_acc_history) == len(solver.val_acc_history) == 6
    assert solver.best_val_acc == max(solver.val_acc_history) > 0.6


def test_the_model_is_left_as_it_was_at_its_best(data):
    model = net()
    solver = solver_of(model, data, optim_config={"learning_rate": 0.05}, num_epochs=8)
    solver.train()
    right = model.loss(data["X_val"]).argmax(axis=1) == data["y_val"]
    assert right.mean() == pytest.approx(solver.best_val_acc)
    assert solver.check_accuracy(data["X_val"], data["y_val"], batch_size=7) == pytest.approx(
        solver.best_val_acc
    )
    for name, best in solver.best_params.items():
        np.testing.assert_array_equal(model.params[name], best)


def test_accuracy_can_be_checked_on_a_sample(data):
    solver = solver_of(net(), data)
    labels = np.zeros(200, int)
    expected = (solver.model.loss(data["X_train"]).argmax(axis=1) == 0).mean()
    samples = [solver.check_accuracy(data["X_train"], labels, num_samples=50) for _ in range(40)]
    assert len(set(samples)) > 1
    assert np.mean(samples) == pytest.approx(expected, abs=0.05)


def test_training_leaves_the_global_random_stream_where_its_minibatches_left_it(data):
    np.random.seed(3)
    solver_of(FullyConnectedNet([5], 64, 10), data, num_epochs=2).train()
    after = np.random.rand()
    np.random.seed(3)
    FullyConnectedNet([5], 64, 10)
    for _ in range(16):
        np.random.choice(200, 25)
    assert after == np.random.rand()


def test_it_prints_as_courses_do(data, capsys):
    solver_of(net(), data, num_epochs=1, verbose=True, print_every=4).train()
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\(Iteration 1 / 8\) loss: \d\.\d{6}", lines[0])
    assert re.fullmatch(r"\(Epoch 0 / 1\) train acc: 0\.\d{6}; val_acc: 0\.\d{6}", lines[1])
    assert lines[2].startswith("(Iteration 5 / 8)")
    assert lines[3].startswith("(Epoch 1 / 1)")
    assert len(lines) == 4


def test_a_second_call_goes_on(data):
    solver = solver_of(net(), data, num_epochs=2)
    solver.train()
    solver.train()
    assert len(solver.loss_history) == 32


def test_lr_decay_multiplies_the_rate_after_each_epoch(data):
    solver = solver_of(net(), data, update_rule="sgd", optim_config={"learning_rate": 0.1}, lr_decay=0.5)
    training = solver.training
    rates = []
    for _ in training:
        rates.append(training._rate())
    assert rates[0] == 0.1
    assert rates[-1] == pytest.approx(0.1 * 0.5**5)


@pytest.mark.parametrize("rule", ["sgd", "sgd_momentum", "rmsprop", "adam"])
def test_every_rule_learns_at_its_usual_rate(rule, data):
    solver = solver_of(net(), data, update_rule=rule, num_epochs=25)
    solver.train()
    assert solver.loss_history[-1] < 0.8 * solver.loss_history[0]


def test_an_unknown_rule_or_coefficient_is_refused(data):
    with pytest.raises(
        ValueError, match="update_rule must be one of sgd, sgd_momentum, rmsprop, adam, not 'adamw'"
    ):
        solver_of(net(), data, update_rule="adamw")
    with pytest.raises(ValueError, match="optim_config has no 'beta'; it has: beta1, beta2, epsilon"):
        solver_of(net(), data, optim_config={"beta": 1})


@pytest.mark.parametrize("name", ["num_train_samples", "num_val_samples"])
def test_accuracy_is_measured_on_a_sample_at_least(name, data):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 on, not -1"):
        solver_of(net(), data, **{name: -1})


class TheirNet:
    """Softmax regression, as somebody may write it for a course: one dict, gradients in another order."""

    def __init__(self):
        self.params = {"W": np.zeros((64, 10)), "b": np.zeros(10)}

    def loss(self, X, y=None):
        scores = X @ self.params["W"] + self.params["b"]
        if y is None:
            return scores
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(X)), y]).mean()
        p[np.arange(len(X)), y] -= 1
        return loss, {"b": p.mean(axis=0), "W": X.T @ p / len(X)}


def test_it_trains_any_model_with_loss_and_params(data):
    model = TheirNet()
    solver = solver_of(model, data, optim_config={"learning_rate": 1e-2}, num_epochs=10)
    solver.train()
    assert solver.best_val_acc > 0.85
    assert (model.loss(data["X_val"]).argmax(axis=1) == data["y_val"]).mean() == pytest.approx(
        solver.best_val_acc
    )


def test_a_borrowed_model_is_branched_and_restored(data):
    training = solver_of(TheirNet(), data).training
    next(iter(training))
    branch, state = training.branch(), training.state()
    for _ in range(5):
        next(iter(training))
    assert branch.net.model is not training.net.model
    assert np.abs(branch.net.model.params["W"] - training.net.model.params["W"]).max() > 0
    ahead = training.net.flat_params.copy()
    training.load_state(state)
    np.testing.assert_array_equal(training.net.model.params["W"], branch.net.model.params["W"])
    for _ in range(5):
        next(iter(training))
    np.testing.assert_array_equal(training.net.flat_params, ahead)


def test_a_model_without_loss_or_params_is_refused(data):
    with pytest.raises(ValueError, match=r"needs \.loss\(X, y\) and \.params; object lacks"):
        solver_of(object(), data)
