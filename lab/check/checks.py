"""Checks of an implementation of batch norm, layer norm or an affine layer: one question each.

A check takes anything with the attributes `layer`, `forward` and `backward`, and the `Exam` that its inputs
come from. It yields a `Comparison` for each thing it looks at, or a sentence where something is wrong that
isn't a number. The reference is the lab's own layer under the exam's variant.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lab.check.comparison import FLOAT32_TOLERANCE, TOLERANCE, Comparison
from lab.check.exam import Exam
from lab.check.problem import (
    STATISTICS,
    Pair,
    Problem,
    extremes,
    in_test_mode,
    reference,
    with_a_constant,
    with_large_variance,
    with_tiny_variance,
)

FAR_TOLERANCE = 3e-3  # at offset 1e4, where float32 has three digits left for the deviations
LARGE_EPS = 0.3


Found = Iterator[Comparison | str]  # what a check looked at, or what is wrong in a sentence


class Check(NamedTuple):
    """A question, for some layers; its docstring says which."""

    layers: tuple[str, ...]
    run: Callable[[Any, Exam], Found]  # of a `Pair`, or of what makes a network


CHECKS: dict[str, Check] = {}


def check(*layers: str) -> Callable[[Callable], Callable]:
    """Register a check for these layers, under its name in words."""

    def register(function: Callable) -> Callable:
        CHECKS[function.__name__.replace("_", " ")] = Check(layers, function)
        return function

    return register


def applicable(layer: str) -> dict[str, Check]:
    """{name: check} for one layer."""
    return {name: one for name, one in CHECKS.items() if layer in one.layers}


# --- forward ------------------------------------------------------------------------------------------


@check("batchnorm", "layernorm")
def large_variance(implementation: Pair, exam: Exam) -> Found:
    """The output where the variance is so large that eps hardly matters."""
    yield _output(implementation, Problem(implementation.layer, exam, scale=1e4, eps=1e-8))


@check("batchnorm", "layernorm", "affine")
def values(implementation: Pair, exam: Exam) -> Found:
    """The output of a minibatch with N != D."""
    yield _output(implementation, Problem(implementation.layer, exam))


@check("batchnorm", "layernorm")
def large_eps(implementation: Pair, exam: Exam) -> Found:
    """The output with eps 0.3, which shows where eps stands and whether it is read."""
    yield _output(implementation, Problem(implementation.layer, exam, eps=LARGE_EPS))


@check("batchnorm", "layernorm")
def tiny_variance(implementation: Pair, exam: Exam) -> Found:
    """The output where the variance is below the default eps, and eps isn't named."""
    yield _output(implementation, with_tiny_variance(implementation.layer, exam))


@check("batchnorm", "layernorm")
def constant(implementation: Pair, exam: Exam) -> Found:
    """A feature (batch norm) or row (layer norm) without variance: the output is beta."""
    yield _output(implementation, with_a_constant(implementation.layer, exam))


@check("batchnorm", "layernorm")
def not_a_number(implementation: Pair, exam: Exam) -> Found:
    """A NaN stays in its feature (batch norm) or row (layer norm)."""
    problem = Problem(implementation.layer, exam)
    problem.x[1, 1] = np.nan
    yield _output(implementation, problem)


@check("layernorm")
def one_feature(implementation: Pair, exam: Exam) -> Found:
    """With D = 1 the output is beta."""
    yield _output(implementation, Problem("layernorm", exam, shape=(exam.rows, 1)))


@check("affine")
def images(implementation: Pair, exam: Exam) -> Found:
    """The output and the shape of dx for x of shape (N, 2, 3)."""
    problem = Problem("affine", exam, shape=(4, 2, 3))
    yield _output(implementation, problem)
    yield from _gradients(implementation, problem)


@check("batchnorm", "layernorm", "affine")
def other_sizes(implementation: Pair, exam: Exam) -> Found:
    """The outputs of minibatches of other sizes, the smallest and one of more than 30 rows among them."""
    for shape in (exam.features + 6, 3), (3, exam.rows + 2), *extremes(implementation.layer, exam):
        yield _output(implementation, Problem(implementation.layer, exam, shape, seed=10))


