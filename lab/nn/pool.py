"""What max and average pooling have in common: windows without weights."""

from types import EllipsisType
from typing import Any

from lab.nn.backend import Array
from lab.nn.layer import Layer, Param, Shape
from lab.nn.validation import require_array, require_number

Place = tuple[EllipsisType, slice, slice, slice]


def pool_places(x: Array, pool_param: Param) -> list[Place]:
    """For each entry of a window, row by row, an index that takes it at all positions of the window, from x
    with its channels last, (..., H, W, C).

    pool_param: "pool_height", "pool_width", "stride". Rows and columns that don't fill a window are left out.
    Raises ValueError where x isn't (..., C, H, W) or a window doesn't fit in it.
    """
    require_array("x", x)
    if x.ndim < 3:
        raise ValueError(f"x must have shape (..., C, H, W), not {x.shape}")
    height, width, stride = _window(x.shape, pool_param)
    rows, columns = _starts(x.shape[-2], height, stride), _starts(x.shape[-1], width, stride)
    return [
        (..., slice(i, i + rows.stop, stride), slice(j, j + columns.stop, stride), slice(None))
        for i in range(height)
        for j in range(width)
    ]


def _window(shape: Shape, pool_param: Param) -> tuple[int, int, int]:
    """(pool_height, pool_width, stride). Raises ValueError unless the window fits in images of this shape."""
    sizes: dict[str, Any] = {name: pool_param.get(name) for name in ("pool_height", "pool_width", "stride")}
    for name, number in sizes.items():
        require_number(name, number, least=1, whole=True)
    height, width, stride = map(int, sizes.values())
    if height > shape[-2] or width > shape[-1]:
        raise ValueError(f"a pooling window of {height} x {width} doesn't fit into images of shape {shape}")
    return height, width, stride


def _starts(length: int, window: int, stride: int) -> range:
    """Where windows begin along an axis."""
    return range(0, length - window + 1, stride)


class Pool(Layer):
    """Pooling with square windows."""

    axes = (3,)

    def __init__(self, size: int = 2, stride: int | None = None):
        """stride: None is the size: windows that don't overlap."""
        sizes = {"pool_height": size, "pool_width": size, "stride": size if stride is None else stride}
        super().__init__(param=sizes)

    def out_shape(self, shape: Shape) -> Shape:
        height, width, stride = _window(shape, self.param)
        return shape[0], len(_starts(shape[1], height, stride)), len(_starts(shape[2], width, stride))
