"""Settings that can't be are refused in one sentence: which it was, what it was, what is allowed."""

from collections.abc import Iterable

import numpy as np


def require_number(name, value, least=-np.inf, most=np.inf, whole=False, above=None):
    """Raise ValueError unless value is a finite number from `least` (or above `above`) to `most`."""
    kind = "a whole number" if whole else "a number"
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    fits = is_number and np.isfinite(value) and least <= value <= most and (above is None or value > above)
    if not fits or (whole and value != int(value)):
        low = f"from {least}" if above is None else f"above {above}"
        allowed = f" {low} to {most}" if np.isfinite(most) else f" {low} on" if np.isfinite(least) else ""
        raise ValueError(f"{name} must be {kind}{allowed}, not {value!r}")


def require_choice(name, value, allowed):
    """Raise ValueError unless value is one of those allowed."""
    if not (value is None or isinstance(value, str)) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def require_known(name, given: Iterable[str], known: Iterable[str]):
    """Raise ValueError if one of the given names isn't among the known ones."""
    known = list(known)
    for one in given:
        if one not in known:
            raise ValueError(f"{name} has no {one!r}; it has: {', '.join(known) or 'nothing'}")
