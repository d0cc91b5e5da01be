"""What the small widgets of the lessons share: their styles, checked arrays, numbers as they are read."""

from typing import Any

import ipywidgets as widgets
import numpy as np

from lab.files import ASSETS

FULL = widgets.Layout(width="100%")


def style_sheet() -> widgets.HTML:
    """A widget that shows nothing and brings the lessons' styles along."""
    style = (ASSETS / "lessons.css").read_text("utf-8")
    return widgets.HTML(f"<style>{style}</style>", layout=widgets.Layout(display="none"))


def finite_array(name: str, values: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """values as a new float64 array. Raises ValueError unless they are finite numbers (of this shape)."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers, not {values!r}") from None
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; this x needs {shape}")
    for index in np.argwhere(~np.isfinite(array)):
        raise ValueError(f"{name} must be finite; {name}{index.tolist()} is {array[tuple(index)]}")
    return array


def small_batch(x: Any, samples: int, features: int, reach: float) -> np.ndarray:
    """x as a new float64 array of shape (N, D). Raises ValueError where it can't be shown number by number.

    samples, features: the most that find a place. reach: the largest number, either way.
    """
    x = finite_array("x", x)
    if x.ndim != 2 or not (2 <= x.shape[0] <= samples and 1 <= x.shape[1] <= features):
        raise ValueError(
            f"x must have 2 to {samples} samples (the variance of one is zero) of 1 to {features} features, "
            f"not shape {x.shape}"
        )
    for index in np.argwhere(np.abs(x) > reach):
        raise ValueError(f"x must lie from {-reach} to {reach}; x{index.tolist()} is {x[tuple(index)]}")
    return x


def number(value: float, form: str = ".3f") -> str:
    """A number as it is read: with a minus sign, and no sign before a zero."""
    shown = format(value + 0.0, form)  # + 0.0 makes −0 0
    if not shown.strip("+-0."):
        shown = shown.lstrip("+-")
    return shown.replace("-", "−")
