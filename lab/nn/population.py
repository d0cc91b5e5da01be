"""What the members of a population may differ in, and how many they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.nn.initialization import INITIALIZATIONS
from lab.nn.layer import PerMember
from lab.nn.validation import require_choice, require_number, require_numbers


def validate(given: Mapping[str, Any]) -> None:
    """Check those arguments of `Network` that no layer sees, {name: value}.

    Raises ValueError, naming the argument, the value and what is allowed.
    """
    require_choice("initialization", given["initialization"], INITIALIZATIONS)
    for name in ("weight_scale", "reg", "eps"):
        require_numbers(name, given[name], least=0)
    for seed in np.atleast_1d(np.asarray(given["seed"], dtype=object)):
        if seed is not None:
            require_number("seed", seed, least=0, whole=True)
    if given["dtype"] not in (np.float32, np.float64, float, "float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, not {given['dtype']!r}")


def members(count: int | None = None, **settings: PerMember) -> int | None:
    """K if any setting is a sequence, or as many as are told, else None. Raises ValueError if two differ in
    length."""
    lengths = {name: len(np.ravel(value)) for name, value in settings.items() if np.ndim(value)}
    lengths |= {} if count is None else {"members": count}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(
            f"each setting of a population needs equally many members, and at least one, not {lengths}"
        )
    return next(iter(lengths.values()), None)
