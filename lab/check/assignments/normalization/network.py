"""Checks of the student's network, against the lab's with the same parameters.

A check takes a class with the arguments of the course's `FullyConnectedNet` in the place of an
implementation; what it yields is as in `lab.check.checks`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lab.check.answers import Answers, ask, is_right
from lab.check.checks import CHECKS, Check, Found
from lab.check.comparison import Comparison
from lab.check.exam import Exam
from lab.check.problem import Implementation, Malformed
from lab.nn import FullyConnectedNet

CLASSES, INPUTS = 4, 6
REG = 0.7
NETWORK_CHECKS: dict[str, Check] = {}

# What a check of a network stands on: a layer, and what it has to pass by itself.
GRADIENTS = ("values", "tiny variance", "dx", "parameter gradients")
BELOW = {
    "batch norm in the network": ("batchnorm", GRADIENTS),
    "layer norm in the network": ("layernorm", GRADIENTS),
    "network in test mode": ("batchnorm", ("default momentum", "test mode", "default eps in test mode")),
}


def network_check(function: Callable) -> Callable:
    """Register a check of a network under its name in words."""
    NETWORK_CHECKS[function.__name__.replace("_", " ")] = Check(("network",), function)
    return function


@network_check
def parameters(make: Callable, exam: Exam) -> Found:
    """The names and shapes of the parameters, with and without normalization."""
    for normalization in (None, "batchnorm", "layernorm"):
        right = Reference(exam, normalization).net
        params = _params(_build(make, exam, normalization))
        yield from _names(params, right.params, f"params of a net with normalization={normalization!r}")
        for name, array in right.params.items():
            if name in params:  # their values are the next check's
                own = np.asarray(params[name])
                expected = own.reshape(array.shape) if own.size == array.size else array
                yield Comparison(f"params[{name!r}]", own, expected)


@network_check
def initial_parameters(make: Callable, exam: Exam) -> Found:
    """Weights with the standard deviation weight_scale, biases and beta 0, gamma 1."""
    scale, dims = 0.05, [60, 40]
    net = make(
        dims, input_dim=50, num_classes=20, normalization="batchnorm", weight_scale=scale, dtype=np.float64
    )
    for name, value in _params(net).items():
        array, kind = np.asarray(value, dtype=np.float64), name.rstrip("0123456789")
        if kind == "W" and not 0.8 * scale < array.std() < 1.25 * scale:  # 800 weights and more: 8 sigma
            yield f"{name} has the standard deviation {array.std():.3g}, expected weight_scale, {scale}"
        if kind in ("b", "beta", "gamma"):
            yield Comparison(f"the initial {name}", array, np.full(array.shape, float(kind == "gamma")))


@network_check
def loss(make: Callable, exam: Exam) -> Found:
    """The loss without normalization."""
    yield Reference(exam).loss_of(make)


@network_check
def gradients(make: Callable, exam: Exam) -> Found:
    """The gradients without normalization."""
    yield from Reference(exam).gradients_of(make)


@network_check
def regularization(make: Callable, exam: Exam) -> Found:
    """What reg adds to the loss and to the gradients."""
    plain, strict = Reference(exam), Reference(exam, reg=REG)
    (loss_0, grads_0), (loss_1, grads_1) = plain.trained(make), strict.trained(make)
    (right_0, right_grads_0), (right_1, right_grads_1) = plain.right, strict.right
    yield Comparison("what reg adds to the loss", loss_1 - loss_0, np.asarray(right_1 - right_0))
    for name in right_grads_0:
        added = np.asarray(grads_1[name]) - np.asarray(grads_0[name])
        expected = right_grads_1[name] - right_grads_0[name]
        yield Comparison(f"what reg adds to grads[{name!r}]", added, expected, 1.0)


@network_check
def scores(make: Callable, exam: Exam) -> Found:
    """The scores without normalization."""
    reference = Reference(exam)
    yield Comparison(
        "scores", reference.filled(make).loss(reference.X.copy()), reference.net.loss(reference.X)
    )


@network_check
def images(make: Callable, exam: Exam) -> Found:
    """The scores for X of shape (N, 2, 3), without normalization."""
    reference = Reference(exam)
    images = reference.X.reshape(-1, 2, 3)
    yield Comparison(
        "scores for images", reference.filled(make).loss(images.copy()), reference.net.loss(images)
    )


@network_check
def dtype_of_the_network(make: Callable, exam: Exam) -> Found:
    """With dtype float32 all parameters, and the scores for X in float64, are float32."""
    net = make([exam.features], input_dim=INPUTS, num_classes=CLASSES, dtype=np.float32)
    for name, array in _params(net).items():
        if np.asarray(array).dtype != np.float32:
            yield f"params[{name!r}] is {np.asarray(array).dtype} in a network of float32"
    scores = np.asarray(net.loss(Reference(exam).X))
    if scores.dtype != np.float32:
        yield f"the scores are {scores.dtype} in a network of float32, where X is float64"


@network_check
def other_depths(make: Callable, exam: Exam) -> Found:
    """The loss and the gradients of networks with one and with three hidden layers."""
    for dims in ([5], [4, 3, 5]):
        reference = Reference(exam, dims=dims)
        yield reference.loss_of(make)
        yield from reference.gradients_of(make)


@network_check
def batch_norm_in_the_network(make: Callable, exam: Exam) -> Found:
    """The loss and the gradients with batch normalization."""
    reference = Reference(exam, "batchnorm")
    yield reference.loss_of(make)
    yield from reference.gradients_of(make)


@network_check
def layer_norm_in_the_network(make: Callable, exam: Exam) -> Found:
    """The loss and the gradients with layer normalization."""
    reference = Reference(exam, "layernorm")
    yield reference.loss_of(make)
    yield from reference.gradients_of(make)


@network_check
def network_in_test_mode(make: Callable, exam: Exam) -> Found:
    """The scores with batch normalization after two training batches: running statistics."""
    yield Reference(exam, "batchnorm").scores_after_training(make)


class Reference:
    """The lab's network with parameters of which none is zero, and a minibatch for it."""

    def __init__(
        self, exam: Exam, normalization: str | None = None, reg: float = 0.0, dims: list[int] | None = None
    ):
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
            # a beta that leaves no unit dead in all rows: of a constant, batch norm makes noise in float32
            middle = 1.0 if name.startswith("beta") else 0.1
            self.net.params[name] = (1 + exam.nudge) * rng.normal(middle, 0.6, array.shape)
        X = rng.normal(size=(exam.rows, INPUTS))
        self.X = X + exam.nudge * X**2
        self.y = rng.integers(CLASSES, size=exam.rows)

    @property
    def right(self) -> Any:
        """(loss, gradients) of the lab's network."""
        return self.net.loss(self.X, self.y)

    def filled(self, make: Callable) -> Any:
        """The student's network with the same parameters. Raises Malformed where it can't have them."""
        net = _build(make, self.exam, self.normalization, self.reg, self.dims)
        params = _params(net)
        for name, array in self.net.params.items():
            if name not in params:
                raise Malformed(f"params has no {name!r}; it has {', '.join(params) or 'nothing'}")
            is_row = np.shape(params[name]) == (1, *array.shape)  # whose network may count on it
            params[name] = array[None].copy() if is_row else array.copy()
        return net

    def trained(self, make: Callable) -> Any:
        """(loss, gradients) of the student's network. Raises Malformed if they aren't that."""
        result = self.filled(make).loss(self.X.copy(), self.y.copy())
        if not isinstance(result, tuple | list) or len(result) != 2 or not hasattr(result[1], "items"):
            raise Malformed("loss(X, y) has to return (loss, grads), where grads is a dict")
        for complaint in _names(result[1], self.net.params, "grads", extra=True):
            raise Malformed(complaint)
        return result

    def scores_after_training(self, make: Callable) -> Comparison:
        """Its scores in test mode after two training batches, beside the right ones."""
        net = self.filled(make)
        for shift in (0, 1):
            _ = self.net.loss(self.X + shift, self.y), net.loss(self.X + shift, self.y.copy())
        return Comparison("scores in test mode", net.loss(self.X.copy()), self.net.loss(self.X))

    def loss_of(self, make: Callable) -> Comparison:
        """Its loss beside the right one."""
        return Comparison("loss", self.trained(make)[0], np.asarray(self.right[0]))

    def gradients_of(self, make: Callable) -> Found:
        """Its gradients beside the right ones."""
        received, expected = self.trained(make)[1], self.right[1]
        size = max(np.abs(array).max() for array in expected.values())
        for name, array in expected.items():
            yield Comparison(f"grads[{name!r}]", received[name], array, size)


