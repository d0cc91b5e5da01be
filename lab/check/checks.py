"""Checks of an implementation of batch norm, layer norm or an affine layer.

A check takes anything with the attributes `layer`, `forward` and `backward` and returns None if it
passes, else a sentence with what was received and what was expected. The reference is the lab's own
layer. Inputs have N != D and a gamma that isn't 1, upstream gradients are random, and errors are measured
against the size of the upstream gradient too, because a true gradient may be zero.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lab.nn import (
    affine_backward,
    affine_forward,
    batchnorm_backward_alt,
    batchnorm_forward,
    eval_numerical_gradient_array,
    layernorm_backward,
    layernorm_forward,
)

TOLERANCE = 1e-8  # right float64 answers agree to 1e-9
FLOAT32_TOLERANCE = 3e-3  # at offset 1e4, where float32 has three digits left for the deviations


class Implementation(NamedTuple):
    """A layer's pair of functions."""

    layer: str  # "batchnorm", "layernorm" or "affine"
    forward: Callable
    backward: Callable


REFERENCES = {
    "batchnorm": Implementation("batchnorm", batchnorm_forward, batchnorm_backward_alt),
    "layernorm": Implementation("layernorm", layernorm_forward, layernorm_backward),
    "affine": Implementation("affine", affine_forward, affine_backward),
}
PARAMETERS = {"batchnorm": ("gamma", "beta"), "layernorm": ("gamma", "beta"), "affine": ("w", "b")}


class Check(NamedTuple):
    """A question, for some layers; its docstring says which."""

    layers: tuple[str, ...]
    run: Callable[[Any], str | None]


CHECKS: dict[str, Check] = {}


def check(*layers):
    """Register a check for these layers, under its name in words."""

    def register(function):
        CHECKS[function.__name__.replace("_", " ")] = Check(layers, function)
        return function

    return register


def run_checks(implementation):
    """{name of the check: None or a sentence} for all checks of the implementation's layer.

    Raises ValueError for a layer that there are no checks for.
    """
    layers = sorted({layer for one in CHECKS.values() for layer in one.layers})
    if implementation.layer not in layers:
        raise ValueError(f"layer must be one of {', '.join(layers)}, not {implementation.layer!r}")
    return {name: answer(one, implementation) for name, one in applicable(implementation.layer).items()}


def applicable(layer):
    """{name: check} for one layer."""
    return {name: one for name, one in CHECKS.items() if layer in one.layers}


def answer(one, implementation):
    """What one check says; an exception of the implementation is an answer too."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return one.run(implementation)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


# --- forward ------------------------------------------------------------------------------------------


@check("batchnorm", "layernorm", "affine")
def values(implementation):
    """The output of a minibatch with N != D."""
    return _same_output(implementation, Problem(implementation.layer))


@check("batchnorm", "layernorm")
def large_eps(implementation):
    """The output with eps 0.3, which shows where eps stands and whether it is read."""
    return _same_output(implementation, Problem(implementation.layer, eps=0.3))


@check("batchnorm", "layernorm")
def tiny_variance(implementation):
    """The output where the variance, 1e-6, is below the default eps."""
    return _same_output(implementation, Problem(implementation.layer, scale=1e-3))


@check("batchnorm", "layernorm")
def constant(implementation):
    """A feature (batch norm) or row (layer norm) without variance: the output is beta, dx is finite."""
    problem = Problem(implementation.layer)
    problem.x[(slice(None), 1) if implementation.layer == "batchnorm" else 1] = 3.0
    return _same_output(implementation, problem) or _same_gradients(implementation, problem)


@check("batchnorm", "layernorm")
def not_a_number(implementation):
    """A NaN stays in its feature (batch norm) or row (layer norm)."""
    problem = Problem(implementation.layer)
    problem.x[1, 1] = np.nan
    return _same_output(implementation, problem)


@check("layernorm")
def one_feature(implementation):
    """With D = 1 the output is beta and dx is zero: errors can't be relative to it."""
    problem = Problem("layernorm", shape=(7, 1))
    return _same_output(implementation, problem) or _same_gradients(implementation, problem)


@check("affine")
def images(implementation):
    """The output and the shape of dx for x of shape (N, 2, 3)."""
    problem = Problem("affine", shape=(4, 2, 3))
    return _same_output(implementation, problem) or _same_gradients(implementation, problem)


@check("batchnorm", "layernorm")
def shift(implementation):
    """Adding a number to x changes nothing."""
    problem, shifted = Problem(implementation.layer), Problem(implementation.layer)
    shifted.x += 7
    return _differs("out for x + 7", shifted.output(implementation), problem.output(implementation))


@check("batchnorm", "layernorm", "affine")
def permutation(implementation):
    """Rows in another order give the same rows in another order."""
    problem, permuted = Problem(implementation.layer), Problem(implementation.layer)
    order = np.roll(np.arange(len(problem.x)), 3)
    permuted.x = problem.x[order]
    expected = problem.output(implementation)[order]
    return _differs("out, with the rows permuted,", permuted.output(implementation), expected)


