"""One contiguous vector for all parameters, and named views into it."""

from collections.abc import Iterator, Mapping
from math import prod

from lab.nn.layer import Shape


def lay_out(shapes: Mapping[str, Shape], members: int | None, xp, dtype):
    """(flat, views): zeros, (P,) or in a population (K, P), and the part of each name in its shape."""
    lead = () if members is None else (members,)
    flat = xp.zeros((*lead, sum(map(prod, shapes.values()))), dtype=dtype)
    views, start = {}, 0
    for name, shape in shapes.items():
        views[name] = flat[..., start : start + prod(shape)].reshape(*lead, *shape)
        start += prod(shape)
    return flat, views


class Views(Mapping):
    """Named views into a flat buffer. Assigning copies into the view, so it stays one."""

    def __init__(self, views, xp):
        self._views, self._xp = views, xp

    def __getitem__(self, name):
        return self._views[name]

    def __setitem__(self, name, value):
        if name not in self._views:
            raise KeyError(f"no parameter {name!r}; there are: {', '.join(self._views)}")
        view, value = self._views[name], self._xp.asarray(value)
        if value.shape != view.shape:
            raise ValueError(
                f"params[{name!r}] has shape {view.shape}; a value of shape {value.shape} doesn't fit"
            )
        view[...] = value

    def copy(self):
        """The parameters as a dict of arrays of their own."""
        return {name: view.copy() for name, view in self._views.items()}

    def __deepcopy__(self, memo):
        return self.copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self):
        return len(self._views)

    def __repr__(self):
        return f"Views({', '.join(f'{name} {view.shape}' for name, view in self._views.items())})"