@check("batchnorm", "layernorm")
def shift(implementation: Pair, exam: Exam) -> Found:
    """Adding a number to x changes nothing."""
    problem, shifted = (Problem(implementation.layer, exam) for _ in range(2))
    shifted.x += 7
    expected = np.array(problem.output(implementation))
    yield Comparison("out for x + 7", shifted.output(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def permutation(implementation: Pair, exam: Exam) -> Found:
    """Rows in another order give the same rows in another order."""
    problem, permuted = (Problem(implementation.layer, exam) for _ in range(2))
    order = np.roll(np.arange(len(problem.x)), 3)
    permuted.x = problem.x[order]
    expected = problem.output(implementation)[order]
    yield Comparison("out, with the rows permuted,", permuted.output(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def float32(implementation: Pair, exam: Exam) -> Found:
    """The output of float32 data, near what float64 finds in it; eps hardly matters."""
    problem = Problem(implementation.layer, exam, dtype=np.float32, scale=1e4, eps=1e-8)
    expected = problem.in_float64().right_output().astype(np.float32)
    yield Comparison("out", problem.output(implementation), expected, tolerance=FLOAT32_TOLERANCE)


@check("batchnorm", "layernorm")
def float32_far_from_zero(implementation: Pair, exam: Exam) -> Found:
    """float32 data around 10,000 has the statistics that float64 finds in it."""
    problem = Problem(implementation.layer, exam, dtype=np.float32, scale=2, eps=1e-8)
    problem.x = (problem.x + 1e4).astype(np.float32)
    expected = problem.in_float64().right_output().astype(np.float32)
    yield Comparison("out", problem.output(implementation), expected, tolerance=FAR_TOLERANCE)


@check("batchnorm", "layernorm", "affine")
def dtype(implementation: Pair, exam: Exam) -> Found:
    """float32 stays float32; gradients may be float64."""
    out = Problem(implementation.layer, exam, dtype=np.float32).output(implementation)
    if out.dtype != np.float32:
        yield f"out is {out.dtype} where x is float32"


# --- gradients ----------------------------------------------------------------------------------------


@check("batchnorm", "layernorm", "affine")
def dx(implementation: Pair, exam: Exam) -> Found:
    """dx for a random upstream gradient."""
    yield from _gradients(implementation, Problem(implementation.layer, exam), which=[0])


@check("batchnorm", "layernorm", "affine")
def parameter_gradients(implementation: Pair, exam: Exam) -> Found:
    """dgamma and dbeta, or dw and db."""
    yield from _gradients(implementation, Problem(implementation.layer, exam), which=[1, 2])


@check("batchnorm", "layernorm")
def gradients_with_large_variance(implementation: Pair, exam: Exam) -> Found:
    """All gradients where the variance is so large that eps hardly matters."""
    yield from _gradients(implementation, with_large_variance(implementation.layer, exam))


@check("batchnorm", "layernorm")
def gradients_with_large_eps(implementation: Pair, exam: Exam) -> Found:
    """All gradients with eps 0.3: in every factor the same variance."""
    yield from _gradients(implementation, Problem(implementation.layer, exam, eps=LARGE_EPS))


@check("batchnorm", "layernorm")
def gradients_with_tiny_variance(implementation: Pair, exam: Exam) -> Found:
    """All gradients where the variance is below the default eps, and eps isn't named."""
    yield from _gradients(implementation, with_tiny_variance(implementation.layer, exam))


@check("batchnorm", "layernorm")
def gradients_of_a_constant(implementation: Pair, exam: Exam) -> Found:
    """A feature (batch norm) or row (layer norm) without variance: the gradients are finite, and right."""
    yield from _gradients(implementation, with_a_constant(implementation.layer, exam))


@check("layernorm")
def gradients_with_one_feature(implementation: Pair, exam: Exam) -> Found:
    """With D = 1 dx is zero: errors can't be relative to it."""
    yield from _gradients(implementation, Problem("layernorm", exam, shape=(exam.rows, 1)))


@check("batchnorm", "layernorm", "affine")
def gradients_in_float32(implementation: Pair, exam: Exam) -> Found:
    """All gradients of float32 data, near what float64 finds; eps hardly matters."""
    problem = with_large_variance(implementation.layer, exam, np.float32)
    expected = [each.astype(np.float32) for each in problem.in_float64().right_gradients()]
    yield from _compare(problem, problem.gradients(implementation), expected, tolerance=FLOAT32_TOLERANCE)


@check("batchnorm", "layernorm", "affine")
def numerical_gradient(implementation: Pair, exam: Exam) -> Found:
    """All gradients against central differences of the reference's forward pass, not of one's own."""
    problem = Problem(implementation.layer, exam)
    expected = problem.numerical_gradients(problem.right_output)
    yield from _compare(problem, problem.gradients(implementation), expected, tolerance=1e-6)


@check("batchnorm", "layernorm")
def sum_of_dx(implementation: Pair, exam: Exam) -> Found:
    """dx sums to zero over what the mean was taken over."""
    problem = Problem(implementation.layer, exam)
    size = np.abs(problem.dout).sum()
    gradient = np.asarray(problem.gradients(implementation)[0])
    total = gradient.sum(axis=problem.axis)
    yield Comparison("the sum of dx", total, np.zeros_like(total), size)


# --- state --------------------------------------------------------------------------------------------


@check("batchnorm", "layernorm", "affine")
def inputs_are_only_read(implementation: Pair, exam: Exam) -> Found:
    """x and the parameters can't be written to in the forward pass."""
    problem = Problem(implementation.layer, exam)
    expected = problem.right_output()
    for array in problem.inputs:
        array.flags.writeable = False
    yield Comparison("out", problem.output(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def dout_is_only_read(implementation: Pair, exam: Exam) -> Found:
    """The upstream gradient can't be written to in the backward pass."""
    problem = Problem(implementation.layer, exam)
    expected = problem.right_gradients()
    problem.dout.flags.writeable = False
    yield from _compare(problem, problem.gradients(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def aliases(implementation: Pair, exam: Exam) -> Found:
    """out isn't x, and dx isn't the upstream gradient, in the same memory."""
    problem = Problem(implementation.layer, exam)
    out, cache = problem.forward(implementation)
    if np.shares_memory(np.asarray(out), problem.x):
        yield "out shares its memory with x: changing one changes the other"
    gradient = problem.backward(implementation, cache)[0]
    if np.shares_memory(np.asarray(gradient), problem.dout):
        yield "dx shares its memory with dout"


@check("batchnorm", "layernorm", "affine")
def backward_twice(implementation: Pair, exam: Exam) -> Found:
    """A second backward pass with the same cache gives the same gradients."""
    problem = Problem(implementation.layer, exam)
    expected = problem.right_gradients()
    _, cache = problem.forward(implementation)
    for _ in range(2):
        problem.dout = problem.dout.copy()
        received = problem.backward(implementation, cache)
    yield from _compare(problem, received, expected)


@check("batchnorm", "layernorm", "affine")
def batch_of_another_size(implementation: Pair, exam: Exam) -> Found:
    """The gradients of minibatches of several sizes, after all of them have gone forward."""
    shapes = (exam.rows, exam.features), *extremes(implementation.layer, exam)
    problems = [Problem(implementation.layer, exam, shape) for shape in shapes]
    expected = [problem.right_gradients() for problem in problems]
    caches = [problem.forward(implementation)[1] for problem in problems]
    for problem, cache, right in zip(problems, caches, expected, strict=True):
        yield from _compare(problem, problem.backward(implementation, cache), right)


@check("batchnorm")
def running_mean(implementation: Pair, exam: Exam) -> Found:
    """running_mean after two batches with momentum 0.75 and eps 0.3."""
    yield from _statistic("running_mean", implementation, exam, momentum=0.75, eps=LARGE_EPS)


@check("batchnorm")
def running_variance(implementation: Pair, exam: Exam) -> Found:
    """running_var after two batches with momentum 0.75 and eps 0.3, which is no part of it."""
    yield from _statistic("running_var", implementation, exam, momentum=0.75, eps=LARGE_EPS)


@check("batchnorm")
def default_momentum(implementation: Pair, exam: Exam) -> Found:
    """The running statistics after two batches where momentum isn't named."""
    for name in STATISTICS:
        yield from _statistic(name, implementation, exam)


@check("batchnorm")
def test_mode_with_large_variance(implementation: Pair, exam: Exam) -> Found:
    """The output in test mode with given statistics, so large that eps hardly matters."""
    problem = in_test_mode(exam, eps=1e-8, least=0.5)
    problem.x, problem.param["running_mean"] = 1e4 * problem.x, 1e4 * problem.param["running_mean"]
    problem.param["running_var"] = 1e8 * problem.param["running_var"]
    yield _output(implementation, problem, "out in test mode")


@check("batchnorm")
def test_mode(implementation: Pair, exam: Exam) -> Found:
    """The output in test mode with given statistics, one running variance 1e-4, and eps 0.3."""
    yield _output(implementation, in_test_mode(exam, eps=LARGE_EPS), "out in test mode")


@check("batchnorm")
def default_eps_in_test_mode(implementation: Pair, exam: Exam) -> Found:
    """The output in test mode where eps isn't named, with a running variance below it."""
    problem = in_test_mode(exam, least=exam.variant.eps / 3)
    del problem.param["eps"]
    yield _output(implementation, problem, "out in test mode")


@check("batchnorm")
def test_mode_with_one_row(implementation: Pair, exam: Exam) -> Found:
    """A row gives the same alone as in a minibatch."""
    yield _output(implementation, in_test_mode(exam, rows=1, eps=LARGE_EPS), "out in test mode")


@check("batchnorm")
def test_mode_after_two_batches(implementation: Pair, exam: Exam) -> Found:
    """The output in test mode with the statistics that training left."""
    after = [_two_batches(one, exam) for one in (implementation, reference("batchnorm", exam.variant))]
    problems = [Problem("batchnorm", exam, seed=3, param={**param, "mode": "test"}) for param in after]
    is_narrow = any(getattr(after[0].get(name), "dtype", None) == np.float32 for name in STATISTICS)
    tolerance = FLOAT32_TOLERANCE if is_narrow else TOLERANCE
    received, expected = problems[0].output(implementation), problems[1].right_output()
    yield Comparison("out in test mode after training", received, expected, tolerance=tolerance)


@check("batchnorm")
def test_mode_updates_nothing(implementation: Pair, exam: Exam) -> Found:
    """The running statistics are the same before and after a call in test mode."""
    problem = in_test_mode(exam)
    before = {name: problem.param[name].copy() for name in STATISTICS}
    problem.forward(implementation)
    for name in STATISTICS:
        yield Comparison(f"{name} after a test call", problem.param.get(name), before[name])


@check("batchnorm")
def test_mode_only_reads(implementation: Pair, exam: Exam) -> Found:
    """x, gamma, beta and the running statistics can't be written to in test mode."""
    problem = in_test_mode(exam, eps=LARGE_EPS)
    expected = problem.right_output()
    for array in (*problem.inputs, *(problem.param[name] for name in STATISTICS)):
        array.flags.writeable = False
    yield Comparison("out in test mode", problem.output(implementation), expected)


# --- inside -------------------------------------------------------------------------------------------


def _two_batches(implementation: Pair, exam: Exam, **settings: float) -> dict[str, Any]:
    """bn_param after two batches in training mode."""
    param = {"mode": "train"} | settings
    for seed in (1, 2):
        problem = Problem("batchnorm", exam, seed=seed)
        problem.param = param
        problem.forward(implementation)
    return param


def _statistic(name: str, implementation: Pair, exam: Exam, **settings: float) -> Found:
    expected = _two_batches(reference("batchnorm", exam.variant), exam, **settings)[name]
    received = _two_batches(implementation, exam, **settings)
    if name in received:
        yield Comparison(name, received[name], expected)
    else:
        yield f"bn_param has no {name} after two batches in training mode"


def _output(implementation: Pair, problem: Problem, what: str = "out") -> Comparison:
    expected = problem.right_output()
    return Comparison(what, problem.output(implementation), expected)


def _gradients(implementation: Pair, problem: Problem, which: Sequence[int] = (0, 1, 2)) -> Found:
    expected = problem.right_gradients()
    yield from _compare(problem, problem.gradients(implementation), expected, which)


def _compare(
    problem: Problem,
    received: Sequence,
    expected: Sequence[np.ndarray],
    which: Sequence[int] = (0, 1, 2),
    tolerance: float = TOLERANCE,
) -> Found:
    upstream = float(np.abs(problem.dout).max())
    for i in which:
        yield Comparison(f"d{problem.names[i]}", received[i], expected[i], upstream, tolerance)