@check("batchnorm", "layernorm")
def float32_far_from_zero(implementation):
    """float32 data around 10,000 has the statistics that float64 finds in it."""
    problem = Problem(implementation.layer, dtype=np.float32)
    problem.x = (problem.x + 1e4).astype(np.float32)
    expected, _ = problem.in_float64().forward(REFERENCES[implementation.layer])
    return _differs("out", problem.output(implementation), expected, tolerance=FLOAT32_TOLERANCE)


@check("batchnorm", "layernorm", "affine")
def dtype(implementation):
    """float32 stays float32; gradients may be float64."""
    out = Problem(implementation.layer, dtype=np.float32).output(implementation)
    return None if out.dtype == np.float32 else f"out is {out.dtype} where x is float32"


# --- gradients ----------------------------------------------------------------------------------------


@check("batchnorm", "layernorm", "affine")
def dx(implementation):
    """dx for a random upstream gradient."""
    return _same_gradients(implementation, Problem(implementation.layer), which=[0])


@check("batchnorm", "layernorm", "affine")
def parameter_gradients(implementation):
    """dgamma and dbeta, or dw and db."""
    return _same_gradients(implementation, Problem(implementation.layer), which=[1, 2])


@check("batchnorm", "layernorm")
def gradients_with_large_eps(implementation):
    """All gradients with eps 0.3: in every factor the same variance."""
    return _same_gradients(implementation, Problem(implementation.layer, eps=0.3))


@check("batchnorm", "layernorm", "affine")
def numerical_gradient(implementation):
    """All gradients against central differences of the reference's forward pass, not of one's own."""
    problem, reference = Problem(implementation.layer), REFERENCES[implementation.layer]
    received = problem.gradients(implementation)
    expected = [
        eval_numerical_gradient_array(lambda _: problem.output(reference), array, problem.dout)
        for array in problem.inputs
    ]
    return _compare_gradients(problem, received, expected, tolerance=1e-6)


@check("batchnorm", "layernorm")
def sum_of_dx(implementation):
    """dx sums to zero over what the mean was taken over."""
    problem = Problem(implementation.layer)
    total = problem.gradients(implementation)[0].sum(axis=0 if implementation.layer == "batchnorm" else 1)
    return _differs("the sum of dx", total, np.zeros_like(total), np.abs(problem.dout).sum())


# --- state --------------------------------------------------------------------------------------------


@check("batchnorm", "layernorm", "affine")
def inputs_are_only_read(implementation):
    """x, the parameters and the upstream gradient can't be written to."""
    problem = Problem(implementation.layer)
    for array in (*problem.inputs, problem.dout):
        array.flags.writeable = False
    problem.gradients(implementation)


@check("batchnorm", "layernorm", "affine")
def aliases(implementation):
    """out isn't x, and dx isn't the upstream gradient, in the same memory."""
    problem = Problem(implementation.layer)
    out, cache = problem.forward(implementation)
    if np.shares_memory(out, problem.x):
        return "out shares its memory with x: changing one changes the other"
    gradient = implementation.backward(problem.dout, cache)[0]
    return "dx shares its memory with dout" if np.shares_memory(gradient, problem.dout) else None


@check("batchnorm", "layernorm", "affine")
def backward_twice(implementation):
    """A second backward pass with the same cache gives the same gradients."""
    problem = Problem(implementation.layer)
    _, cache = problem.forward(implementation)
    first, second = (implementation.backward(problem.dout.copy(), cache) for _ in range(2))
    return _compare_gradients(problem, second, [np.asarray(gradient) for gradient in first])


@check("batchnorm", "layernorm", "affine")
def batch_of_another_size(implementation):
    """The gradients of a minibatch after another one has gone forward."""
    problem = Problem(implementation.layer)
    _, cache = problem.forward(implementation)
    Problem(implementation.layer, shape=(4, 5), seed=1).forward(implementation)
    expected = problem.gradients(REFERENCES[implementation.layer])
    return _compare_gradients(problem, implementation.backward(problem.dout, cache), expected)


@check("batchnorm")
def running_statistics(implementation):
    """running_mean and running_var after two batches with momentum 0.75."""
    both = (implementation, REFERENCES["batchnorm"])
    received, expected = (_two_batches(one, momentum=0.75) for one in both)
    for name in ("running_mean", "running_var"):
        if name not in received:
            return f"bn_param has no {name} after two batches in training mode"
    return _first(_differs(name, received[name], expected[name]) for name in ("running_mean", "running_var"))


@check("batchnorm")
def test_mode(implementation):
    """The output in test mode with given statistics, one running variance 1e-4, and eps 0.3 or 1e-5."""
    return _first(_same_output(implementation, _in_test_mode(eps=eps)) for eps in (0.3, 1e-5))


