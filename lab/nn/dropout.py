"""Inverted dropout (Srivastava and others, 2014, section 4): zero units at random, scale up the others."""

from lab.nn import random
from lab.nn.backend import Array, namespace
from lab.nn.images import as_drawn, drawn_shape
from lab.nn.layer import Layer, Param
from lab.nn.validation import require_array, require_shape


def dropout_forward(x: Array, dropout_param: Param) -> tuple[Array, Array | None]:
    """Keep each unit with probability p in training mode; change nothing in test mode.

    x: floats, rows (N, D) or images (N, C, H, W), in a population with K in front: all members share one
        mask.
    dropout_param: "mode" is "train" or "test"; "p" in (0, 1] is the probability to *keep* a unit;
        "rng" a numpy Generator or RandomState; without it "seed" makes one that starts anew at each call,
        and without both it is NumPy's global one.
    Returns (out, cache): out with the shape and dtype of x; cache is the mask, or None in test mode.
    Raises ValueError for an unknown mode or a p outside of (0, 1].
    """
    require_array("x", x)
    mode, p = dropout_param.get("mode"), dropout_param["p"]
    if not 0 < p <= 1:
        raise ValueError(f"p, the probability to keep a unit, must lie in (0, 1], not {p!r}")
    if mode == "test":
        return x.copy(order="K"), None
    if mode != "train":
        raise ValueError(f"dropout_param['mode'] must be 'train' or 'test', not {mode!r}")
    rng = dropout_param.get("rng") or random.legacy(dropout_param.get("seed"))
    kept = as_drawn(rng.random(drawn_shape(x)) < p, x)
    mask = namespace(x).asarray(kept).astype(x.dtype) / float(p)
    return x * mask, mask


def dropout_backward(dout: Array, cache: Array | None) -> Array:
    """dout: the shape of x. Returns dx."""
    require_array("dout", dout)
    if cache is not None:
        require_shape("dout", dout, (*dout.shape[: -cache.ndim], *cache.shape))
    return dout.copy(order="K") if cache is None else dout * cache


class Dropout(Layer):
    """Dropout that draws from the network's stream."""

    kind, title, family = "dropout", "dropout", "random"
    pair = dropout_forward, dropout_backward
    stream = "dropout"

    def __init__(self, keep_ratio: float):
        """keep_ratio: the probability to keep a unit."""
        super().__init__(param={"p": float(keep_ratio)})
