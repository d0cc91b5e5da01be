"""Bookkeeping around a pair of functions: parameters, settings, running state and the cache."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import numpy as np

from lab.nn.backend import Array

Shape = tuple[int, ...]
Pair = tuple[Callable, ...]  # forward and backward
Param = dict[str, Any]  # settings and running state by name, bn_param
Into = tuple[Array | None, ...]  # what gradients are written to; None where a new array is made
PerMember = Any  # one value, or a sequence of K: one for each member of a population


class Parameter(NamedTuple):
    """What a layer learns.

    name: as courses call it; a network adds a number, W1. role: "weight" (drawn at random, decayed by L2),
    "bias", "scale", "shift" or "other". shape: in a single network. initial: where it starts, unless it is a
    weight. fan_in, fan_out: of a weight, inputs of an output and outputs of an input.
    """

    name: str
    role: str
    shape: Shape
    initial: float = 0.0
    fan_in: int = 0
    fan_out: int = 0


class Layer:
    """A pair `forward(x, *parameters[, param]) -> (out, cache)`, `backward(dout, cache) -> gradients`
    and what has to be remembered between its calls. Where there are parameters, backward takes `into`,
    arrays that it may write their gradients to.

    kind: its name in `lab.nn.layers.LAYERS`. title: the same in words. family: "linear", "normalization",
    "activation", "random" (drawn anew at every update), "weights" (a function of weights), or "" for others.
    pair: the two functions. axes: how many a sample may have, () for any. stream: the random stream that it
    draws from, which belongs to the network and isn't part of the state. settings, conventions: what of an
    architecture's settings its constructor takes by name, and the conventions that it knows. instead_of: the
    kind whose form it is for samples of other axes. offered_with: the kinds that a normalization is joined
    with by name. needs_batch: whether one sample is too few in training mode. cuts: whether a unit of the
    activation is dead that is positive for no sample. saturates_beyond: |input| from which the slope is under
    5 % of its greatest value.
    """

    kind: ClassVar[str] = ""
    title: ClassVar[str] = ""
    family: ClassVar[str] = ""
    pair: ClassVar[Pair] = ()
    axes: ClassVar[Shape] = ()
    stream: ClassVar[str] = ""
    settings: ClassVar[tuple[str, ...]] = ()
    conventions: ClassVar[Mapping[str, Any]] = {}
    instead_of: ClassVar[str] = ""
    offered_with: ClassVar[tuple[str, ...]] = ()
    needs_batch: ClassVar[bool] = False
    cuts: ClassVar[bool] = False
    saturates_beyond: ClassVar[float | None] = None

    def __init__(self, parameters: Iterable[Parameter] = (), param: Param | None = None):
        """param: the settings and running state that forward takes last (its "mode" is kept up to date), or
        None where it takes none."""
        self.parameters = tuple(parameters)
        self.param: Any = param
        self.functions: Pair = self.pair
        self.in_shape: Any = None  # of a sample, as `fit` was told
        self.values: tuple[Array, ...] = ()  # views into the network's flat buffers, bound by the network
        self.gradients: tuple[Array, ...] = ()
        self.cache: Any = None

    def walk(self) -> Iterator["Layer"]:
        """The layers that compute, in the order of the forward pass: this one, or what it is made of."""
        yield self

    def indices(self, role: str) -> list[int]:
        """Which of its parameters have this role."""
        return [i for i, parameter in enumerate(self.parameters) if parameter.role == role]

    def fit(self, shape: Shape) -> Shape:
        """Take samples of this shape from now on. Returns the shape of what comes out of one.

        Raises ValueError where they don't fit.
        """
        if self.axes and len(shape) not in self.axes:
            wanted = {1: "rows (N, D)", 3: "images (N, C, H, W)"}
            taken = " or ".join(wanted[n] for n in self.axes)
            raise ValueError(f"{self.title} takes {taken}, not samples of shape {shape}")
        self.in_shape = shape
        return self.out_shape(shape)

    def out_shape(self, shape: Shape) -> Shape:
        """The shape of what comes out of a sample of this shape. Raises ValueError where it doesn't fit."""
        return shape

    def start(self, members: int | None, xp: ModuleType, dtype: np.dtype) -> None:
        """Make what training begins with: settings for each of K members, running statistics."""
        eps = (self.param or {}).get("eps", 0.0)
        if np.ndim(eps):
            self.param["eps"] = xp.asarray(np.asarray(eps, dtype=dtype))[:, None]

    def forward(self, x: Array, training: bool) -> Array:
        """out, in training or test mode."""
        if self.param is None:
            out, self.cache = self.functions[0](x, *self.values)
        else:
            self.param["mode"] = "train" if training else "test"
            out, self.cache = self.functions[0](x, *self.values, self.param)
        return out

    def backward(self, dout: Array) -> Array:
        """dx; the gradients of the parameters are written into the network's buffer."""
        if not self.gradients:
            return self.functions[1](dout, self.cache)
        dx, *gradients = self.functions[1](dout, self.cache, into=self.gradients)
        self._keep(gradients)
        return dx

    def _keep(self, gradients: Iterable[Array]) -> None:
        """Write the gradients that the function hasn't written itself into the network's buffer."""
        for view, gradient in zip(self.gradients, gradients, strict=True):
            if gradient is not view:
                view[...] = gradient

    def state(self) -> Param:
        """A copy of the settings and running statistics."""
        return deepcopy({name: value for name, value in (self.param or {}).items() if name != "rng"})

    def load_state(self, state: Param) -> None:
        """Go back to what `state` returned."""
        if self.param is not None:
            rng = {name: self.param[name] for name in ("rng",) if name in self.param}
            self.param.clear()
            self.param.update(deepcopy(state), **rng)


def fit(layers: Iterable[Layer], shape: Shape) -> Shape:
    """Fit layers to samples of a shape, one behind the other. Returns the shape of what comes out of one."""
    for layer in layers:
        shape = layer.fit(shape)
    return shape


def scale_and_shift(features: int) -> tuple[Parameter, Parameter]:
    """gamma and beta, one of each for every feature or channel."""
    return Parameter("gamma", "scale", (features,), 1.0), Parameter("beta", "shift", (features,))
