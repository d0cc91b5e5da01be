"""What a layer is asked: its inputs, drawn for an exam, and what the lab's own layer answers.

Inputs have N != D and a gamma that isn't 1, and upstream gradients are random. The functions that are asked
may live in another process. All they meet is arrays, numbers, texts and a dict of such; a cache is only
handed back.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from lab.check.exam import Exam
from lab.check.variant import Variant
from lab.nn import (
    affine_backward,
    affine_forward,
    batchnorm_backward_alt,
    batchnorm_forward,
    eval_numerical_gradient_array,
    layernorm_backward,
    layernorm_forward,
)

FEWEST = {"batchnorm": 2, "layernorm": 1, "affine": 1}  # rows of a minibatch
STATISTICS = ("running_mean", "running_var")
PARAMETERS = {"batchnorm": ("gamma", "beta"), "layernorm": ("gamma", "beta"), "affine": ("w", "b")}
PAIRS: dict[str, tuple[Callable, Callable]] = {
    "batchnorm": (batchnorm_forward, batchnorm_backward_alt),
    "layernorm": (layernorm_forward, layernorm_backward),
    "affine": (affine_forward, affine_backward),
}


class Malformed(Exception):
    """A function returned something of another form; the text is the whole sentence."""


class Pair(Protocol):
    """A layer's functions, wherever they live."""

    @property
    def layer(self) -> str: ...
    @property
    def forward(self) -> Callable: ...
    @property
    def backward(self) -> Any: ...  # a function; None where the forward function alone is the subject


class Implementation(NamedTuple):
    """A layer's pair of functions."""

    layer: str  # "batchnorm", "layernorm" or "affine"
    forward: Callable
    backward: Any  # a function; None where the forward function alone is the subject


@lru_cache
def reference(layer: str, variant: Variant) -> Implementation:
    """The lab's own layer, with the variant's conventions where the settings name nothing else."""
    forward, backward = PAIRS[layer]
    if layer == "affine":
        return Implementation(layer, forward, backward)

    def under_variant(
        x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, param: dict[str, Any]
    ) -> tuple[np.ndarray, Any]:
        settings = {"eps": variant.eps, "convention": variant.convention, **param}
        out, cache = forward(x, gamma, beta, settings)
        param.update((name, settings[name]) for name in STATISTICS if name in settings)
        return out, cache

    return Implementation(layer, under_variant, backward)


