"""The checks of the student's network, on layers that are right and on some that aren't."""

import numpy as np
import pytest

from lab.check import Exam, Variant, examine
from lab.check.assignments.normalization.zoo import strangers, zoo
from lab.nn import FullyConnectedNet
from tests.check.homework import VARIANTS, course, float32_inside, functions_of, network


def judged(cls, layers=None, exam=None):
    return examine("network", {**(layers or {}), "FullyConnectedNet": cls}, exam)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: "-".join(map(str, one.to_dict().values())))
def test_a_right_network_gets_everything(variant):
    """Under every variant, in the visible exam and in another."""
    for exam in (Exam(variant=variant), Exam.draw(5, variant)):
        verdict = judged(network(course(variant)), exam=exam)
        assert verdict.passed, verdict


def test_the_labs_own_network_is_right():
    assert judged(FullyConnectedNet).passed


@pytest.mark.parametrize(
    ("faults", "failing", "mistake"),
    [
        ({"half": 1}, {"regularization"}, "the loss lacks the 0.5 of the regularization"),
        ({"half": 0}, {"regularization"}, "the loss lacks the term of the regularization"),
        ({"reg of all": True}, {"regularization"}, "the regularization counts the biases too"),
        ({"but": "W3"}, {"regularization"}, "the regularization leaves out the last weight matrix"),
        ({"pull": 0}, {"regularization"}, "the gradients lack the regularization"),
        ({"pull": 2}, {"regularization"}, "the regularization is counted twice in the gradients"),
        (
            {"no test mode": True},
            {"network in test mode"},
            "the scores use the minibatch's own statistics: batch norm is left in training mode",
        ),
        (
            {"one bn_param": True},
            {"batch norm in the network", "network in test mode"},
            "all batch norm layers share one bn_param: their running statistics mix",
        ),
        (
            {"new bn_param": True},
            {"network in test mode"},
            "the running statistics are lost between two calls of loss",
        ),
        (
            {"X as it comes": True},
            {"images", "dtype of the network"},
            "X is expected to be flat, where its samples may be images",
        ),
        ({"scale": 1e-3}, {"initial parameters"}, None),
        ({"norm at the end": True}, {"parameters", "initial parameters"}, None),
    ],
)
def test_a_mistake_costs_its_check_and_is_named(faults, failing, mistake):
    verdict = judged(network(course(Variant()), **faults))
    assert {result.name for result in verdict.results if not result.passed} == failing
    assert verdict.mistakes == ((mistake,) if mistake else ())
    assert 0.75 < verdict.share < 1


def test_a_network_with_copies_of_its_params_is_named():
    verdict = judged(network(course(Variant()), **{"copied params": True}))
    assert verdict.mistakes == (
        "some params have no effect: the network computes with copies of them, or without them",
    )


@pytest.mark.parametrize("mistake", ["dx: no mean path", "dbeta: a mean"])
def test_a_network_on_wrong_layers_keeps_what_does_not_depend_on_them(mistake):
    (wrong,) = (one for one in zoo("batchnorm", Variant()) if one.name == mistake)
    layers = course(Variant()) | functions_of(wrong)
    verdict = judged(network(layers), layers)
    assert {result.name for result in verdict.results if not result.passed} == {"batch norm in the network"}
    assert verdict.mistakes == ("the batchnorm that the network stands on isn't right itself",)


def test_parameters_of_shape_1_d_cost_nothing_as_in_the_layers():
    verdict = judged(network(course(Variant()), rows=True))
    assert verdict.passed, verdict
    assert "params['gamma1'] has shape (1, 5) where (5,) is meant; its values count" in str(verdict)


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ("eps in running_var", "the batchnorm that the network stands on isn't right itself"),
        ("no eps", "the batchnorm that the network stands on isn't right itself"),
        ("another eps", "the batchnorm that the network stands on isn't right itself"),
    ],
)
def test_a_network_and_its_layers_are_of_one_mind(mistake, sentence):
    """Where the network's verdict blames a layer, that layer's own verdict isn't "all right"."""
    wrong = next(
        one
        for one in (*zoo("batchnorm", Variant()), *strangers("batchnorm", Variant()))
        if one.name == mistake
    )
    layers = course(Variant()) | functions_of(wrong)
    for exam in (Exam(), Exam.draw(4)):
        verdict = judged(network(layers), layers, exam)
        assert verdict.mistakes == (sentence,)
        parts = ("batchnorm_forward", "batchnorm_test_mode")
        assert not all(examine(part, layers, exam).passed for part in parts)


def test_a_layer_that_passes_is_not_blamed():
    """Float32 on the way is let pass in the layer, so a mistake of the network's own is its own."""
    layers = float32_inside(Variant())
    for faults, mistake in (
        ({"no test mode": True}, "left in training mode"),
        ({"new bn_param": True}, "lost between two calls"),
    ):
        verdict = judged(network(layers, **faults), layers)
        assert not any("stands on" in each for each in verdict.mistakes), (faults, mistake)
    for part in ("batchnorm_forward", "batchnorm_test_mode"):
        assert examine(part, layers).passed


def test_one_of_two_backward_passes_is_named():
    """The network may stand on either."""
    (wrong,) = (one for one in zoo("batchnorm", Variant()) if one.name == "dx: no mean path")
    layers = course(Variant()) | {"batchnorm_backward_alt": wrong.backward}
    standing = network(layers | {"batchnorm_backward": wrong.backward})
    assert judged(standing, layers).mistakes == (
        "batchnorm_backward_alt isn't right itself, and the network may stand on it",
    )


class Bare:
    """No parameters, and a loss that isn't a pair."""

    def __init__(self, hidden_dims, **_):
        self.params = {}

    def loss(self, X, y=None):
        return 1.0


class Renamed(network(course(Variant()))):
    """Parameters of other names."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.params = {name.lower(): value for name, value in self.params.items()}


class Incomplete(network(course(Variant()))):
    """A gradient is forgotten."""

    def loss(self, X, y=None):
        result = super().loss(X, y)
        if y is not None:
            del result[1]["b1"]
        return result


class Unwritten(Bare):
    def loss(self, X, y=None):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Bare, "lack W1, b1"),
        (Renamed, "params has no 'W1'; it has w1, b1"),
        (Incomplete, "grads lack b1"),
        (lambda *_, **__: object(), "params has to be a dict of arrays, not NoneType"),
        (lambda hidden_dims: None, "unexpected keyword argument"),
    ],
)
def test_what_is_no_network_is_said(cls, sentence):
    verdict = judged(cls)
    assert verdict.share < 0.5
    assert any(sentence in result.message for result in verdict.results)


def test_a_network_without_parameters_gets_nothing():
    assert judged(Bare).share == 0


def test_gradients_may_be_float32_and_networks_may_print(capsys):
    class Narrow(network(course(Variant()))):
        def loss(self, X, y=None):
            print("loss")
            result = super().loss(X, y)
            if y is None:
                return result
            return result[0], {name: grad.astype(np.float32) for name, grad in result[1].items()}

    verdict = judged(Narrow)
    assert verdict.passed, verdict
    assert "float32 where the input is float64" in str(verdict)
