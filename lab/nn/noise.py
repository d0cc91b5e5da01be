"""Noise on the activations (Santurkar and others, 2018, section 2.1): out = s * x + m.

It undoes what a normalization in front of it has just fixed. At every step each unit draws its own
distribution, mu ~ U(-n_mu, n_mu) and sigma ~ U(1, n_sigma), and each sample draws from that,
m ~ U(mu - r_mu, mu + r_mu) and s ~ N(sigma, r_sigma**2). The default sizes are the lab's choice.
"""

from collections.abc import Mapping

from lab.nn import random
from lab.nn.backend import Array, namespace
from lab.nn.images import as_drawn, drawn_shape
from lab.nn.layer import Layer, Param
from lab.nn.validation import require_array, require_shape

NOISE = {"n_mu": 0.5, "n_sigma": 1.25, "r_mu": 0.1, "r_sigma": 0.1}


def noise_forward(x: Array, noise_param: Param) -> tuple[Array, Array | None]:
    """Shift and scale every unit of every sample at random in training mode; nothing in test mode.

    x: floats, rows (N, D) or images (N, C, H, W), whose units are the entries of a sample; in a population
        with K in front: all members meet the same noise.
    noise_param: "mode" is "train" or "test"; optionally "rng", a numpy Generator or RandomState
        (default: NumPy's global one), and the sizes in `NOISE`.
    Returns (out, cache): out with the shape and dtype of x; cache is the factor s, or None in test mode.
    Raises ValueError for an unknown mode.
    """
    require_array("x", x)
    if noise_param.get("mode") == "test":
        return x.copy(order="K"), None
    if noise_param.get("mode") != "train":
        raise ValueError(f"noise_param['mode'] must be 'train' or 'test', not {noise_param.get('mode')!r}")
    size, shape = {**NOISE, **noise_param}, drawn_shape(x)
    units = shape[1:]
    rng = noise_param.get("rng") or random.legacy()
    mu = rng.uniform(-size["n_mu"], size["n_mu"], units)
    sigma = rng.uniform(1, size["n_sigma"], units)
    m = mu + rng.uniform(-size["r_mu"], size["r_mu"], shape)
    s = sigma + size["r_sigma"] * rng.standard_normal(shape)
    xp = namespace(x)
    m, s = [xp.asarray(as_drawn(drawn, x)).astype(x.dtype) for drawn in (m, s)]
    return s * x + m, s


def noise_backward(dout: Array, cache: Array | None) -> Array:
    """dout: the shape of x. Returns dx."""
    require_array("dout", dout)
    if cache is not None:
        require_shape("dout", dout, (*dout.shape[: -cache.ndim], *cache.shape))
    return dout.copy(order="K") if cache is None else dout * cache


class Noise(Layer):
    """Noise that draws from the network's stream."""

    kind, title, family = "noise", "noise", "random"
    pair = noise_forward, noise_backward
    stream = "noise"

    def __init__(self, sizes: Mapping[str, float] = NOISE):
        """sizes: some of `NOISE`, by name; those that are missing are as there."""
        super().__init__(param={name: float(size) for name, size in sizes.items()})
