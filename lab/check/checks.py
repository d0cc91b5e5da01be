"""Checks of an implementation of batch norm, layer norm or an affine layer.

A check takes anything with the attributes `layer`, `forward` and `backward`, and the `Exam` that its inputs
come from. It yields a `Comparison` for each thing it looks at, or a sentence where something is wrong that
isn't a number. The reference is the lab's own layer under the exam's variant. Inputs have N != D and a gamma
that isn't 1, upstream gradients are random, and errors are measured against the size of the upstream
gradient too, because a true gradient may be zero.

The functions may live in another process. All they meet is arrays, numbers, texts and a dict of such; a
cache is only handed back.
"""

import linecache
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lab.check.exam import Exam
from lab.nn import (
    affine_backward,
    affine_forward,
    batchnorm_backward_alt,
    batchnorm_forward,
    eval_numerical_gradient_array,
    layernorm_backward,
    layernorm_forward,
)

LAB = str(Path(__file__).parents[2])
TOLERANCE = 1e-8  # right float64 answers agree to 1e-9
FLOAT32_TOLERANCE = 3e-5  # right float32 answers agree to 3e-6
FAR_TOLERANCE = 3e-3  # at offset 1e4, where float32 has three digits left for the deviations
CONSTANT_TOLERANCE = 3e-7  # what a constant in float32 does, such as a momentum of 0.9 that leaves 0.1
ROUNDING = 8e-8  # a little more than one rounding to float32
NUDGE = 1e-6  # inputs that move so little round otherwise in float32, and change nothing else
LARGE_EPS = 0.3
FEWEST = {"batchnorm": 2, "layernorm": 1, "affine": 1}  # rows of a minibatch
STATISTICS = ("running_mean", "running_var")
PARAMETERS = {"batchnorm": ("gamma", "beta"), "layernorm": ("gamma", "beta"), "affine": ("w", "b")}
PAIRS: dict[str, tuple[Callable, Callable]] = {
    "batchnorm": (batchnorm_forward, batchnorm_backward_alt),
    "layernorm": (layernorm_forward, layernorm_backward),
    "affine": (affine_forward, affine_backward),
}


class Stopped(Exception):
    """The process that a function lives in is gone or out of time; nothing more can be asked."""


class Malformed(Exception):
    """A function returned something of another form; the text is the whole sentence."""


class Implementation(NamedTuple):
    """A layer's pair of functions."""

    layer: str  # "batchnorm", "layernorm" or "affine"
    forward: Callable
    backward: Callable | None  # not asked for where only the forward function is the subject


@lru_cache
def reference(layer, variant):
    """The lab's own layer, with the variant's conventions where the settings name nothing else."""
    forward, backward = PAIRS[layer]
    if layer == "affine":
        return Implementation(layer, forward, backward)

    def under_variant(x, gamma, beta, param):
        settings = {"eps": variant.eps, "convention": variant.convention, **param}
        out, cache = forward(x, gamma, beta, settings)
        param.update((name, settings[name]) for name in STATISTICS if name in settings)
        return out, cache

    return Implementation(layer, under_variant, backward)


