"""Checks of the student's network, against the lab's with the same parameters.

A check takes a class with the arguments of the course's `FullyConnectedNet` in the place of an
implementation; what it yields is as in `lab.check.checks`.
"""

from typing import Any

import numpy as np

from lab.check.checks import CHECKS, Check, Comparison, Implementation, Malformed, ask
from lab.nn import FullyConnectedNet

CLASSES, INPUTS = 4, 6
REG = 0.7
GRADIENT_TOLERANCE = 1e-7
NETWORK_CHECKS: dict[str, Check] = {}
# Which check weighs how much; see `lab.check.parts.Row`.
NETWORK = (
    ("parameters", 1),
    ("initial parameters", 1, "parameters"),
    ("loss", 1.5),
    ("gradients", 1.5),
    ("regularization", 1),
    ("scores", 0.5),
    ("other depths", 0.5, "loss"),
    ("batch norm in the network", 1),
    ("layer norm in the network", 1),
    ("network in test mode", 1),
)


def network_check(function):
    """Register a check of a network under its name in words."""
    NETWORK_CHECKS[function.__name__.replace("_", " ")] = Check(("network",), function)
    return function


@network_check
def parameters(make, exam):
    """The names and shapes of the parameters, with and without normalization."""
    for normalization in (None, "batchnorm", "layernorm"):
        right = Twin(exam, normalization).net
        params = _params(_build(make, exam, normalization))
        yield from _names(params, right.params, f"params of a net with normalization={normalization!r}")
        for name, array in right.params.items():
            if name in params and np.shape(params[name]) != array.shape:
                yield f"params[{name!r}] has shape {np.shape(params[name])}, expected {array.shape}"


@network_check
def initial_parameters(make, exam):
    """Weights with the standard deviation weight_scale, biases and beta 0, gamma 1."""
    scale, dims = 0.05, [60, 40]
    net = make(
        dims, input_dim=50, num_classes=5, normalization="batchnorm", weight_scale=scale, dtype=np.float64
    )
    for name, value in _params(net).items():
        array, kind = np.asarray(value, dtype=np.float64), name.rstrip("0123456789")
        if kind == "W" and not 0.8 * scale < array.std() < 1.25 * scale:  # 200 weights and more: 4 sigma
            yield f"{name} has the standard deviation {array.std():.3g}, expected weight_scale, {scale}"
        if kind in ("b", "beta", "gamma"):
            yield Comparison(f"the initial {name}", array, np.full(array.shape, float(kind == "gamma")))


@network_check
def loss(make, exam):
    """The loss without normalization."""
    yield Twin(exam).loss_of(make)


@network_check
def gradients(make, exam):
    """The gradients without normalization."""
    yield from Twin(exam).gradients_of(make)


@network_check
def regularization(make, exam):
    """What reg adds to the loss and to the gradients."""
    plain, strict = Twin(exam), Twin(exam, reg=REG)
    (loss_0, grads_0), (loss_1, grads_1) = plain.trained(make), strict.trained(make)
    (right_0, right_grads_0), (right_1, right_grads_1) = plain.right, strict.right
    yield Comparison("what reg adds to the loss", loss_1 - loss_0, np.asarray(right_1 - right_0))
    for name in right_grads_0:
        added = np.asarray(grads_1[name]) - np.asarray(grads_0[name])
        expected = right_grads_1[name] - right_grads_0[name]
        yield Comparison(f"what reg adds to grads[{name!r}]", added, expected, 1.0, GRADIENT_TOLERANCE)


@network_check
def scores(make, exam):
    """The scores without normalization."""
    twin = Twin(exam)
    yield Comparison("scores", twin.filled(make).loss(twin.X.copy()), twin.net.loss(twin.X))


@network_check
def other_depths(make, exam):
    """The loss and the gradients of networks with one and with three hidden layers."""
    for dims in ([5], [4, 3, 5]):
        twin = Twin(exam, dims=dims)
        yield twin.loss_of(make)
        yield from twin.gradients_of(make)


@network_check
def batch_norm_in_the_network(make, exam):
    """The loss and the gradients with batch normalization."""
    twin = Twin(exam, "batchnorm")
    yield twin.loss_of(make)
    yield from twin.gradients_of(make)


@network_check
def layer_norm_in_the_network(make, exam):
    """The loss and the gradients with layer normalization."""
    twin = Twin(exam, "layernorm")
    yield twin.loss_of(make)
    yield from twin.gradients_of(make)


@network_check
def network_in_test_mode(make, exam):
    """The scores with batch normalization after two training batches: running statistics."""
    twin = Twin(exam, "batchnorm")
    net = twin.filled(make)
    for shift in (0, 1):
        _ = twin.net.loss(twin.X + shift, twin.y), net.loss(twin.X + shift, twin.y.copy())
    yield Comparison("scores in test mode", net.loss(twin.X.copy()), twin.net.loss(twin.X))


