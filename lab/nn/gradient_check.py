"""Numerical gradients, and a gradient check that explains itself.

    dL/dx ~ (L(x + h) - L(x - h)) / (2 h)

Two errors meet in that quotient. Truncation shrinks as h**2 (slope 2 on a logarithmic plot). Rounding
grows as ulp(L) / (2 h): below this floor nothing can be said. A wrong gradient shows as an error that
doesn't shrink with h at all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.nn.backend import Array
from lab.nn.layer import Shape
from lab.nn.network import Network
from lab.nn.validation import require_known

H = 1e-5  # near the best compromise between truncation and rounding in float64
STEPS = np.logspace(-1, -9, 17)
RTOL = 1e-6
MOST_ENTRIES = 400  # of one array that are looked at one by one

Function = Callable[[np.ndarray], Any]  # of x, whose gradient is taken


def rel_error(x: Array, y: Array) -> float:
    """The largest relative error, max |x - y| / max(1e-8, |x| + |y|).

    Where both are zero up to rounding it says more about the 1e-8 than about the gradient.
    """
    x, y = np.asarray(x), np.asarray(y)
    return np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y)))


def eval_numerical_gradient(f: Function, x: np.ndarray, verbose: bool = True, h: float = H) -> np.ndarray:
    """The gradient of a number, by central differences.

    f: function of x that returns a number. x: float array; it is changed in place and restored, so a
    view into a network's parameters does. verbose: print each entry. Returns an array like x.
    """
    _require_floats(x)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        gradient[index] = (f_at(f, x, index, h) - f_at(f, x, index, -h)) / (2 * h)
        if verbose:
            print(index, gradient[index])
    return gradient


def eval_numerical_gradient_array(f: Function, x: np.ndarray, df: np.ndarray, h: float = H) -> np.ndarray:
    """The gradient of sum(df * f(x)), by central differences.

    f: function of x that returns an array. df: the upstream gradient, of the shape of f(x).
    Returns an array like x, which is changed in place and restored.
    """
    _require_floats(x)
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        difference = f_at(f, x, index, h, copy=True) - f_at(f, x, index, -h)
        gradient[index] = np.sum(difference * df) / (2 * h)
    return gradient


def _require_floats(x: Any) -> None:
    if getattr(getattr(x, "dtype", None), "kind", None) != "f":
        what = f"an array of {x.dtype}" if hasattr(x, "dtype") else type(x).__name__
        raise ValueError(f"x must be an array of floats, which h can be added to, not {what}")


def f_at(f: Function, x: np.ndarray, index: Shape, h: float, copy: bool = False) -> Any:
    """f where x[index] is moved by h; x is as before afterwards. copy: f may return what it reuses."""
    before = x[index]
    x[index] = before + h
    try:
        value = f(x)
        return np.array(value) if copy else value
    finally:
        x[index] = before


@dataclass(frozen=True)
class GradientCheck:
    """What a check of one array's gradient found. Its text explains it."""

    name: str
    shape: tuple[int, ...]
    passed: bool
    worst: tuple[int, ...]  # index of the entry that is furthest from what is allowed
    received: float  # the gradient under test, there
    expected: float  # the numerical gradient, there
    allowed: float  # how far apart they may be
    h: np.ndarray = field(repr=False)  # step sizes along one random direction
    error: np.ndarray = field(repr=False)  # |numerical - received| along it, for each h
    floor: np.ndarray = field(repr=False)  # what rounding alone can do, for each h
    slope: float | None  # of log error against log h above the floor; None if nothing lies above it

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.worst))}]" if self.worst else ""
        numbers = f"received {self.received:.6g}, expected {self.expected:.6g}"
        verdict = "agrees" if self.passed else "is wrong"
        lines = [
            f"{self.name} {self.shape} {verdict}: worst at {self.name}{place}: {numbers}, "
            f"{abs(self.received - self.expected):.1e} apart, {self.allowed:.1e} allowed."
        ]
        if self.slope is None:
            lines.append("  Along a random direction the error stays at the rounding floor for every h.")
        elif self.slope > 1.5:
            lines.append(
                f"  The error falls with slope {self.slope:.1f} in h (truncation) down to the rounding floor."
            )
        else:
            lines.append(
                f"  The error falls with slope {self.slope:.1f} only; truncation alone gives 2: either the "
                "gradient is wrong, or a kink (ReLU at 0) lies within h."
            )
        return "\n".join(lines)