class Comparison(NamedTuple):
    """What was received beside what is right."""

    what: str
    received: Any
    expected: np.ndarray
    upstream: float = 0.0  # size of the upstream gradient, which errors are measured against too
    tolerance: float = TOLERANCE

    @property
    def message(self):
        """None, or where `received` is furthest from `expected`."""
        received, expected = self.array, self.expected
        if received is None:
            return f"{self.what} is None, expected an array of shape {expected.shape}"
        if received.shape != expected.shape:
            return f"{self.what} has shape {received.shape}, expected {expected.shape}"
        if received.dtype.kind not in "fiub":
            return f"{self.what} must hold real numbers, not {received.dtype}"
        error = self.error
        if (error <= self.allowed).all():
            return None
        worst = np.unravel_index(np.argmax(error), error.shape)
        place = f"{self.what}[{', '.join(map(str, worst))}]" if worst else self.what
        both = received[worst], expected[worst]
        digits = 6 if len({f"{value:.6g}" for value in both}) == 2 else 12
        return f"{place}: received {both[0]:.{digits}g}, expected {both[1]:.{digits}g}"

    @property
    def is_near(self):
        """Whether it is right to the digits of float32."""
        return self._replace(tolerance=max(self.tolerance, FLOAT32_TOLERANCE)).message is None

    @property
    def remarks(self):
        """What was let pass, in sentences."""
        given, expected = np.shape(self.received), self.expected
        if given == (1, *expected.shape):
            yield f"{self.what} has shape {given} where {expected.shape} is meant; its values count"
        if self.is_narrow:
            yield f"{self.what} is {self.array.dtype} where the input is float64; the tolerance is wider"

    @property
    def array(self):
        """What was received as an array; shape (1, D) counts as (D,). None if there is nothing."""
        if self.received is None:
            return None
        array = np.asarray(self.received)
        return array[0] if array.shape == (1, *self.expected.shape) else array

    @property
    def is_narrow(self):
        """Whether float32 came back where float64 went in."""
        return self.array is not None and self.array.dtype == np.float32 and self.expected.dtype == np.float64

    @property
    def allowed(self):
        """The largest absolute error of a right answer."""
        finite = np.abs(self.expected[np.isfinite(self.expected)])
        tolerance = max(self.tolerance, FLOAT32_TOLERANCE) if self.is_narrow else self.tolerance
        return tolerance * (finite.max(initial=0.0) + self.upstream)

    @property
    def difference(self):
        """Received less expected, entry by entry; NaN where only one side is a number."""
        received, expected = self.array, self.expected
        difference = np.asarray(received.astype(np.float64) - expected)
        difference[(received == expected) | (np.isnan(received) & np.isnan(expected))] = 0
        return difference

    @property
    def error(self):
        """The absolute error of each entry."""
        return np.abs(self.difference)


class Check(NamedTuple):
    """A question, for some layers; its docstring says which."""

    layers: tuple[str, ...]
    run: Callable[[Any, Exam], Any]  # yields comparisons and sentences


class Answer(NamedTuple):
    """What came of a check: a sentence, or None if it passed, and what was seen on the way.

    is_rounded: whether all that it complains of is right to the digits of float32.
    """

    message: str | None
    remarks: tuple[str, ...] = ()
    seen: tuple[Comparison, ...] = ()
    error: Exception | None = None
    is_rounded: bool = False


CHECKS: dict[str, Check] = {}


def check(*layers):
    """Register a check for these layers, under its name in words."""

    def register(function):
        CHECKS[function.__name__.replace("_", " ")] = Check(layers, function)
        return function

    return register


def run_checks(implementation, exam=None):
    """{name of the check: None or a sentence} for all checks of the implementation's layer.

    Raises ValueError for a layer that there are no checks for.
    """
    layers = sorted({layer for one in CHECKS.values() for layer in one.layers})
    if implementation.layer not in layers:
        raise ValueError(f"layer must be one of {', '.join(layers)}, not {implementation.layer!r}")
    return {
        name: ask(one, implementation, exam or Exam()).message
        for name, one in applicable(implementation.layer).items()
    }


def applicable(layer):
    """{name: check} for one layer."""
    return {name: one for name, one in CHECKS.items() if layer in one.layers}


def ask(one, implementation, exam):
    """The `Answer` of one check; an exception of the implementation is an answer too."""
    sentences: list[str] = []
    remarks: list[str] = []
    seen: list[Comparison] = []
    error, rounded = None, 0
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            for found in one.run(implementation, exam):
                if isinstance(found, str):
                    sentences.append(found)
                    continue
                message = found.message  # raises for what no array can be made of
                seen.append(found)
                if message is not None:
                    sentences.append(message)
                    rounded += found.is_near
                else:
                    remarks += found.remarks
    except Exception as raised:
        error = raised
        sentences.append(in_words(raised))
    message, is_rounded = next(iter(sentences), None), 0 < len(sentences) == rounded
    return Answer(message, tuple(dict.fromkeys(remarks)), tuple(seen), error, is_rounded)


