"""JAX as its users write it: pure functions, compiled; an update at a time, or an epoch in one `lax.scan`;
for populations `vmap` over the members."""

import os
from functools import lru_cache, partial

# Before JAX is loaded: one thread, as everybody here, and no GPU.
os.environ.setdefault("NPROC", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # type: ignore[import-not-found]
import jax.numpy as jnp  # type: ignore[import-not-found]
import numpy as np

EPS, MOMENTUM = 1e-5, 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def normalize(kind, layer, x, running, training):
    """(normalized x, running statistics)."""
    if kind == "layernorm":
        mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    elif training:
        mean, var = x.mean(axis=0), x.var(axis=0)
        running = jax.tree.map(lambda old, new: MOMENTUM * old + (1 - MOMENTUM) * new, running, (mean, var))
    else:
        mean, var = running
    return layer["gamma"] * (x - mean) * jax.lax.rsqrt(var + EPS) + layer["beta"], running


def forward(kind, params, running, x, training):
    """(scores, running statistics of each layer)."""
    after = []
    for layer, statistics in zip(params[:-1], running, strict=True):
        x = x @ layer["W"] + layer["b"]
        if kind:
            x, statistics = normalize(kind, layer, x, statistics, training)
            after.append(jax.lax.stop_gradient(statistics))
        else:
            after.append(statistics)
        x = jax.nn.relu(x)
    return x @ params[-1]["W"] + params[-1]["b"], after


def loss(kind, params, running, x, y):
    """(cross-entropy, running statistics)."""
    scores, running = forward(kind, params, running, x, training=True)
    picked = jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1)
    return -picked.mean(), running


def adam(params, gradients, state, rate):
    """(parameters, state) after one update."""
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradients)
    m_scale, v_scale = 1 / (1 - BETA1**t), 1 / (1 - BETA2**t)
    params = jax.tree.map(
        lambda w, m, v: w - rate * (m * m_scale) / (jnp.sqrt(v * v_scale) + EPSILON), params, m, v
    )
    return params, (m, v, t)


def sgd(params, gradients, state, rate):
    """(parameters, state) after one update."""
    return jax.tree.map(lambda w, g: w - rate * g, params, gradients), state


@lru_cache
def compiled(kind, optimizer, is_population):
    """The jitted functions: an update, many updates in a scan, and the share of right answers."""
    differentiate = jax.value_and_grad(partial(loss, kind), has_aux=True)
    scores = partial(forward, kind, training=False)
    if is_population:
        differentiate = jax.vmap(differentiate, in_axes=(0, 0, None, None))
        scores = jax.vmap(scores, in_axes=(0, 0, None))
    rule = {"adam": adam, "sgd": sgd}[optimizer]

    def update(carry, x, y, rate):
        params, running, state = carry
        (value, running), gradients = differentiate(params, running, x, y)
        params, state = rule(params, gradients, state, rate)
        return (params, running, state), value

    @partial(jax.jit, donate_argnums=0)
    def step(carry, X, y, rows, rate):
        return update(carry, X[rows], y[rows], rate)

    @partial(jax.jit, donate_argnums=0)
    def scan(carry, X, y, rows, rates):
        return jax.lax.scan(lambda c, each: update(c, X[each[0]], y[each[0]], each[1]), carry, (rows, rates))

    @jax.jit
    def accuracy(carry, X, y):
        return (scores(carry[0], carry[1], X)[0].argmax(axis=-1) == y).mean(axis=-1)

    return step, scan, accuracy


class Jax:
    """A workload in JAX. scan: whether a call of `advance` is one scan, or one jitted call an update."""

    def __init__(self, work, data, scan=False):
        self.scan = scan
        params = work.params()
        depth = len(work.sizes) - 1
        layers = [
            {
                kind: jnp.asarray(params[f"{kind}{i}"])
                for kind in ("W", "b", "gamma", "beta")
                if f"{kind}{i}" in params
            }
            for i in range(1, depth + 1)
        ]
        running = [(jnp.zeros_like(layer["b"]), jnp.zeros_like(layer["b"])) for layer in layers[:-1]]
        zeros = partial(jax.tree.map, jnp.zeros_like)
        self.carry = layers, running, (zeros(layers), zeros(layers), 0) if work.optimizer == "adam" else 0
        self.X, self.y = jnp.asarray(data["X_train"]), jnp.asarray(data["y_train"])
        self.measured = [
            (jnp.asarray(data[f"X_{part}"][:1000]), jnp.asarray(data[f"y_{part}"][:1000]))
            for part in ("train", "val")
        ]
        self.functions = compiled(work.normalization, work.optimizer, work.members > 1)

    def advance(self, rows, rates):
        """Make len(rows) updates. Returns their losses, (len(rows),) or (len(rows), K)."""
        step, scan, _ = self.functions
        if self.scan:
            self.carry, losses = scan(self.carry, self.X, self.y, rows, rates)
            return np.asarray(losses)
        losses = []
        for batch, rate in zip(rows, rates, strict=True):
            self.carry, value = step(self.carry, self.X, self.y, batch, rate)
            losses.append(value)
        return np.stack(jax.device_get(losses))

    def accuracy(self):
        """The shares of right answers on the first 1000 training samples and on the validation samples."""
        return [np.asarray(self.functions[2](self.carry, X, y)) for X, y in self.measured]
