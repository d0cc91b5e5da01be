"""Learning-rate schedules: the rate at update t (from 0) out of `total`, starting from a base rate."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Rate = float | np.ndarray


def constant(rate: Rate, t: int, total: int) -> Rate:
    """The same rate throughout."""
    return rate


def step(rate: Rate, t: int, total: int, every: float = 1000, factor: float = 0.5) -> Rate:
    """Multiplied by `factor` after each `every` updates."""
    return rate * factor ** (t // every)


def cosine(rate: Rate, t: int, total: int, final: float = 0.0) -> Rate:
    """From `rate` down to `final` along half a cosine (Loshchilov and Hutter, 2017, equation 5)."""
    progress = min(t / max(total, 1), 1.0)
    return final + (rate - final) * 0.5 * (1 + math.cos(math.pi * progress))


def cyclic(rate: Rate, t: int, total: int, lowest: float = 1e-5, half_cycle: float = 500) -> Rate:
    """Triangles: from `lowest` up to `rate` in `half_cycle` updates, and down (Smith, 2017, section 3)."""
    position = abs((t / half_cycle) % 2 - 1)  # 1 at the lowest rate, 0 at the top
    return rate + (lowest - rate) * position


def warmup(rate: Rate, t: int, total: int, rise: float = 100) -> Rate:
    """Linearly up to `rate` in the first `rise` updates, then constant (Goyal and others, 2017, 2.2)."""
    return rate * min((t + 1) / rise, 1.0)


SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": constant,
    "step": step,
    "cosine": cosine,
    "cyclic": cyclic,
    "warmup": warmup,
}
