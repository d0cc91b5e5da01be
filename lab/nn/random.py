"""Where random numbers come from: one seed, a separate stream for each purpose.

A network with normalization and its twin without draw the same weights and meet the same minibatches,
because neither takes numbers from a stream that the other needs.
"""

from typing import Any, TypeAlias

import numpy as np

PURPOSES = ("weights", "minibatches", "dropout", "noise", "augmentation", "split")

# In quotes: importing NumPy doesn't load numpy.random.
Stream: TypeAlias = "np.random.Generator | np.random.RandomState"


def stream(seed: int | None, purpose: str) -> Stream:
    """The random stream of a purpose: the same for the same seed, independent of the other streams.

    seed: non-negative integer; None is NumPy's global stream, so that `np.random.seed` reproduces a
    notebook. Returns a numpy Generator, or the global RandomState.
    """
    if seed is None:
        return legacy()
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),)))


def legacy(seed: int | None = None) -> "np.random.RandomState":
    """The random stream as courses know it: `np.random.seed(seed)`, or its global stream as it is."""
    return np.random.mtrand._rand if seed is None else np.random.RandomState(seed)


def get_state(rng: Stream) -> Any:
    """The state of a Generator or RandomState, to go back to with `set_state`."""
    return rng.get_state() if isinstance(rng, np.random.RandomState) else rng.bit_generator.state


def set_state(rng: Stream, state: Any) -> None:
    """Go back to what `get_state` returned."""
    if isinstance(rng, np.random.RandomState):
        rng.set_state(state)
    else:
        rng.bit_generator.state = state


def integers(rng: Stream, high: int, size: int | tuple[int, ...]) -> np.ndarray:
    """What `rng.choice(high, size)` of a Generator or RandomState draws, in half the time."""
    draw = rng.randint if isinstance(rng, np.random.RandomState) else rng.integers
    return draw(0, high, size)
