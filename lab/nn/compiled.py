"""When the leaf functions run compiled (`lab.nn.leaves`), and what is to be said where they can't.

Numbers don't depend on it, so the decision may: loading takes about half a second, and pays as soon as the
updates that a process has made and is about to make would have been sooner done with it.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import product
from threading import Thread
from typing import Any

import numpy as np

LOADING = 0.6  # seconds that numba and the cached kernels take to load
SAVED_BY_UPDATE = 1e-4  # seconds that kernels save at an update of a small network
SAVED_BY_PARAMETER = 0.8e-9  # and for each parameter, most of it in Adam

_wanted: bool | None = None  # what `use` says
_saved = 0.0  # seconds that kernels would have saved in this process so far
_is_ready = False  # whether kernels are loaded
_loader: Thread | None = None  # loads them while others compute


@contextmanager
def use(wanted: bool | None) -> Iterator[None]:
    """Within it, runs that are made use kernels (True), NumPy alone (False), or what takes less time (None,
    as outside of it)."""
    global _wanted
    before, _wanted = _wanted, wanted
    try:
        yield
    finally:
        _wanted = before


def leaves(updates: int, parameters: int) -> Mapping[Any, Any]:
    """What to replace for a run of so many updates: NumPy's pairs, loss and optimizers by compiled ones.

    parameters: of all members together. Empty where NumPy alone is as quick, or numba can't be used.
    """
    global _saved
    _saved += updates * (SAVED_BY_UPDATE + parameters * SAVED_BY_PARAMETER)
    is_soon_there = _loader is not None and _loader.is_alive()
    if _wanted is False or (_wanted is None and not _is_ready and (is_soon_there or _saved < LOADING)):
        return {}
    return load()


@cache
def load() -> Mapping[Any, Any]:
    """Load the kernels. Returns what they replace; empty, with a warning, where numba fails."""
    global _is_ready
    if find_spec("numba") is None:
        return {}
    try:
        import numba

        if numba.config.DISABLE_JIT:  # kernels would run as Python, slower than NumPy
            return {}
        from lab.nn.leaves import LEAVES

        _train_a_little(LEAVES)
    except Exception as reason:  # a broken installation, or no folder that the cache can be written to
        warnings.warn(f"numba can't be used, so NumPy computes alone: {reason}", stacklevel=2)
        return {}
    _is_ready = True
    return LEAVES


def prepare() -> None:
    """Load the kernels in a thread of their own; until they are there, NumPy computes and nobody waits."""
    global _loader
    if _loader is None and find_spec("numba") is not None:
        _loader = Thread(target=load, daemon=True)
        _loader.start()


def _train_a_little(leaves: Mapping[Any, Any]) -> None:
    """Compile what float32 networks use, or fetch it from the cache, before it is waited for."""
    from lab.nn.models.fully_connected import FullyConnectedNet
    from lab.nn.optim import Adam

    X = np.ones((2, 4), np.float32)
    for normalization, seed in product(("batchnorm", "layernorm"), (0, (0, 1))):  # single, and populations
        net = FullyConnectedNet([4], 4, 4, normalization=normalization, seed=seed)
        net.replace(leaves)
        optimizer = leaves[Adam](net.flat_params)
        net.backpropagate(X, np.array([0, 1]))
        optimizer.update(net.flat_params, net.flat_gradient, 1e-3)
        net.scores(X)
