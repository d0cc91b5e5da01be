"""Average pooling: the mean of each window, channel by channel."""

from lab.nn.backend import Array, namespace
from lab.nn.images import channels_first, channels_last
from lab.nn.layer import Param, Shape
from lab.nn.pool import Place, Pool, pool_places
from lab.nn.validation import require_shape

AvgPoolCache = tuple[Shape, Shape, list[Place]]  # of x with its channels last, of out; see `pool_places`


def avg_pool_forward(x: Array, pool_param: Param) -> tuple[Array, AvgPoolCache]:
    """x: (..., C, H, W), usually (N, C, H, W), in a population (K, N, C, H, W).

    pool_param: "pool_height", "pool_width" and "stride". Rows and columns at the end that don't fill a window
        are left out.
    Returns (out, cache): out (..., C, 1 + (H - pool_height) // stride, 1 + (W - pool_width) // stride).
    Raises ValueError for a window that doesn't fit.
    """
    places = pool_places(x, pool_param)
    images = channels_last(x)
    out = images[places[0]].copy()
    for place in places[1:]:
        out += images[place]
    out /= len(places)
    out = channels_first(out)
    return out, (images.shape, out.shape, places)


def avg_pool_backward(dout: Array, cache: AvgPoolCache) -> Array:
    """dout: the shape of out. Returns dx: each entry's share of the windows that it lies in."""
    images_shape, out_shape, places = cache
    require_shape("dout", dout, out_shape)
    share = channels_last(dout) / len(places)
    dx = namespace(dout).zeros(images_shape, dout.dtype)
    for place in places:
        dx[place] += share
    return channels_first(dx)


class AvgPool(Pool):
    kind, title = "avg_pool", "average pooling"
    pair = avg_pool_forward, avg_pool_backward