@check("batchnorm")
def test_mode_with_one_row(implementation):
    """A row gives the same alone as in a minibatch."""
    return _same_output(implementation, _in_test_mode(rows=1))


@check("batchnorm")
def test_mode_after_two_batches(implementation):
    """The output in test mode with the statistics that training left."""
    received, expected = (
        Problem("batchnorm", seed=3, param=_two_batches(one) | {"mode": "test"}).output(one)
        for one in (implementation, REFERENCES["batchnorm"])
    )
    return _differs("out", received, expected)


@check("batchnorm")
def test_mode_updates_nothing(implementation):
    """The running statistics are the same before and after a call in test mode."""
    problem = _in_test_mode()
    before = {name: problem.param[name].copy() for name in ("running_mean", "running_var")}
    problem.forward(implementation)
    return _first(_differs(f"{name} after a test call", problem.param[name], before[name]) for name in before)


# --- inside -------------------------------------------------------------------------------------------


class Problem:
    """Inputs of one layer: x (N, D), its parameters, settings, and a random upstream gradient."""

    def __init__(self, layer, shape=(7, 5), seed=0, dtype=np.float64, scale=1.0, eps=None, param=None):
        rng, features = np.random.default_rng(seed), int(np.prod(shape[1:]))
        self.layer, self.names = layer, ("x", *PARAMETERS[layer])
        units = 3 if layer == "affine" else features
        shapes = [(features, units), (units,)] if layer == "affine" else [(features,)] * 2
        self.x = (scale * rng.normal(1, 2, shape)).astype(dtype)
        self.parameters = [rng.normal(size=of).astype(dtype) for of in shapes]
        self.dout = rng.normal(size=(shape[0], units) if layer == "affine" else shape).astype(dtype)
        self.param: dict[str, Any] = {"mode": "train"} if layer == "batchnorm" else {}
        self.param |= param or {}
        if eps is not None:
            self.param["eps"] = eps

    @property
    def inputs(self):
        """x and the parameters."""
        return [self.x, *self.parameters]

    def in_float64(self):
        """The same numbers with more room for the arithmetic."""
        other = Problem(self.layer, self.x.shape, param=self.param)
        other.x, *other.parameters = (array.astype(np.float64) for array in self.inputs)
        return other

    def forward(self, implementation):
        """(out, cache); an affine layer takes no settings."""
        return implementation.forward(*self.inputs, *([] if self.layer == "affine" else [self.param]))

    def output(self, implementation):
        """out as an array."""
        return np.asarray(self.forward(implementation)[0])

    def gradients(self, implementation):
        """The gradients for the random upstream gradient."""
        return implementation.backward(self.dout, self.forward(implementation)[1])


def _in_test_mode(rows=7, eps=0.3):
    running = {"running_mean": np.linspace(-1, 2, 5), "running_var": np.array([1e-4, 0.2, 1, 2, 5])}
    return Problem("batchnorm", (rows, 5), eps=eps, param={"mode": "test"} | running)


def _two_batches(implementation, **settings):
    """bn_param after two batches in training mode."""
    param = {"mode": "train"} | settings
    for seed in (1, 2):
        problem = Problem("batchnorm", seed=seed)
        problem.param = param
        problem.forward(implementation)
    return param


def _same_output(implementation, problem):
    expected = problem.output(REFERENCES[implementation.layer])
    return _differs("out", problem.output(implementation), expected)


def _same_gradients(implementation, problem, which=(0, 1, 2)):
    expected = problem.gradients(REFERENCES[implementation.layer])
    return _compare_gradients(problem, problem.gradients(implementation), expected, which)


def _compare_gradients(problem, received, expected, which=(0, 1, 2), tolerance=TOLERANCE):
    if len(received) != 3:
        return f"backward returns {len(received)} gradients, expected 3"
    upstream = np.abs(problem.dout).max()
    return _first(
        _differs(f"d{problem.names[i]}", received[i], expected[i], upstream, tolerance) for i in which
    )


def _first(answers):
    """The first sentence, if there is one."""
    return next(filter(None, answers), None)


def _differs(what, received, expected, upstream=0.0, tolerance=TOLERANCE):
    """None, or where `received` is furthest from `expected`. A gradient of shape (1, D) counts as (D,)."""
    received = np.asarray(received)
    if received.shape == (1, *expected.shape):
        received = received[0]
    if received.shape != expected.shape:
        return f"{what} has shape {received.shape}, expected {expected.shape}"
    finite = np.abs(expected[np.isfinite(expected)])
    allowed = tolerance * (finite.max(initial=0.0) + upstream)
    error = np.abs(received - expected)
    error[np.isnan(received) & np.isnan(expected)] = 0
    error[np.isnan(error)] = np.inf
    if (error <= allowed).all():
        return None
    worst = np.unravel_index(np.argmax(error), error.shape)
    place = f"{what}[{', '.join(map(str, worst))}]"
    return f"{place}: received {received[worst]:.6g}, expected {expected[worst]:.6g}"
