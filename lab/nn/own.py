"""Pairs of functions that somebody else wrote, in the place of the lab's.

They get what the lab's pairs get. What they return is checked, so that a mistake is reported where it
was made; what they raise goes through untouched. They are written for one network: in a population
they are applied member by member.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from types import ModuleType
from typing import Any

from lab.nn.backend import Array, namespace
from lab.nn.layer import Layer, Pair, Param, Shape
from lab.nn.layers import LAYERS
from lab.nn.random import get_state, set_state
from lab.nn.validation import require_known

OPTIONAL = ("activation", "random", "weights")  # families that a network may have or not

CheckedCache = tuple[list[Shape], Any]  # shapes of what gradients are returned of, the pair's own cache


def put_in(own: Mapping[str, Pair], layers: Sequence[Layer], members: int | None = None) -> None:
    """Put own pairs in the place of the lab's, in each layer of their kind.

    own: {kind: (forward, backward)}. layers: of a network. members: K in a population.
    Raises ValueError for what isn't that, and for kinds that the network couldn't have whatever its settings.
    """
    if not isinstance(own, Mapping):
        raise ValueError(f"layers must be a dict of pairs of functions, not {own!r}")
    kinds = {layer.kind for layer in layers if layer.pair}
    axes = {len(layer.in_shape) for layer in layers if layer.family == "activation"} or {1, 3}
    for kind, one in LAYERS.items():
        is_possible = one.family in OPTIONAL or (one.family == "normalization" and axes & {*one.axes})
        kinds |= {kind} if is_possible else set()
    require_known("layers", own, sorted(kinds))
    for kind, pair in own.items():
        if not isinstance(pair, Sequence) or len(pair) != 2 or not all(map(callable, pair)):
            raise ValueError(f"layers[{kind!r}] must be a pair of functions (forward, backward)")
    for layer in layers:
        if layer.kind in own:
            layer.functions = adopt(own[layer.kind], layer, members)


def adopt(pair: Pair, layer: Layer, members: int | None = None) -> Pair:
    """The pair as the layer wants it.

    pair: (forward, backward). members: K in a population.
    The functions raise ValueError when the pair returns something of another number or shape.
    """
    own_forward, own_backward = pair

    def out_shape(x: Array) -> Shape:
        """Of what comes out of x, which may have no member axis of its own."""
        if layer.in_shape is None:
            return x.shape
        return (*x.shape[: x.ndim - len(layer.in_shape)], *layer.out_shape(layer.in_shape))

    def forward(x: Array, *arguments: Any) -> tuple[Array, Any]:
        if members is None:
            return _forward(own_forward, x, arguments, out_shape(x))
        is_shared = layer.in_shape is not None and x.ndim == len(layer.in_shape) + 1  # it is the data
        by_member = [[_of_member(a, k) for a in arguments] for k in range(members)]
        streams = [param["rng"] for param in arguments if isinstance(param, dict) and "rng" in param]
        states = [get_state(rng) for rng in streams]
        results = []
        for k in range(members):
            for rng, state in zip(streams, states, strict=True):  # members share what is drawn
                set_state(rng, state)
            own_x = x if is_shared else x[k]
            results.append(_forward(own_forward, own_x, by_member[k], out_shape(own_x)))
        outs, caches = zip(*results, strict=True)
        xp = namespace(x)
        for i, param in enumerate(arguments):
            if isinstance(param, dict):
                _collect(param, [own[i] for own in by_member], xp)
        return xp.stack(outs), caches

    def backward(dout: Array, cache: Any, **_: Any) -> Array | tuple[Array, ...]:
        if members is None:
            return _backward(own_backward, dout, cache)
        results = [_backward(own_backward, dout[k], cache[k]) for k in range(members)]
        stack = namespace(dout).stack
        if not isinstance(results[0], tuple):
            return stack(results)
        return tuple(stack(gradients) for gradients in zip(*results, strict=True))

    return forward, backward


def _forward(
    forward: Callable, x: Array, arguments: Iterable[Any], expected: Shape
) -> tuple[Array, CheckedCache]:
    """(out in the dtype of x, what `_backward` needs). expected: the shape of out."""
    name, result = getattr(forward, "__name__", "forward"), forward(x, *arguments)
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError(f"{name} must return (out, cache), not {_described(result)}")
    parameters = [a.shape for a in arguments if hasattr(a, "shape")]
    out, cache = result
    if getattr(out, "shape", None) != expected:
        raise ValueError(f"{name} must return out of shape {expected}, not {_described(out)}")
    return out.astype(x.dtype, copy=False), ([x.shape, *parameters], cache)


def _backward(backward: Callable, dout: Array, checked_cache: CheckedCache) -> Array | tuple[Array, ...]:
    """dx alone where there are no parameters, else the tuple of gradients, all in the dtype of dout."""
    shapes, cache = checked_cache
    name, result = getattr(backward, "__name__", "backward"), backward(dout, cache)
    gradients = result if isinstance(result, tuple) else (result,)
    if len(gradients) != len(shapes):
        raise ValueError(f"{name} must return {len(shapes)} gradients, not {len(gradients)}")
    for i, (gradient, shape) in enumerate(zip(gradients, shapes, strict=True)):
        # A parameter's gradient may be (1, D) in place of (D,): that does no harm.
        if getattr(gradient, "shape", None) != shape and (
            i == 0 or getattr(gradient, "size", -1) != prod(shape)
        ):
            which = "dx" if i == 0 else f"gradient {i + 1} of {len(shapes)}"
            raise ValueError(f"{name} must return {which} of shape {shape}, not {_described(gradient)}")
    fitted = [
        g.reshape(shape).astype(dout.dtype, copy=False) for g, shape in zip(gradients, shapes, strict=True)
    ]
    return tuple(fitted) if len(fitted) > 1 else fitted[0]


def _of_member(argument: Any, k: int) -> Any:
    """Member k's part of a parameter, or of a dict of settings and running statistics; numbers are shared."""
    if not isinstance(argument, dict):
        return argument[k] if hasattr(argument, "shape") else argument
    own = {name: value[k] if hasattr(value, "shape") else value for name, value in argument.items()}
    return {
        name: value.item() if getattr(value, "size", 0) == 1 and name == "eps" else value
        for name, value in own.items()
    }


def _collect(param: Param, of_members: Sequence[Param], xp: ModuleType) -> None:
    """Put together what the members' calls left in their dicts."""
    for name, value in of_members[0].items():
        if hasattr(value, "shape"):
            param[name] = xp.stack([own[name] for own in of_members])
        elif not hasattr(param.get(name), "shape"):  # eps by member stays an array
            param[name] = value


def _described(value: Any) -> str:
    """A value in an error message."""
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"an array of shape {shape}"
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else type(value).__name__
