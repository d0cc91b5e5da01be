"""One contiguous vector for all parameters, and named views into it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from lab.nn.backend import Array
from lab.nn.layer import Layer


def lay_out(
    layers: Sequence[Layer], of: str, members: int | None, xp: ModuleType, dtype: np.dtype
) -> tuple[Array, "Views"]:
    """Put the parameters of layers side by side into one vector of zeros.

    of: "values" or "gradients", where each layer gets its views. members: K in a population.
    Returns (flat, views): (P,) or (K, P), and the views by name, W1, b1, gamma1, …: each name of a parameter
    is numbered by itself.
    """
    lead = () if members is None else (members,)
    flat = xp.zeros((*lead, sum(prod(p.shape) for layer in layers for p in layer.parameters)), dtype=dtype)
    views, start = {}, 0
    count: Counter[str] = Counter()
    for layer in layers:
        own = []
        for parameter in layer.parameters:
            end = start + prod(parameter.shape)
            own.append(flat[..., start:end].reshape(*lead, *parameter.shape))
            count[parameter.name] += 1
            views[f"{parameter.name}{count[parameter.name]}"] = own[-1]
            start = end
        setattr(layer, of, tuple(own))
    return flat, Views(views, xp)


class Views(Mapping[str, Array]):
    """Named views into a flat buffer. Assigning copies into the view, so it stays one."""

    def __init__(self, views: dict[str, Array], xp: ModuleType):
        self._views, self._xp = views, xp

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __setitem__(self, name: str, value: Array) -> None:
        if name not in self._views:
            raise KeyError(f"no parameter {name!r}; there are: {', '.join(self._views)}")
        view, value = self._views[name], self._xp.asarray(value)
        if value.shape != view.shape:
            raise ValueError(
                f"params[{name!r}] has shape {view.shape}; a value of shape {value.shape} doesn't fit"
            )
        view[...] = value

    def copy(self) -> dict[str, Array]:
        """The parameters as a dict of arrays of their own."""
        return {name: view.copy() for name, view in self._views.items()}

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Array]:
        return self.copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return f"Views({', '.join(f'{name} {view.shape}' for name, view in self._views.items())})"
