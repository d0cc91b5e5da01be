"""What layers of images have in common: their order in memory.

Outside, images are (N, C, H, W), in a population (K, N, C, H, W). In memory the channels of a position lie
side by side, as products and normalizations want them: what a layer returns is a view of such memory. Input
in any other order gives the same numbers, more slowly.
"""

from typing import Any

from lab.nn.backend import Array, namespace
from lab.nn.layer import Shape
from lab.nn.validation import require_array


def channels_last(x: Array) -> Array:
    """(..., C, H, W) -> (..., H, W, C), a view."""
    return namespace(x).moveaxis(x, -3, -1)


def channels_first(x: Array) -> Array:
    """(..., H, W, C) -> (..., C, H, W), a view."""
    return namespace(x).moveaxis(x, -1, -3)


def positions_as_rows(x: Array) -> Array:
    """(..., N, C, H, W) -> (..., N * H * W, C), a view where the channels are last in memory."""
    n, c, height, width = x.shape[-4:]
    return channels_last(x).reshape(*x.shape[:-4], n * height * width, c)


def rows_as_positions(rows: Array, shape: Shape) -> Array:
    """The way back from `positions_as_rows`; shape: (..., H, W) of the images, of which it takes H and W."""
    *lead, n, channels = rows.shape
    height, width = shape[-2:]
    return channels_first(rows.reshape(*lead, n // (height * width), height, width, channels))


def drawn_shape(x: Array) -> Shape:
    """The shape of what is drawn once for all members: (N, D) of rows, (N, H, W, C) of images."""
    return x.shape[-2:] if x.ndim < 4 else channels_last(x).shape[-4:]


def as_drawn(drawn: Array, x: Array) -> Array:
    """What was drawn in `drawn_shape`, to combine with x."""
    return drawn if x.ndim < 4 else channels_first(drawn)


def require_images(name: str, x: Any) -> None:
    """Raise ValueError unless x is an array of floats, (N, C, H, W) or (K, N, C, H, W)."""
    require_array(name, x)
    if x.ndim not in (4, 5) or x.dtype.kind != "f":
        raise ValueError(f"{name} must be floats of shape (N, C, H, W), not {x.dtype} of shape {x.shape}")