def network_mistakes(
    answers: Answers, functions: Mapping[str, Any], exam: Exam
) -> tuple[tuple[str, ...], str]:
    """(mistakes, hint) from what the checks of a network saw."""
    found: list[tuple[str, str]] = []
    received: dict[str, Any] = {
        seen.what: seen for answer in answers.values() for seen in answer.seen if seen.message is not None
    }

    def looks_like(what: str, value: Any, mistake: str, hint: str) -> None:
        if what in received and received[what]._replace(expected=np.asarray(value)).message is None:
            found.append((mistake, hint))

    reference = Reference(exam, reg=REG)
    weights = sum(np.sum(array**2) for name, array in reference.net.params.items() if name[0] == "W")
    others = sum(np.sum(array**2) for name, array in reference.net.params.items() if name[0] != "W")
    added = "what reg adds to the loss"
    look = "Look at the term that reg adds to the loss: its factor, and what it is summed over."
    looks_like(added, 0.0, "the loss lacks the term of the regularization", look)
    looks_like(added, REG * weights, "the loss lacks the 0.5 of the regularization", look)
    looks_like(added, 0.5 * REG * (weights + others), "the regularization counts the biases too", look)
    first = 0.5 * REG * np.sum(reference.net.params["W1"] ** 2)
    looks_like(added, first, "the regularization counts the first weight matrix alone", look)
    last = 0.5 * REG * np.sum(reference.net.params[f"W{reference.net.num_layers}"] ** 2)
    but_last = "the regularization leaves out the last weight matrix"
    looks_like(added, 0.5 * REG * weights - last, but_last, look)
    for name in ("W1", "W2"):
        term, into = f"what reg adds to grads[{name!r}]", "Look at the derivative of the term that reg adds."
        if term in received and not np.any(received[term].received):
            found.append(("the gradients lack the regularization", into))
        twice = 2 * REG * reference.net.params[name]
        looks_like(term, twice, "the regularization is counted twice in the gradients", into)
    batch = Reference(exam, "batchnorm")
    looks_like(
        "scores in test mode", batch.net._forward(batch.X, training=True),
        "the scores use the minibatch's own statistics: batch norm is left in training mode",
        "Look at where loss(X) without y tells the layers which mode it is.",
    )  # fmt: skip
    below = [
        (sentence, "Begin there.")
        for check, (layer, names) in BELOW.items()
        if answers[check].message is not None and (sentence := _wrong_below(layer, names, functions, exam))
    ]
    if answers["images"].message is not None and answers["scores"].message is None:
        flat = "X is expected to be flat, where its samples may be images"
        found.append((flat, "Look at what shape X has where a sample is an image."))
    for question, mistake, hint in () if below else SUSPICIONS:  # which ask about scores of right layers
        seen = ask(Check(("network",), question), functions.get("FullyConnectedNet"), exam).seen
        if seen and all(one.message is None for one in seen):
            found.append((mistake, hint))
    found = list(dict.fromkeys(found + below))
    return tuple(mistake for mistake, _ in found), " ".join(dict.fromkeys(hint for _, hint in found))


