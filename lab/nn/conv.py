"""Convolution layer: out[n, f] = b[f] + the sum over c of the cross-correlation of x[n, c] with w[f, c].

Every window becomes a row of a matrix (im2col: Chellapilla, Puri and Simard, 2006), so that the layer is one
product. With 3 x 3 kernels that matrix is nine times as large as x, so it is made and used in chunks. dx is a
convolution, too: of dout, with the kernels turned around.
"""

from collections.abc import Iterator, Sequence
from math import prod

from lab.nn.backend import Array, namespace
from lab.nn.images import channels_first, channels_last, require_images
from lab.nn.layer import Into, Param, Parameter, Shape
from lab.nn.linear import Linear
from lab.nn.validation import require_array, require_number, require_shape

CHUNK = 1024  # windows at a time: their matrix stays in a processor's cache until it is multiplied

ConvCache = tuple[Array, Array, int, int]  # x, kernels with their channels last, stride, pad


def conv_forward(x: Array, w: Array, b: Array, conv_param: Param) -> tuple[Array, ConvCache]:
    """x: (N, C, H, W); w: (F, C, HH, WW); b: (F,).

    In a population w is (K, F, C, HH, WW), b (K, F) and x (K, N, C, H, W), or (N, C, H, W) shared by all
    members.
    conv_param: "stride" (1), and "pad" (0), how many zeros there are on each side of an image. Rows and
        columns at the end that don't fill a window are left out.
    Returns (out, cache): out with the dtype of x, (N, F, H', W') with H' = 1 + (H + 2 * pad - HH) // stride
        and W' likewise, in a population with K in front.
    Raises ValueError, naming the argument, when sizes don't fit.
    """
    stride, pad = conv_param.get("stride", 1), conv_param.get("pad", 0)
    _require_fit(x, w, b, stride, pad)
    stride, pad = int(stride), int(pad)
    *members, filters, _, height, width = w.shape
    xp, n = namespace(x), x.shape[-4]
    kernels = xp.ascontiguousarray(channels_last(w))  # (..., F, HH, WW, C): in the order of a window
    matrix = kernels.reshape(*members, filters, -1).swapaxes(-1, -2)

    out_size = _out_size(x.shape[-2:], (height, width), stride, pad)
    out = xp.empty((*members, n * prod(out_size), filters), x.dtype)
    for chunk, rows in _chunks(_windows(_padded(x, pad), (height, width), stride)):
        part = xp.matmul(rows, matrix, out=out[..., chunk, :])
        part += b[..., None, :]
    return channels_first(out.reshape(*members, n, *out_size, filters)), (x, kernels, stride, pad)


def conv_backward(
    dout: Array, cache: ConvCache, into: Into = (None, None), needs_dx: bool = True
) -> tuple[Array | None, Array, Array]:
    """dout: the shape of out. Returns dx, dw, db.

    into: arrays (dw, db) to write to. needs_dx: False where x is the data, to save a product; dx is None.
    """
    x, kernels, stride, pad = cache
    *members, filters, height, width, channels = kernels.shape
    out_size = _out_size(x.shape[-2:], (height, width), stride, pad)
    require_shape("dout", dout, (*members, x.shape[-4], filters, *out_size))
    douts = channels_last(dout)
    db = douts.sum(axis=(-3, -2)).sum(axis=-2, out=into[1])

    flat = douts.reshape(*members, -1, filters)
    dw = namespace(dout).zeros((*members, filters, height * width * channels), dout.dtype)
    for chunk, rows in _chunks(_windows(_padded(x, pad), (height, width), stride)):
        dw += flat[..., chunk, :].swapaxes(-1, -2) @ rows
    dw = channels_first(dw.reshape(kernels.shape))
    if into[0] is not None:
        into[0][...] = dw
        dw = into[0]
    return _dx(douts, x.shape, kernels, stride, pad) if needs_dx else None, dw, db


def _dx(douts: Array, x_shape: Shape, kernels: Array, stride: int, pad: int) -> Array:
    """The gradient with respect to x, of shape x_shape with the members of the kernels.

    An entry of x lies in the windows that begin at it or up to (HH - 1, WW - 1) before it, so it meets the
    kernel's entries in reverse. A stride puts zeros between the entries of dout.
    """
    xp = namespace(douts)
    *members, filters, height, width, channels = kernels.shape
    n, _, *size = x_shape[-4:]
    turned = xp.moveaxis(kernels[..., ::-1, ::-1, :], -4, -2)  # (..., HH, WW, F, C)
    matrix = turned.reshape(*members, height * width * filters, channels)

    spread_size = size[0] + height - 1, size[1] + width - 1
    spread = _placed(douts, spread_size, (height - 1 - pad, width - 1 - pad), stride)
    dx = xp.empty((*members, n * prod(size), channels), douts.dtype)
    for chunk, rows in _chunks(_windows(spread, (height, width), 1)):
        xp.matmul(rows, matrix, out=dx[..., chunk, :])
    return channels_first(dx.reshape(*members, n, *size, channels))


