"""Settings that can't be are refused in one sentence: which it was, what it was, what is allowed."""

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

NUMBERS = (int, float, np.integer, np.floating)
LARGEST = sys.float_info.max
MOST_SHOWN = 60  # characters of a value that a sentence repeats


def require_number(
    name: str,
    value: Any,
    least: float = -np.inf,
    most: float = np.inf,
    whole: bool = False,
    above: float | None = None,
) -> None:
    """Raise ValueError unless value is a finite number from `least` (or above `above`) to `most`."""
    kind = "a whole number" if whole else "a number"
    is_number = isinstance(value, NUMBERS) and not isinstance(value, bool)
    fits = is_number and abs(value) <= LARGEST and least <= value <= most and (above is None or value > above)
    if not fits or (whole and value != int(value)):
        low = f"from {least}" if above is None else f"above {above}"
        allowed = f" {low} to {most}" if np.isfinite(most) else f" {low} on" if np.isfinite(least) else ""
        raise ValueError(f"{name} must be {kind}{allowed}, not {shown(value)}")


def require_numbers(name: str, value: Any, least: float = -np.inf) -> None:
    """Raise ValueError unless value is a finite number from `least` on, or a sequence of them."""
    several = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    for one in value if several else [value]:
        require_number(name, one, least=least)


def require_setting(name: str, value: Any, most: float = np.inf) -> None:
    """Raise ValueError unless value is a number from 0 to `most`, or an array: one for each member."""
    is_usual = type(value) is float and 0 <= value <= min(most, LARGEST)  # layers ask at every call
    if not is_usual and not getattr(value, "ndim", 0):
        require_number(name, value, least=0, most=most)


def shown(value: Any) -> str:
    """A value as it is written, or how it begins where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python doesn't write whole numbers of over 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def require_array(name: str, value: Any) -> None:
    """Raise ValueError unless value is an array, of NumPy or another library."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise ValueError(f"{name} must be an array, not {type(value).__name__}: np.array makes one")


def require_shape(name: str, array: Any, expected: tuple[int, ...]) -> None:
    """Raise ValueError unless it is an array of this shape."""
    require_array(name, array)
    if array.shape != expected:
        raise ValueError(f"{name} must have shape {expected}, not {array.shape}")


def require_choice(name: str, value: Any, allowed: Collection[str | None]) -> None:
    """Raise ValueError unless value is one of those allowed."""
    if not (value is None or isinstance(value, str)) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, not {shown(value)}")


def require_known(name: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError if one of the given names isn't among the known ones."""
    if isinstance(given, str):
        raise ValueError(f"{name} must be a list of names, not {shown(given)}")
    known = list(known)
    for one in given:
        if one not in known:
            raise ValueError(f"{name} has no {one!r}; it has: {', '.join(known) or 'nothing'}")
