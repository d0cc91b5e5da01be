"""Group normalization of images (Wu and He, 2018): over a sample's groups of channels and all positions.

One group is layer norm over a sample's channels and positions, as many groups as channels are instance norm
(Ulyanov, Vedaldi and Lempitsky, 2016): over the positions of one channel.
"""

from lab.nn.backend import Array, namespace
from lab.nn.groupnorm import GroupNorm, GroupNormCache, groupnorm_backward, groupnorm_forward
from lab.nn.images import channels_first, channels_last, require_images
from lab.nn.layer import Into, Param, PerMember


def spatial_groupnorm_forward(
    x: Array, gamma: Array, beta: Array, G: int, gn_param: Param
) -> tuple[Array, GroupNormCache]:
    """Normalize each group of channels of each sample, then scale and shift each channel.

    x: (N, C, H, W) floats with gamma and beta (C,); in a population (K, N, C, H, W) with (K, C).
    G: number of groups, a divisor of C. gn_param: optional "eps" (1e-5) and "convention".
    Returns (out, cache), out with the shape and dtype of x.
    Raises ValueError, naming the argument, for anything it can't normalize.
    """
    require_images("x", x)
    out, cache = groupnorm_forward(x, gamma, beta, {**gn_param, "num_groups": G})
    return _with_channels_last(out), cache


def spatial_groupnorm_backward(
    dout: Array, cache: GroupNormCache, into: Into = (None, None)
) -> tuple[Array, Array, Array]:
    """dout: the shape of x, the gradient with respect to out. into: arrays to write dgamma and dbeta to.
    Returns dx, dgamma, dbeta."""
    dx, dgamma, dbeta = groupnorm_backward(dout, cache, into)
    return _with_channels_last(dx), dgamma, dbeta


def _with_channels_last(x: Array) -> Array:
    """The same numbers with channels last in memory; groups are neighbours only with channels first."""
    return channels_first(namespace(x).ascontiguousarray(channels_last(x)))


class SpatialGroupNorm(GroupNorm):
    """Group normalization of images."""

    kind, title, instead_of = "spatial_groupnorm", "spatial group norm", "groupnorm"
    pair = spatial_groupnorm_forward, spatial_groupnorm_backward
    axes = (3,)

    def forward(self, x: Array, training: bool) -> Array:
        gamma, beta = self.values
        out, self.cache = self.functions[0](x, gamma, beta, self.param["num_groups"], self.param)
        return out


class SpatialLayerNorm(SpatialGroupNorm):
    """Layer normalization of images, over the channels and positions of a sample: of one group."""

    kind, title, instead_of = "spatial_layernorm", "spatial layer norm", "layernorm"
    settings = ("eps", "convention")

    def __init__(self, features: int, eps: PerMember = 1e-5, convention: str = "course"):
        super().__init__(features, 1, eps, convention)
