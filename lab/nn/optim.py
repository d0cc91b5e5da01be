"""Optimizers: each updates the whole flat buffer of a network in place.

`params` and `gradient` are (P,), in a population (K, P); the learning rate is a number, in a population
also an array (K, 1). The names of the coefficients are those of the papers.
"""

from collections.abc import Mapping
from typing import Any

from lab.nn.backend import Array, namespace

Rate = float | Array


class SGD:
    """Stochastic gradient descent: w -= rate * g."""

    coefficients: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()  # names of the running vectors, all of the shape of params

    def __init__(self, params: Array, **coefficients: float):
        """coefficients: override the class's. Raises ValueError for one that this rule doesn't have."""
        for name, value in coefficients.items():
            if name not in self.coefficients:
                allowed = ", ".join(self.coefficients) or "none"
                raise ValueError(f"{type(self).__name__} has no coefficient {name!r}; it has: {allowed}")
            setattr(self, name, float(value))
        xp = namespace(params)
        self.t = 0
        self.velocities = {slot: xp.zeros_like(params) for slot in self.slots}
        self._scratch = xp.empty_like(params)

    def update(self, params: Array, gradient: Array, rate: Rate) -> None:
        """Change params in place."""
        self.t += 1
        params -= self._times(gradient, rate)

    def _times(self, vector: Array, factor: Rate) -> Array:
        """factor * vector, without a new array."""
        return namespace(vector).multiply(vector, factor, out=self._scratch)

    def state(self) -> dict[str, Any]:
        """A copy of all that changes from update to update."""
        return {"t": self.t, **{slot: vector.copy() for slot, vector in self.velocities.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.t = state["t"]
        for slot, vector in self.velocities.items():
            vector[...] = state[slot]


class Momentum(SGD):
    """Gradient descent with momentum (Polyak, 1964): v = momentum * v - rate * g; w += v."""

    coefficients = ("momentum",)
    slots = ("v",)
    momentum = 0.9

    def update(self, params: Array, gradient: Array, rate: Rate) -> None:
        v = self.velocities["v"]
        self.t += 1
        v *= self.momentum
        v -= self._times(gradient, rate)
        params += v


class RMSProp(SGD):
    """RMSProp (Tieleman and Hinton, 2012, lecture 6.5).

    c = decay_rate * c + (1 - decay_rate) * g**2; w -= rate * g / (sqrt(c) + epsilon).
    """

    coefficients = ("decay_rate", "epsilon")
    slots = ("c",)
    decay_rate = 0.99
    epsilon = 1e-8

    def update(self, params: Array, gradient: Array, rate: Rate) -> None:
        c, xp = self.velocities["c"], namespace(params)
        self.t += 1
        square = xp.multiply(gradient, gradient, out=self._scratch)
        square *= 1 - self.decay_rate
        c *= self.decay_rate
        c += square
        step = xp.sqrt(c, out=self._scratch)
        step += self.epsilon
        xp.divide(gradient, step, out=step)
        step *= rate
        params -= step


class Adam(SGD):
    """Adam (Kingma and Ba, 2015, Algorithm 1), with the bias corrections folded into the rate (section 2).

    m and v are kept as sums, m / (1 - beta1) and v / (1 - beta2) of the paper: two passes fewer.
    """

    coefficients = ("beta1", "beta2", "epsilon")
    slots = ("m", "v")
    beta1 = 0.9
    beta2 = 0.999
    epsilon = 1e-8

    def update(self, params: Array, gradient: Array, rate: Rate) -> None:
        self.t += 1
        # rate * m_hat / (sqrt(v_hat) + epsilon), with m_hat = m * m_scale and v_hat = v * v_scale
        m_scale = (1 - self.beta1) / (1 - self.beta1**self.t)
        root_v_scale = ((1 - self.beta2) / (1 - self.beta2**self.t)) ** 0.5
        self._apply(params, gradient, rate * (m_scale / root_v_scale), self.epsilon / root_v_scale)

    def _apply(self, params: Array, gradient: Array, rate: Rate, epsilon: float) -> None:
        """Fold the gradient into m and v, then w -= m / (sqrt(v) + epsilon) * rate."""
        m, v, xp = self.velocities["m"], self.velocities["v"], namespace(params)
        m *= self.beta1
        m += gradient
        v *= self.beta2
        v += xp.multiply(gradient, gradient, out=self._scratch)
        step = xp.sqrt(v, out=self._scratch)
        step += epsilon
        xp.divide(m, step, out=step)
        step *= rate
        params -= step


OPTIMIZERS: dict[str, type[SGD]] = {"sgd": SGD, "momentum": Momentum, "rmsprop": RMSProp, "adam": Adam}
