"""Weight standardization (Qiao, Wang, Liu, Shen and Yuille, 2019, equation 7).

    w_hat = (w - mean) / sqrt(var + eps) / sqrt(fan_in)

Mean and variance are taken over the fan-in of each output unit. The division by sqrt(fan_in) is the
lab's: without it activations grow at every layer when the layer stands alone; in front of a
normalization it cancels.
"""

from typing import NamedTuple

from lab.nn.backend import Array
from lab.nn.layer import Layer, Param, Shape
from lab.nn.standardize import Standardized, convention_of, standardize, standardize_backward


class WeightConvention(NamedTuple):
    """What published code standardizes weights to."""

    ddof: int = 0
    root: str = "inside"
    eps: float = 1e-5
    unit_fan_in: bool = True  # divide by sqrt(fan_in)


WEIGHT_CONVENTIONS = {
    "course": WeightConvention(),
    "official": WeightConvention(ddof=1, root="outside", unit_fan_in=False),
    # Brock, De and Smith, 2021, appendix D: rsqrt(max(var * fan_in, eps))
    "scaled": WeightConvention(root="floor", eps=1e-4),
}


class WeightStdCache(NamedTuple):
    """What the backward pass needs."""

    standardized: Standardized
    scale: float  # what x_hat was multiplied by


def weightstd_forward(w: Array, ws_param: Param) -> tuple[Array, WeightStdCache]:
    """Standardize the weights of each output unit.

    w: floats, (fan_in, units), in a population (K, fan_in, units); or a convolution's, (F, C, HH, WW) or
        (K, F, C, HH, WW), whose units are the F filters, with a fan-in of C * HH * WW.
    ws_param: optional "eps" and "convention" ("course", "official", "scaled") and "gain" (1).
    Returns (w_hat, cache), w_hat with the shape and dtype of w.
    """
    matrix = _by_unit(w)
    convention, fan_in = convention_of(ws_param, WEIGHT_CONVENTIONS), matrix.shape[-2]
    eps = ws_param.get("eps", convention.eps)
    if convention.root == "floor":
        eps = eps / fan_in  # max(var * fan_in, eps) = fan_in * max(var, eps / fan_in)
    standardized, _, _ = standardize(matrix, eps, convention.ddof, convention.root)
    scale = float(ws_param.get("gain", 1.0)) * (fan_in**-0.5 if convention.unit_fan_in else 1.0)
    return _as_weights(standardized.x_hat * scale, w.shape), WeightStdCache(standardized, scale)


def weightstd_backward(dw_hat: Array, cache: WeightStdCache) -> Array:
    """dw_hat: the shape of w, the gradient with respect to w_hat. Returns dw."""
    dw = standardize_backward(_by_unit(dw_hat) * cache.scale, cache.standardized)
    return _as_weights(dw, dw_hat.shape)


def _by_unit(w: Array) -> Array:
    """Weights as a matrix (..., fan_in, units)."""
    return w if w.ndim < 4 else w.reshape(*w.shape[:-3], -1).swapaxes(-1, -2)


def _as_weights(matrix: Array, shape: Shape) -> Array:
    """The way back from `_by_unit`."""
    return matrix if len(shape) < 4 else matrix.swapaxes(-1, -2).reshape(shape)


class WeightStd(Layer):
    """What turns the weights of a linear layer into standardized ones; it isn't in the chain itself."""

    kind, title, family = "weightstd", "weight std.", "weights"
    pair = weightstd_forward, weightstd_backward
    settings = ("convention",)
    conventions = WEIGHT_CONVENTIONS

    def __init__(self, convention: str = "course"):
        super().__init__(param={"convention": convention})