class Twin:
    """The lab's network with parameters of which none is zero, and a minibatch for it."""

    def __init__(self, exam, normalization=None, reg=0.0, dims=None):
        rng = np.random.default_rng([exam.seed, 20])
        self.exam, self.normalization, self.reg = exam, normalization, reg
        self.dims = dims or [exam.features, exam.features + 2]
        variant = exam.variant
        self.net = FullyConnectedNet(
            self.dims, INPUTS, CLASSES, normalization=normalization, reg=reg, dtype=np.float64, seed=0,
            eps=variant.eps,
        )  # fmt: skip
        for param in self.net.bn_params:
            param["convention"] = variant.convention
            if "momentum" in param:
                param["momentum"] = variant.momentum
        for name, array in self.net.params.items():
            self.net.params[name] = rng.normal(0.1, 0.6, array.shape)
        self.X, self.y = rng.normal(size=(exam.rows, INPUTS)), rng.integers(CLASSES, size=exam.rows)

    @property
    def right(self):
        """(loss, gradients) of the lab's network."""
        return self.net.loss(self.X, self.y)

    def filled(self, make):
        """The student's network with the same parameters. Raises Malformed where it can't have them."""
        net = _build(make, self.exam, self.normalization, self.reg, self.dims)
        params = _params(net)
        for name, array in self.net.params.items():
            if name not in params:
                raise Malformed(f"params has no {name!r}; it has {', '.join(params) or 'nothing'}")
            params[name] = array.copy()
        return net

    def trained(self, make):
        """(loss, gradients) of the student's network. Raises Malformed if they aren't that."""
        result = self.filled(make).loss(self.X.copy(), self.y.copy())
        if not isinstance(result, tuple | list) or len(result) != 2 or not hasattr(result[1], "items"):
            raise Malformed("loss(X, y) has to return (loss, grads), where grads is a dict")
        for complaint in _names(result[1], self.net.params, "grads", extra=True):
            raise Malformed(complaint)
        return result

    def loss_of(self, make):
        """Its loss beside the right one."""
        return Comparison("loss", self.trained(make)[0], np.asarray(self.right[0]))

    def gradients_of(self, make):
        """Its gradients beside the right ones."""
        received, expected = self.trained(make)[1], self.right[1]
        size = max(np.abs(array).max() for array in expected.values())
        for name, array in expected.items():
            yield Comparison(f"grads[{name!r}]", received[name], array, size, GRADIENT_TOLERANCE)


def network_mistakes(answers, functions, exam):
    """(mistakes, hint) from what the checks of a network saw."""
    found: list[tuple[str, str]] = []
    received: dict[str, Any] = {
        seen.what: seen for answer in answers.values() for seen in answer.seen if seen.message is not None
    }

    def looks_like(what, value, mistake, hint):
        if what in received and received[what]._replace(expected=np.asarray(value)).message is None:
            found.append((mistake, hint))

    twin = Twin(exam, reg=REG)
    weights = sum(np.sum(array**2) for name, array in twin.net.params.items() if name[0] == "W")
    others = sum(np.sum(array**2) for name, array in twin.net.params.items() if name[0] != "W")
    added = "what reg adds to the loss"
    look = "Look at the term that reg adds to the loss: its factor, and what it is summed over."
    looks_like(added, 0.0, "the loss lacks the term of the regularization", look)
    looks_like(added, REG * weights, "the loss lacks the 0.5 of the regularization", look)
    looks_like(added, 0.5 * REG * (weights + others), "the regularization counts the biases too", look)
    first = 0.5 * REG * np.sum(twin.net.params["W1"] ** 2)
    looks_like(added, first, "the regularization counts the first weight matrix alone", look)
    for name in ("W1", "W2"):
        term, into = f"what reg adds to grads[{name!r}]", "Look at the derivative of the term that reg adds."
        if term in received and not np.any(received[term].received):
            found.append(("the gradients lack the regularization", into))
        twice = 2 * REG * twin.net.params[name]
        looks_like(term, twice, "the regularization is counted twice in the gradients", into)
    batch = Twin(exam, "batchnorm")
    looks_like(
        "scores in test mode", batch.net._forward(batch.X, training=True),
        "the scores use the minibatch's own statistics: batch norm is left in training mode",
        "Look at where loss(X) without y tells the layers which mode it is.",
    )  # fmt: skip
    for layer, check in (
        ("batchnorm", "batch norm in the network"),
        ("layernorm", "layer norm in the network"),
    ):
        pair = [functions.get(f"{layer}_{way}") for way in ("forward", "backward")]
        if answers[check].message is not None and all(map(callable, pair)):
            asked = (ask(CHECKS[name], Implementation(layer, *pair), exam) for name in ("values", "dx"))
            if any(answer.message is not None for answer in asked):
                found.append((f"the {layer} that the network stands on isn't right itself", "Begin there."))
    found = list(dict.fromkeys(found))
    return tuple(mistake for mistake, _ in found), " ".join(dict.fromkeys(hint for _, hint in found))


def _build(make, exam, normalization, reg=0.0, dims=None):
    return make(
        list(dims or [exam.features, exam.features + 2]), input_dim=INPUTS, num_classes=CLASSES,
        normalization=normalization, reg=reg, weight_scale=0.1, dtype=np.float64,
    )  # fmt: skip


def _params(net):
    params = getattr(net, "params", None)
    if not hasattr(params, "items"):
        raise Malformed(f"params has to be a dict of arrays, not {type(params).__name__}")
    return params


def _names(received, expected, what, extra=False):
    """Sentences on names that are missing or, unless `extra` ones may be, unknown."""
    if missing := [name for name in expected if name not in received]:
        yield f"{what} lack {', '.join(missing)}"
    if not extra and (unknown := [str(name) for name in received if name not in expected]):
        yield f"{what} have {', '.join(unknown)}, which shouldn't be there"