def _wrong_below(layer: str, names: Sequence[str], functions: Mapping[str, Any], exam: Exam) -> str | None:
    """A sentence where the student's own layer, by itself, doesn't pass these checks; else None."""
    forward: Any = functions.get(f"{layer}_forward")
    backward = [
        name for name in (f"{layer}_backward", f"{layer}_backward_alt") if callable(functions.get(name))
    ]
    wrong = []
    for name in backward if callable(forward) else ():
        pair = Implementation(layer, forward, functions[name])
        asked = ((CHECKS[check], ask(CHECKS[check], pair, exam)) for check in names)
        if not all(is_right(answer, check, pair, exam) for check, answer in asked):
            wrong.append(name)
    if wrong and wrong != backward:
        return f"{wrong[0]} isn't right itself, and the network may stand on it"
    return f"the {layer} that the network stands on isn't right itself" if wrong else None


def _one_bn_param_for_all(make: Callable, exam: Exam) -> Found:
    """Like a network whose layers, all of one width, share their running statistics."""
    reference = Reference(exam, "batchnorm", dims=[exam.features] * 2)
    for layer in reference.net.all_layers:
        if layer.family == "normalization":
            layer.param = reference.net.bn_params[0]
    yield reference.scores_after_training(make)


def _new_bn_param_each_time(make: Callable, exam: Exam) -> Found:
    """Like a network whose running statistics are zero in test mode."""
    reference = Reference(exam, "batchnorm")
    received = reference.scores_after_training(make).received
    for param in reference.net.bn_params:
        param["running_mean"], param["running_var"] = 0 * param["running_mean"], 0 * param["running_var"]
    yield Comparison("scores in test mode", received, reference.net.loss(reference.X))