def _out_size(size: Sequence[int], window: Sequence[int], stride: int, pad: int) -> Shape:
    """How many rows and columns of windows there are in an image of this size."""
    return tuple(1 + (length + 2 * pad - k) // stride for length, k in zip(size, window, strict=True))


def _padded(x: Array, pad: int) -> Array:
    """x (..., C, H, W) with zeros around it, (..., H + 2 * pad, W + 2 * pad, C)."""
    height, width = x.shape[-2:]
    return _placed(channels_last(x), (height + 2 * pad, width + 2 * pad), (pad, pad), 1)


def _placed(images: Array, size: Shape, first: Shape, step: int) -> Array:
    """Zeros (..., *size, C) with the positions of images, (..., H, W, C), `step` apart from `first` on, which
    may be negative: what lies outside is left out."""
    if first == (0, 0) and step == 1 and images.shape[-3:-1] == size:
        return images
    out = namespace(images).zeros((*images.shape[:-3], *size, images.shape[-1]), images.dtype)
    (to_rows, rows), (to_columns, columns) = map(_inside, images.shape[-3:-1], size, first, (step, step))
    out[..., to_rows, to_columns, :] = images[..., rows, columns, :]
    return out


def _inside(length: int, size: int, first: int, step: int) -> tuple[slice, slice]:
    """Of `length` entries, `step` apart from `first` on, those within range(size): where they go, and which
    they are."""
    skipped = max(-(first // step), 0)
    start = first + skipped * step
    count = max(min(length - skipped, len(range(start, size, step))), 0)
    return slice(start, start + count * step, step), slice(skipped, skipped + count)


def _windows(images: Array, window: Shape, stride: int) -> Array:
    """The window at each position, (..., N, H', W', HH, WW, C), a view of images (..., N, H, W, C)."""
    *lead, height, width, channels = images.shape
    *lead_strides, row, column, channel = images.strides
    positions = _out_size((height, width), window, stride, 0)
    stride_tricks = namespace(images).lib.stride_tricks
    return stride_tricks.as_strided(
        images,
        shape=(*lead, *positions, *window, channels),
        strides=(*lead_strides, row * stride, column * stride, row, column, channel),
    )


def _chunks(windows: Array) -> Iterator[tuple[slice, Array]]:
    """Some windows at a time: which of the N * H' * W' they are, a slice, and they as rows of a matrix,
    (..., that many, HH * WW * C)."""
    *members, n, height, width = windows.shape[:-3]
    most = CHUNK // prod(members)
    samples, lines = max(1, most // (height * width)), min(height, max(1, most // width))
    for i in range(0, n, samples):
        for j in range(0, height, lines):
            part = windows[..., i : i + samples, j : j + lines, :, :, :, :]
            rows = part.reshape(*members, -1, prod(windows.shape[-3:]))
            start = (i * height + j) * width
            yield slice(start, start + rows.shape[-2]), rows


def _require_fit(x: Array, w: Array, b: Array, stride: int, pad: int) -> None:
    """Raise ValueError, naming the argument, unless they can be convolved."""
    require_images("x", x)
    require_array("w", w)
    if w.ndim not in (4, 5) or x.ndim > w.ndim:
        raise ValueError(
            f"w must have shape (F, C, HH, WW), in a population (K, F, C, HH, WW), not {w.shape} "
            f"where x has {x.shape}"
        )
    require_shape("b", b, w.shape[:-3])
    if x.shape[-3] != w.shape[-3]:
        raise ValueError(f"w {w.shape} has {w.shape[-3]} channels; x {x.shape} has {x.shape[-3]}")
    if x.ndim == 5 and x.shape[0] != w.shape[0]:
        raise ValueError(f"w {w.shape} has {w.shape[0]} members; x {x.shape} has {x.shape[0]}")
    require_number("stride", stride, least=1, whole=True)
    require_number("pad", pad, least=0, whole=True)
    _require_windows(x.shape[-2:], w.shape[-2:], pad)


def _require_windows(size: Sequence[int], window: Sequence[int], pad: int) -> None:
    """Raise ValueError unless a window of the kernels fits into an image of this size."""
    height, width = (length + 2 * pad for length in size)
    if window[0] > height or window[1] > width:
        raise ValueError(
            f"kernels of {window[0]} x {window[1]} don't fit into images of {height} x {width}, "
            f"which includes pad {pad}"
        )


class Conv(Linear):
    kind, title = "conv", "convolution"
    pair = conv_forward, conv_backward
    axes = (3,)

    def __init__(self, channels: int, filters: int, size: int = 3, stride: int = 1, pad: int = 1):
        """channels, filters: of an image before and after. size: of the square kernels."""
        area = size * size
        shape = filters, channels, size, size
        weight = Parameter("W", "weight", shape, fan_in=channels * area, fan_out=filters * area)
        super().__init__([weight, Parameter("b", "bias", (filters,))], {"stride": stride, "pad": pad})

    def out_shape(self, shape: Shape) -> Shape:
        filters, channels, *window = self.parameters[0].shape
        if shape[0] != channels:
            raise ValueError(f"the convolution takes images of {channels} channels, not {shape[0]}")
        stride, pad = self.param["stride"], self.param["pad"]
        _require_windows(shape[1:], window, pad)
        return filters, *_out_size(shape[1:], window, stride, pad)
