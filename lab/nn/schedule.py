"""Learning-rate schedules: the rate at update t (from 0) out of `total`, starting from a base rate."""

import math


def constant(rate, t, total):
    """The same rate throughout."""
    return rate


def step(rate, t, total, every=1000, factor=0.5):
    """Multiplied by `factor` after each `every` updates."""
    return rate * factor ** (t // every)


def cosine(rate, t, total, final=0.0):
    """From `rate` down to `final` along half a cosine (Loshchilov and Hutter, 2017, equation 5)."""
    progress = min(t / max(total, 1), 1.0)
    return final + (rate - final) * 0.5 * (1 + math.cos(math.pi * progress))


def cyclic(rate, t, total, lowest=1e-5, half_cycle=500):
    """Triangles: from `lowest` up to `rate` in `half_cycle` updates, and down (Smith, 2017, section 3)."""
    position = abs((t / half_cycle) % 2 - 1)  # 1 at the lowest rate, 0 at the top
    return rate + (lowest - rate) * position


def warmup(rate, t, total, rise=100):
    """Linearly up to `rate` in the first `rise` updates, then constant (Goyal and others, 2017, 2.2)."""
    return rate * min((t + 1) / rise, 1.0)


SCHEDULES = {"constant": constant, "step": step, "cosine": cosine, "cyclic": cyclic, "warmup": warmup}