def explain_gradient(
    f: Function,
    x: np.ndarray,
    received: Array,
    name: str = "x",
    h: float = H,
    rtol: float = RTOL,
    seed: int = 0,
) -> GradientCheck:
    """Compare a gradient with central differences, and say what was found.

    f: function of x that returns a number. x: float64 array, changed in place and restored bit for bit.
    received: the gradient under test, of the shape of x. What is expected is extrapolated from the
    differences at h and h / 2, and at smaller steps where they don't agree, so that a sharp bend or a kink
    of the loss isn't taken for a mistake. An entry agrees when
    |received - expected| <= 30 ulp(L) / (2 h) + rtol * max(|received|, |expected|). Of more than 400
    entries a random 400 are looked at, and all together along a random direction.
    Returns a GradientCheck. Raises ValueError for another shape or dtype.
    """
    received = np.asarray(received)
    if x.dtype != np.float64:
        raise ValueError(f"a gradient check needs float64, {name} is {x.dtype}: rounding would hide mistakes")
    if received.shape != x.shape:
        raise ValueError(f"the gradient of {name} has shape {received.shape}; {name} has {x.shape}")
    rng = np.random.default_rng(seed)
    ulp = float(np.spacing(abs(float(f(x)))))

    chosen = np.arange(x.size) if x.size <= MOST_ENTRIES else rng.choice(x.size, MOST_ENTRIES, replace=False)
    indices = [tuple(map(int, np.unravel_index(i, x.shape))) for i in chosen]
    compared = [
        _compare(
            float(received[i]), lambda s, i=i: (f_at(f, x, i, s) - f_at(f, x, i, -s)) / (2 * s), h, ulp, rtol
        )
        for i in indices
    ]
    worst = int(np.argmax([excess for excess, _, _ in compared]))  # a NaN counts as the largest
    _, expected, allowed = compared[worst]

    direction = rng.standard_normal(x.shape)
    direction /= np.linalg.norm(direction)
    along = float(np.sum(received * direction))
    error = np.array([abs(_difference(f, x, direction, step) - along) for step in STEPS])
    floor = ulp / (2 * STEPS)
    above = ~(error <= 30 * floor)
    slope: float | None = 0.0  # an error that isn't finite doesn't fall either
    if above.sum() < 3:
        slope = None
    elif np.isfinite(along):
        slope = float(np.polyfit(np.log(STEPS[above]), np.log(error[above]), 1)[0])
    excess_along, _, _ = _compare(along, lambda s: _difference(f, x, direction, s), h, ulp, rtol)
    passed = compared[worst][0] <= 1 and excess_along <= 1
    return GradientCheck(
        name, x.shape, bool(passed), indices[worst], float(received[indices[worst]]),
        expected, allowed, STEPS, error, floor, slope,
    )  # fmt: skip


def check_gradients(
    net: Network,
    X: Array,
    y: Array,
    names: str | Iterable[str] | None = None,
    h: float = H,
    rtol: float = RTOL,
) -> dict[str, GradientCheck]:
    """Check every gradient of a network's loss; running statistics and random streams are frozen.

    net: a single float64 network. X, y: as for its `loss`. names: of the parameters to check; default all.
    Returns {name: GradientCheck}; print its values to read them.
    """
    if net.members is not None:
        raise ValueError("a gradient check takes a single network, not a population")

    def loss(_: np.ndarray) -> float:
        with net.frozen():
            return float(net.backpropagate(X, y))

    with net.frozen():
        _, gradients = net.loss(X, y)
    params: Mapping[str, np.ndarray] = net.params
    names = [names] if isinstance(names, str) else list(names or params)
    require_known("the network", names, params)
    return {name: explain_gradient(loss, params[name], gradients[name], name, h, rtol) for name in names}


def _compare(
    received: float, quotient: Callable[..., float], h: float, ulp: float, rtol: float
) -> tuple[float, float, float]:
    """(excess, expected, allowed): excess is how far off received is, as a multiple of what is allowed.

    quotient: function of h, a central difference. Where it doesn't agree it may be that a kink (ReLU at 0)
    lies within h; so smaller steps are tried, at the price of more rounding.
    """
    first: Any = None
    for step in (h, h / 10, h / 100):
        # Richardson's extrapolation: truncation falls as step**4, rounding is tripled
        expected = float((4 * quotient(step / 2) - quotient(step)) / 3)
        allowed = 30 * ulp / (2 * step) + rtol * max(abs(received), abs(expected))
        with np.errstate(invalid="ignore"):
            answer = (np.abs(received - expected) / allowed, expected, allowed)
        if first is None:
            first = answer
        # A smaller step counts only if it contradicts the first: else its rounding would excuse mistakes.
        if answer[0] <= 1 and (answer is first or abs(expected - first[1]) > allowed):
            return answer
    return first


def _difference(f: Function, x: np.ndarray, direction: np.ndarray, h: float) -> float:
    """The derivative of f along a direction, by central differences."""
    before = x.copy()
    try:
        x += h * direction
        above = float(f(x))
        x[...] = before - h * direction
        return (above - float(f(x))) / (2 * h)
    finally:
        x[...] = before