class Problem:
    """Inputs of one layer: x (N, D), its parameters, settings, and a random upstream gradient.

    What is normalized has a standard deviation of `scale` at least: a few numbers drawn may lie so near each
    other that float32 can't tell their mean, and that it depends on the draw whether an eps is seen.
    """

    def __init__(
        self,
        layer: str,
        exam: Exam | None = None,
        shape: tuple[int, ...] | None = None,
        seed: int = 0,
        dtype: type = np.float64,
        scale: float = 1.0,
        eps: float | None = None,
        param: dict[str, Any] | None = None,
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
        self.x: np.ndarray = (scale * x).astype(dtype)
        self.parameters: list[np.ndarray] = [(nudge * rng.normal(size=of)).astype(dtype) for of in shapes]
        dout = rng.normal(size=(shape[0], units) if layer == "affine" else shape)
        self.dout: np.ndarray = (nudge * dout).astype(dtype)
        self.param: dict[str, Any] = {"mode": "train"} if layer == "batchnorm" else {}
        self.param |= {"eps": nudge * (self.exam.variant.eps if eps is None else eps)} | (param or {})

    @property
    def axis(self) -> int:
        """Of the rows for batch norm, of the features for layer norm."""
        return 0 if self.layer == "batchnorm" else 1

    @property
    def inputs(self) -> list[np.ndarray]:
        """x and the parameters."""
        return [self.x, *self.parameters]

    def in_float64(self) -> "Problem":
        """The same numbers with more room for the arithmetic."""
        other = self._rightly()
        other.x, *other.parameters = (array.astype(np.float64) for array in self.inputs)
        other.dout = self.dout.astype(np.float64)
        return other

    def forward(self, implementation: Pair) -> Sequence[Any]:
        """(out, cache); an affine layer takes no settings. Raises Malformed if it isn't that."""
        settings = [] if self.layer == "affine" else [self.param]
        result = implementation.forward(*self.inputs, *settings)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Malformed(f"the forward function returns {_form(result)}; it has to return (out, cache)")
        if result[0] is None:
            raise Malformed("the forward function returns None as out")
        return result

    def backward(self, implementation: Pair, cache: Any) -> Sequence[Any]:
        """The three gradients for the random upstream gradient. Raises Malformed if they aren't three."""
        result = implementation.backward(self.dout, cache)
        if not isinstance(result, tuple | list) or len(result) != 3:
            wanted = ", ".join(f"d{name}" for name in self.names)
            raise Malformed(f"the backward function returns {_form(result)}; it has to return {wanted}")
        return result

    def output(self, implementation: Pair) -> np.ndarray:
        """out as an array."""
        return np.asarray(self.forward(implementation)[0])

    def gradients(self, implementation: Pair) -> Sequence[Any]:
        """The gradients for the random upstream gradient."""
        return self.backward(implementation, self.forward(implementation)[1])

    def right_output(self) -> np.ndarray:
        """out of the reference; the settings stay as they are."""
        return self._rightly().output(reference(self.layer, self.exam.variant))

    def right_gradients(self) -> Sequence[np.ndarray]:
        """The gradients of the reference; the settings stay as they are."""
        return self._rightly().gradients(reference(self.layer, self.exam.variant))

    def numerical_gradients(self, output: Callable[[], np.ndarray]) -> list[np.ndarray]:
        """Central differences of sum(dout * output()) with respect to each of the inputs."""
        return [eval_numerical_gradient_array(lambda _: output(), each, self.dout) for each in self.inputs]

    def _rightly(self) -> "Problem":
        other = Problem(self.layer, self.exam, self.x.shape)
        other.x, other.parameters, other.dout = self.x, self.parameters, self.dout
        other.param = dict(self.param)
        return other


def _form(result: Any) -> str:
    if isinstance(result, tuple | list):
        return f"{len(result)} values"
    return "nothing (None)" if result is None else f"one value ({type(result).__name__})"


def extremes(layer: str, exam: Exam) -> tuple[tuple[int, int], tuple[int, int]]:
    """Sizes of the smallest minibatch and of a large one, which isn't square either."""
    return (FEWEST[layer], exam.features), (exam.features + 30, exam.features)


def with_large_variance(layer: str, exam: Exam, dtype: type = np.float64) -> Problem:
    """The variance is so large that eps hardly matters."""
    problem = Problem(layer, exam, scale=1e4, eps=1e-8, dtype=dtype)
    # gamma as large as the standard deviation, or dx would be nothing beside the upstream gradient
    problem.parameters[0] *= 1e4
    return problem


def with_tiny_variance(layer: str, exam: Exam) -> Problem:
    """The variance is below the default eps, and eps isn't named."""
    problem = Problem(layer, exam, scale=np.sqrt(exam.variant.eps / 10))
    del problem.param["eps"]
    return problem


def with_a_constant(layer: str, exam: Exam) -> Problem:
    """A feature (batch norm) or row (layer norm) has no variance."""
    problem = Problem(layer, exam)
    problem.x[(slice(None), 1) if layer == "batchnorm" else 1] = 3.0
    return problem


def in_test_mode(
    exam: Exam, rows: int | None = None, eps: float | None = None, least: float = 1e-4
) -> Problem:
    """Batch norm with given statistics; least: the smallest running variance."""
    running = {
        "running_mean": (1 + exam.nudge) * np.linspace(-1, 2, exam.features),
        "running_var": (1 + exam.nudge) * np.array([least, *np.geomspace(0.2, 5, exam.features - 1)]),
    }
    shape = (rows or exam.rows, exam.features)
    return Problem("batchnorm", exam, shape, eps=eps, param={"mode": "test"} | running)
