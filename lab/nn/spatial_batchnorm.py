"""Batch normalization of images: one mean and variance a channel, over samples and positions.

Ioffe and Szegedy, 2015, section 3.2: every position of a feature map is normalized in the same way. So it is
batch norm whose rows are the positions of all samples.
"""

from collections.abc import Callable
from typing import Any

from lab.nn.backend import Array
from lab.nn.batchnorm import BatchNorm, batchnorm_backward_alt, batchnorm_forward
from lab.nn.images import positions_as_rows, require_images, rows_as_positions
from lab.nn.layer import Into, Param, Shape
from lab.nn.validation import require_shape

SpatialBatchNormCache = tuple[Any, Shape]  # the cache of what normalizes rows; of x


def spatial_batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: Param, forward: Callable = batchnorm_forward
) -> tuple[Array, SpatialBatchNormCache]:
    """Normalize each channel over samples and positions, then scale and shift it.

    x: (N, C, H, W) floats with gamma and beta (C,); in a population (K, N, C, H, W) with (K, C).
    bn_param: as in `lab.nn.batchnorm_forward`; running statistics have the shape of gamma.
    forward: what normalizes rows (N * H * W, C).
    Returns (out, cache), out with the shape and dtype of x.
    Raises ValueError, naming the argument, for anything it can't normalize.
    """
    require_images("x", x)
    out, cache = forward(positions_as_rows(x), gamma, beta, bn_param)
    return rows_as_positions(out, x.shape), (cache, x.shape)


def spatial_batchnorm_backward(
    dout: Array,
    cache: SpatialBatchNormCache,
    into: Into = (None, None),
    backward: Callable = batchnorm_backward_alt,
) -> tuple[Array, Array, Array]:
    """dout: the shape of x, the gradient with respect to out. into: arrays to write dgamma and dbeta to.
    Returns dx, dgamma, dbeta."""
    cache, shape = cache
    require_shape("dout", dout, shape)
    dx, dgamma, dbeta = backward(positions_as_rows(dout), cache, into)
    return rows_as_positions(dx, shape), dgamma, dbeta


class SpatialBatchNorm(BatchNorm):
    """Batch normalization of images."""

    kind, title, instead_of = "spatial_batchnorm", "spatial batch norm", "batchnorm"
    pair = spatial_batchnorm_forward, spatial_batchnorm_backward
    axes = (3,)
    needs_batch = False  # one sample has many positions