def _deaf_to_params(make: Callable, exam: Exam) -> Found:
    """The scores before and after a parameter is written to params, where they stay as they are."""
    for normalization in (None, "layernorm"):
        reference = Reference(exam, normalization)
        net = reference.filled(make)
        before = np.array(net.loss(reference.X.copy()))
        for name, array in reference.net.params.items():
            net.params[name] = array[::-1] + 1
            after = np.array(net.loss(reference.X.copy()))
            if np.ptp(before, axis=0).any() and np.array_equal(before, after):
                yield Comparison("scores", after, before)
            before = after


# Questions whose comparisons all pass where a network has this mistake: (question, mistake, hint).
SUSPICIONS = (
    (_one_bn_param_for_all, "all batch norm layers share one bn_param: their running statistics mix",
     "Count the bn_params that the network makes: is each a dict of its own?"),
    (_new_bn_param_each_time, "the running statistics are lost between two calls of loss",
     "Look at where each bn_param is made, and how long it lives."),
    (_deaf_to_params, "some params have no effect: the network computes with copies of them, or without them",
     "Look at where, and when, each call of loss gets its weights, biases, gammas and betas from."),
)  # fmt: skip


def _build(
    make: Callable, exam: Exam, normalization: str | None, reg: float = 0.0, dims: list[int] | None = None
) -> Any:
    return make(
        list(dims or [exam.features, exam.features + 2]), input_dim=INPUTS, num_classes=CLASSES,
        normalization=normalization, reg=reg, weight_scale=0.1, dtype=np.float64,
    )  # fmt: skip


def _params(net: Any) -> Any:
    params = getattr(net, "params", None)
    if not hasattr(params, "items"):
        raise Malformed(f"params has to be a dict of arrays, not {type(params).__name__}")
    return params


def _names(received: Mapping, expected: Mapping, what: str, extra: bool = False) -> Iterator[str]:
    """Sentences on names that are missing or, unless `extra` ones may be, unknown."""
    if missing := [name for name in expected if name not in received]:
        yield f"{what} lack {', '.join(missing)}"
    if not extra and (unknown := [str(name) for name in received if name not in expected]):
        yield f"{what} have {', '.join(unknown)}, which shouldn't be there"
