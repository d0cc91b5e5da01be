"""How weights start: normal with mean 0 and this standard deviation."""

from collections.abc import Callable, Iterable
from types import ModuleType

import numpy as np

from lab.nn import random
from lab.nn.layer import Layer, PerMember

INITIALIZATIONS: dict[str, Callable[[int, int, PerMember], PerMember]] = {
    "normal": lambda fan_in, fan_out, weight_scale: weight_scale,
    # He and others, 2015, equation 10
    "he": lambda fan_in, fan_out, weight_scale: (2 / fan_in) ** 0.5,
    # Glorot and Bengio, 2010, equation 12
    "xavier": lambda fan_in, fan_out, weight_scale: (2 / (fan_in + fan_out)) ** 0.5,
}


def initialize(
    layers: Iterable[Layer],
    initialization: str,
    weight_scale: PerMember,
    seed: PerMember,
    members: int | None,
    xp: ModuleType,
) -> None:
    """Draw the weights, layer by layer, as courses do; all else starts as its layer says.

    layers: with their `values`, which are written. weight_scale, seed: in a population also one for each of
    its members.
    """
    seeds = np.ravel(seed) if np.ndim(seed) else [seed]
    streams = [random.stream(None if one is None else int(one), "weights") for one in seeds]
    for layer in layers:
        for parameter, view in zip(layer.parameters, layer.values, strict=True):
            if parameter.role != "weight":
                view[...] = parameter.initial
                continue
            std = INITIALIZATIONS[initialization](parameter.fan_in, parameter.fan_out, weight_scale)
            drawn = np.stack([rng.standard_normal(parameter.shape) for rng in streams])
            weights = drawn * np.asarray(std, dtype=np.float64).reshape(-1, *[1] * len(parameter.shape))
            view[...] = xp.asarray((weights if members else weights[0]).astype(view.dtype))