def is_right(answer, one, implementation, exam):
    """Whether a check passed, or complains of nothing but that numbers were float32 on the way.

    What float32 leaves is noise: it jumps where the inputs hardly move. The error of a formula moves along.
    """
    if answer.message is None or not answer.is_rounded:
        return answer.message is None
    moved = ask(one, implementation, replace(exam, nudge=NUDGE)).seen
    with np.errstate(all="ignore"):
        return len(moved) == len(answer.seen) and all(map(_is_noise, answer.seen, moved))


def _is_noise(seen, moved):
    # what hardly depends on the inputs rounds the same: a default, or the x_hat of two rows
    constant = seen._replace(tolerance=ROUNDING if seen.upstream else CONSTANT_TOLERANCE)
    if seen.message is None or constant.message is None:
        return True
    return moved.is_near and np.abs(seen.difference - moved.difference).max() > 1e-3 * seen.error.max()


def is_unwritten(error):
    """Whether an exception says that a function is still the stub that was handed out."""
    return isinstance(error, NotImplementedError) or str(error).startswith("NotImplementedError")


def in_words(error):
    """An exception as a sentence; those that carry whole sentences keep them."""
    if is_unwritten(error):
        return "not written yet"
    if type(error).__module__ == "builtins" and type(error) is not Exception:
        return f"{type(error).__name__}: {error}{_place(error)}"
    return str(error) or type(error).__name__


def _place(error):
    """The last line outside of the lab and of packages that an exception came through, in brackets."""
    place = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(LAB) and "site-packages" not in file:
            line = linecache.getline(file, number).strip()
            place = f" (in `{line[:120]}`)" if line else f" (in line {number} of {frame.f_code.co_name})"
    return place


# --- forward ------------------------------------------------------------------------------------------


@check("batchnorm", "layernorm")
def large_variance(implementation, exam):
    """The output where the variance is so large that eps hardly matters."""
    yield _output(implementation, Problem(implementation.layer, exam, scale=1e4, eps=1e-8))


@check("batchnorm", "layernorm", "affine")
def values(implementation, exam):
    """The output of a minibatch with N != D."""
    yield _output(implementation, Problem(implementation.layer, exam))


@check("batchnorm", "layernorm")
def large_eps(implementation, exam):
    """The output with eps 0.3, which shows where eps stands and whether it is read."""
    yield _output(implementation, Problem(implementation.layer, exam, eps=LARGE_EPS))


@check("batchnorm", "layernorm")
def tiny_variance(implementation, exam):
    """The output where the variance is below the default eps, and eps isn't named."""
    yield _output(implementation, _tiny(implementation.layer, exam))


@check("batchnorm", "layernorm")
def constant(implementation, exam):
    """A feature (batch norm) or row (layer norm) without variance: the output is beta."""
    yield _output(implementation, _constant(implementation.layer, exam))


@check("batchnorm", "layernorm")
def not_a_number(implementation, exam):
    """A NaN stays in its feature (batch norm) or row (layer norm)."""
    problem = Problem(implementation.layer, exam)
    problem.x[1, 1] = np.nan
    yield _output(implementation, problem)


@check("layernorm")
def one_feature(implementation, exam):
    """With D = 1 the output is beta."""
    yield _output(implementation, Problem("layernorm", exam, shape=(exam.rows, 1)))


@check("affine")
def images(implementation, exam):
    """The output and the shape of dx for x of shape (N, 2, 3)."""
    problem = Problem("affine", exam, shape=(4, 2, 3))
    yield _output(implementation, problem)
    yield from _gradients(implementation, problem)


@check("batchnorm", "layernorm", "affine")
def other_sizes(implementation, exam):
    """The outputs of minibatches of other sizes, the smallest and one of more than 30 rows among them."""
    for shape in (exam.features + 6, 3), (3, exam.rows + 2), *_extremes(implementation.layer, exam):
        yield _output(implementation, Problem(implementation.layer, exam, shape, seed=10))


