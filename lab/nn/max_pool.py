"""Max pooling: the largest entry of each window, channel by channel."""

from lab.nn.backend import Array, namespace
from lab.nn.images import channels_first, channels_last
from lab.nn.layer import Param
from lab.nn.pool import Place, Pool, pool_places
from lab.nn.validation import require_shape

MaxPoolCache = tuple[Array, Array, list[Place]]  # x, out with its channels last; see `pool_places`


def max_pool_forward(x: Array, pool_param: Param) -> tuple[Array, MaxPoolCache]:
    """x: (..., C, H, W), usually (N, C, H, W), in a population (K, N, C, H, W).

    pool_param: "pool_height", "pool_width" and "stride". Rows and columns at the end that don't fill a window
        are left out.
    Returns (out, cache): out (..., C, 1 + (H - pool_height) // stride, 1 + (W - pool_width) // stride).
    Raises ValueError for a window that doesn't fit.
    """
    places = pool_places(x, pool_param)
    xp, images = namespace(x), channels_last(x)
    out = images[places[0]].copy()
    for place in places[1:]:
        xp.maximum(out, images[place], out=out)
    return channels_first(out), (x, out, places)


def max_pool_backward(dout: Array, cache: MaxPoolCache) -> Array:
    """dout: the shape of out. Returns dx. In a tie the gradient goes to one entry, the first row by row."""
    x, out, places = cache
    dout = _checked(dout, out)
    xp, images = namespace(dout), channels_last(x)
    dx = xp.zeros(images.shape, dout.dtype)
    is_open = xp.ones(out.shape, bool)  # whether the window's gradient still looks for its entry
    for place in places[:-1]:
        is_largest = (images[place] == out) & is_open
        dx[place] += dout * is_largest
        is_open ^= is_largest
    dx[places[-1]] += dout * is_open
    return channels_first(dx)


def _checked(dout: Array, out: Array) -> Array:
    """dout with its channels last. Raises ValueError unless it has the shape of out."""
    require_shape("dout", dout, channels_first(out).shape)
    return channels_last(dout)


class MaxPool(Pool):
    kind, title = "max_pool", "max pooling"
    pair = max_pool_forward, max_pool_backward