@check("batchnorm", "layernorm")
def shift(implementation, exam):
    """Adding a number to x changes nothing."""
    problem, shifted = (Problem(implementation.layer, exam) for _ in range(2))
    shifted.x += 7
    expected = np.array(problem.output(implementation))
    yield Comparison("out for x + 7", shifted.output(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def permutation(implementation, exam):
    """Rows in another order give the same rows in another order."""
    problem, permuted = (Problem(implementation.layer, exam) for _ in range(2))
    order = np.roll(np.arange(len(problem.x)), 3)
    permuted.x = problem.x[order]
    expected = problem.output(implementation)[order]
    yield Comparison("out, with the rows permuted,", permuted.output(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def float32(implementation, exam):
    """The output of float32 data, near what float64 finds in it; eps hardly matters."""
    problem = Problem(implementation.layer, exam, dtype=np.float32, scale=1e4, eps=1e-8)
    expected = problem.in_float64().right_output().astype(np.float32)
    yield Comparison("out", problem.output(implementation), expected, tolerance=FLOAT32_TOLERANCE)


@check("batchnorm", "layernorm")
def float32_far_from_zero(implementation, exam):
    """float32 data around 10,000 has the statistics that float64 finds in it."""
    problem = Problem(implementation.layer, exam, dtype=np.float32, scale=2, eps=1e-8)
    problem.x = (problem.x + 1e4).astype(np.float32)
    expected = problem.in_float64().right_output().astype(np.float32)
    yield Comparison("out", problem.output(implementation), expected, tolerance=FAR_TOLERANCE)


@check("batchnorm", "layernorm", "affine")
def dtype(implementation, exam):
    """float32 stays float32; gradients may be float64."""
    out = Problem(implementation.layer, exam, dtype=np.float32).output(implementation)
    if out.dtype != np.float32:
        yield f"out is {out.dtype} where x is float32"


# --- gradients ----------------------------------------------------------------------------------------


@check("batchnorm", "layernorm", "affine")
def dx(implementation, exam):
    """dx for a random upstream gradient."""
    yield from _gradients(implementation, Problem(implementation.layer, exam), which=[0])


@check("batchnorm", "layernorm", "affine")
def parameter_gradients(implementation, exam):
    """dgamma and dbeta, or dw and db."""
    yield from _gradients(implementation, Problem(implementation.layer, exam), which=[1, 2])


@check("batchnorm", "layernorm")
def gradients_with_large_variance(implementation, exam):
    """All gradients where the variance is so large that eps hardly matters."""
    yield from _gradients(implementation, _large(implementation.layer, exam))


@check("batchnorm", "layernorm")
def gradients_with_large_eps(implementation, exam):
    """All gradients with eps 0.3: in every factor the same variance."""
    yield from _gradients(implementation, Problem(implementation.layer, exam, eps=LARGE_EPS))


@check("batchnorm", "layernorm")
def gradients_with_tiny_variance(implementation, exam):
    """All gradients where the variance is below the default eps, and eps isn't named."""
    yield from _gradients(implementation, _tiny(implementation.layer, exam))


@check("batchnorm", "layernorm")
def gradients_of_a_constant(implementation, exam):
    """A feature (batch norm) or row (layer norm) without variance: the gradients are finite, and right."""
    yield from _gradients(implementation, _constant(implementation.layer, exam))


@check("layernorm")
def gradients_with_one_feature(implementation, exam):
    """With D = 1 dx is zero: errors can't be relative to it."""
    yield from _gradients(implementation, Problem("layernorm", exam, shape=(exam.rows, 1)))


@check("batchnorm", "layernorm", "affine")
def gradients_in_float32(implementation, exam):
    """All gradients of float32 data, near what float64 finds; eps hardly matters."""
    problem = _large(implementation.layer, exam, np.float32)
    expected = [each.astype(np.float32) for each in problem.in_float64().right_gradients()]
    yield from _compare(problem, problem.gradients(implementation), expected, tolerance=FLOAT32_TOLERANCE)


@check("batchnorm", "layernorm", "affine")
def numerical_gradient(implementation, exam):
    """All gradients against central differences of the reference's forward pass, not of one's own."""
    problem = Problem(implementation.layer, exam)
    expected = problem.numerical_gradients(problem.right_output)
    yield from _compare(problem, problem.gradients(implementation), expected, tolerance=1e-6)


@check("batchnorm", "layernorm")
def sum_of_dx(implementation, exam):
    """dx sums to zero over what the mean was taken over."""
    problem = Problem(implementation.layer, exam)
    size = np.abs(problem.dout).sum()
    gradient = np.asarray(problem.gradients(implementation)[0])
    total = gradient.sum(axis=problem.axis)
    yield Comparison("the sum of dx", total, np.zeros_like(total), size)


# --- state --------------------------------------------------------------------------------------------


@check("batchnorm", "layernorm", "affine")
def inputs_are_only_read(implementation, exam):
    """x and the parameters can't be written to in the forward pass."""
    problem = Problem(implementation.layer, exam)
    expected = problem.right_output()
    for array in problem.inputs:
        array.flags.writeable = False
    yield Comparison("out", problem.output(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def dout_is_only_read(implementation, exam):
    """The upstream gradient can't be written to in the backward pass."""
    problem = Problem(implementation.layer, exam)
    expected = problem.right_gradients()
    problem.dout.flags.writeable = False
    yield from _compare(problem, problem.gradients(implementation), expected)


@check("batchnorm", "layernorm", "affine")
def aliases(implementation, exam):
    """out isn't x, and dx isn't the upstream gradient, in the same memory."""
    problem = Problem(implementation.layer, exam)
    out, cache = problem.forward(implementation)
    if np.shares_memory(np.asarray(out), problem.x):
        yield "out shares its memory with x: changing one changes the other"
    gradient = problem.backward(implementation, cache)[0]
    if np.shares_memory(np.asarray(gradient), problem.dout):
        yield "dx shares its memory with dout"


@check("batchnorm", "layernorm", "affine")
def backward_twice(implementation, exam):
    """A second backward pass with the same cache gives the same gradients."""
    problem = Problem(implementation.layer, exam)
    expected = problem.right_gradients()
    _, cache = problem.forward(implementation)
    for _ in range(2):
        problem.dout = problem.dout.copy()
        received = problem.backward(implementation, cache)
    yield from _compare(problem, received, expected)


@check("batchnorm", "layernorm", "affine")
def batch_of_another_size(implementation, exam):
    """The gradients of minibatches of several sizes, after all of them have gone forward."""
    shapes = (exam.rows, exam.features), *_extremes(implementation.layer, exam)
    problems = [Problem(implementation.layer, exam, shape) for shape in shapes]
    expected = [problem.right_gradients() for problem in problems]
    caches = [problem.forward(implementation)[1] for problem in problems]
    for problem, cache, right in zip(problems, caches, expected, strict=True):
        yield from _compare(problem, problem.backward(implementation, cache), right)


@check("batchnorm")
def running_mean(implementation, exam):
    """running_mean after two batches with momentum 0.75 and eps 0.3."""
    yield from _statistic("running_mean", implementation, exam, momentum=0.75, eps=LARGE_EPS)


@check("batchnorm")
def running_variance(implementation, exam):
    """running_var after two batches with momentum 0.75 and eps 0.3, which is no part of it."""
    yield from _statistic("running_var", implementation, exam, momentum=0.75, eps=LARGE_EPS)


@check("batchnorm")
def default_momentum(implementation, exam):
    """The running statistics after two batches where momentum isn't named."""
    for name in STATISTICS:
        yield from _statistic(name, implementation, exam)


@check("batchnorm")
def test_mode_with_large_variance(implementation, exam):
    """The output in test mode with given statistics, so large that eps hardly matters."""
    problem = _in_test_mode(exam, eps=1e-8, least=0.5)
    problem.x, problem.param["running_mean"] = 1e4 * problem.x, 1e4 * problem.param["running_mean"]
    problem.param["running_var"] = 1e8 * problem.param["running_var"]
    yield _output(implementation, problem, "out in test mode")


@check("batchnorm")
def test_mode(implementation, exam):
    """The output in test mode with given statistics, one running variance 1e-4, and eps 0.3."""
    yield _output(implementation, _in_test_mode(exam, eps=LARGE_EPS), "out in test mode")


@check("batchnorm")
def default_eps_in_test_mode(implementation, exam):
    """The output in test mode where eps isn't named, with a running variance below it."""
    problem = _in_test_mode(exam, least=exam.variant.eps / 3)
    del problem.param["eps"]
    yield _output(implementation, problem, "out in test mode")


@check("batchnorm")
def test_mode_with_one_row(implementation, exam):
    """A row gives the same alone as in a minibatch."""
    yield _output(implementation, _in_test_mode(exam, rows=1, eps=LARGE_EPS), "out in test mode")


@check("batchnorm")
def test_mode_after_two_batches(implementation, exam):
    """The output in test mode with the statistics that training left."""
    after = [_two_batches(one, exam) for one in (implementation, reference("batchnorm", exam.variant))]
    problems = [Problem("batchnorm", exam, seed=3, param={**param, "mode": "test"}) for param in after]
    is_narrow = any(getattr(after[0].get(name), "dtype", None) == np.float32 for name in STATISTICS)
    tolerance = FLOAT32_TOLERANCE if is_narrow else TOLERANCE
    received, expected = problems[0].output(implementation), problems[1].right_output()
    yield Comparison("out in test mode after training", received, expected, tolerance=tolerance)


@check("batchnorm")
def test_mode_updates_nothing(implementation, exam):
    """The running statistics are the same before and after a call in test mode."""
    problem = _in_test_mode(exam)
    before = {name: problem.param[name].copy() for name in STATISTICS}
    problem.forward(implementation)
    for name in STATISTICS:
        yield Comparison(f"{name} after a test call", problem.param.get(name), before[name])


@check("batchnorm")
def test_mode_only_reads(implementation, exam):
    """x, gamma, beta and the running statistics can't be written to in test mode."""
    problem = _in_test_mode(exam, eps=LARGE_EPS)
    expected = problem.right_output()
    for array in (*problem.inputs, *(problem.param[name] for name in STATISTICS)):
        array.flags.writeable = False
    yield Comparison("out in test mode", problem.output(implementation), expected)


# --- inside -------------------------------------------------------------------------------------------


class Problem:
    """Inputs of one layer: x (N, D), its parameters, settings, and a random upstream gradient.

    What is normalized has a standard deviation of `scale` at least: a few numbers drawn may lie so near each
    other that float32 can't tell their mean, and that it depends on the draw whether an eps is seen.
    """

    def __init__(
        self, layer, exam=None, shape=None, seed=0, dtype=np.float64, scale=1.0, eps=None, param=None
    ):
        self.layer, self.exam, self.names = layer, exam or Exam(), ("x", *PARAMETERS[layer])
        shape = shape or (self.exam.rows, self.exam.features)
        rng, features = np.random.default_rng([self.exam.seed, seed]), int(np.prod(shape[1:]))
        units = 3 if layer == "affine" else features
        shapes = [(features, units), (units,)] if layer == "affine" else [(features,)] * 2
        x, axis, nudge = rng.normal(1, 2, shape), self.axis, 1 + self.exam.nudge
        if layer != "affine" and shape[axis] > 1:
            mean = x.mean(axis, keepdims=True)
            x = mean + (x - mean) / np.minimum(x.std(axis, keepdims=True), 1)
        x = x + self.exam.nudge * x**2  # a factor alone would leave x_hat as it is
        self.x = (scale * x).astype(dtype)
        self.parameters = [(nudge * rng.normal(size=of)).astype(dtype) for of in shapes]
        dout = rng.normal(size=(shape[0], units) if layer == "affine" else shape)
        self.dout = (nudge * dout).astype(dtype)
        self.param: dict[str, Any] = {"mode": "train"} if layer == "batchnorm" else {}
        self.param |= {"eps": nudge * (self.exam.variant.eps if eps is None else eps)} | (param or {})

    @property
    def axis(self):
        """Of the rows for batch norm, of the features for layer norm."""
        return 0 if self.layer == "batchnorm" else 1

    @property
    def inputs(self):
        """x and the parameters."""
        return [self.x, *self.parameters]

    def in_float64(self):
        """The same numbers with more room for the arithmetic."""
        other = self._rightly()
        other.x, *other.parameters = (array.astype(np.float64) for array in self.inputs)
        other.dout = self.dout.astype(np.float64)
        return other

    def forward(self, implementation):
        """(out, cache); an affine layer takes no settings. Raises Malformed if it isn't that."""
        settings = [] if self.layer == "affine" else [self.param]
        result = implementation.forward(*self.inputs, *settings)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Malformed(f"the forward function returns {_form(result)}; it has to return (out, cache)")
        if result[0] is None:
            raise Malformed("the forward function returns None as out")
        return result

    def backward(self, implementation, cache):
        """The three gradients for the random upstream gradient. Raises Malformed if they aren't three."""
        result = implementation.backward(self.dout, cache)
        if not isinstance(result, tuple | list) or len(result) != 3:
            wanted = ", ".join(f"d{name}" for name in self.names)
            raise Malformed(f"the backward function returns {_form(result)}; it has to return {wanted}")
        return result

    def output(self, implementation):
        """out as an array."""
        return np.asarray(self.forward(implementation)[0])

    def gradients(self, implementation):
        """The gradients for the random upstream gradient."""
        return self.backward(implementation, self.forward(implementation)[1])

    def right_output(self):
        """out of the reference; the settings stay as they are."""
        return self._rightly().output(reference(self.layer, self.exam.variant))

    def right_gradients(self):
        """The gradients of the reference; the settings stay as they are."""
        return self._rightly().gradients(reference(self.layer, self.exam.variant))

    def numerical_gradients(self, output):
        """Central differences of sum(dout * output()) with respect to each of the inputs."""
        return [eval_numerical_gradient_array(lambda _: output(), each, self.dout) for each in self.inputs]

    def _rightly(self):
        other = Problem(self.layer, self.exam, self.x.shape)
        other.x, other.parameters, other.dout = self.x, self.parameters, self.dout
        other.param = dict(self.param)
        return other


def _form(result):
    if isinstance(result, tuple | list):
        return f"{len(result)} values"
    return "nothing (None)" if result is None else f"one value ({type(result).__name__})"


def _extremes(layer, exam):
    """Sizes of the smallest minibatch and of a large one, which isn't square either."""
    return (FEWEST[layer], exam.features), (exam.features + 30, exam.features)


def _large(layer, exam, dtype=np.float64):
    problem = Problem(layer, exam, scale=1e4, eps=1e-8, dtype=dtype)
    # gamma as large as the standard deviation, or dx would be nothing beside the upstream gradient
    problem.parameters[0] *= 1e4
    return problem


def _tiny(layer, exam):
    problem = Problem(layer, exam, scale=np.sqrt(exam.variant.eps / 10))
    del problem.param["eps"]
    return problem


def _constant(layer, exam):
    problem = Problem(layer, exam)
    problem.x[(slice(None), 1) if layer == "batchnorm" else 1] = 3.0
    return problem


def _in_test_mode(exam, rows=None, eps=None, least=1e-4):
    running = {
        "running_mean": (1 + exam.nudge) * np.linspace(-1, 2, exam.features),
        "running_var": (1 + exam.nudge) * np.array([least, *np.geomspace(0.2, 5, exam.features - 1)]),
    }
    shape = (rows or exam.rows, exam.features)
    return Problem("batchnorm", exam, shape, eps=eps, param={"mode": "test"} | running)


def _two_batches(implementation, exam, **settings):
    """bn_param after two batches in training mode."""
    param = {"mode": "train"} | settings
    for seed in (1, 2):
        problem = Problem("batchnorm", exam, seed=seed)
        problem.param = param
        problem.forward(implementation)
    return param


def _statistic(name, implementation, exam, **settings):
    expected = _two_batches(reference("batchnorm", exam.variant), exam, **settings)[name]
    received = _two_batches(implementation, exam, **settings)
    if name in received:
        yield Comparison(name, received[name], expected)
    else:
        yield f"bn_param has no {name} after two batches in training mode"


def _output(implementation, problem, what="out"):
    expected = problem.right_output()
    return Comparison(what, problem.output(implementation), expected)


def _gradients(implementation, problem, which=(0, 1, 2)):
    expected = problem.right_gradients()
    yield from _compare(problem, problem.gradients(implementation), expected, which)


def _compare(problem, received, expected, which=(0, 1, 2), tolerance=TOLERANCE):
    upstream = float(np.abs(problem.dout).max())
    for i in which:
        yield Comparison(f"d{problem.names[i]}", received[i], expected[i], upstream, tolerance)
