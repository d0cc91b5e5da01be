"""What was received beside what is right, and how near they have to be.

Errors are measured against the size of the upstream gradient too, because a true gradient may be zero.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-8  # right float64 answers agree to 1e-9
FLOAT32_TOLERANCE = 3e-5  # right float32 answers agree to 3e-6


class Comparison(NamedTuple):
    """What was received beside what is right."""

    what: str
    received: Any
    expected: np.ndarray
    upstream: float = 0.0  # size of the upstream gradient, which errors are measured against too
    tolerance: float = TOLERANCE

    @property
    def message(self) -> str | None:
        """None, or where `received` is furthest from `expected`."""
        received, expected = self.array, self.expected
        if received is None:
            return f"{self.what} is None, expected an array of shape {expected.shape}"
        if received.shape != expected.shape:
            return f"{self.what} has shape {received.shape}, expected {expected.shape}"
        if received.dtype.kind not in "fiub":
            return f"{self.what} must hold real numbers, not {received.dtype}"
        error = self.error
        if (error <= self.allowed).all():
            return None
        worst = np.unravel_index(np.argmax(error), error.shape)
        place = f"{self.what}[{', '.join(map(str, worst))}]" if worst else self.what
        both = received[worst], expected[worst]
        digits = 6 if len({f"{value:.6g}" for value in both}) == 2 else 12
        return f"{place}: received {both[0]:.{digits}g}, expected {both[1]:.{digits}g}"

    @property
    def is_near(self) -> bool:
        """Whether it is right to the digits of float32."""
        return self._replace(tolerance=max(self.tolerance, FLOAT32_TOLERANCE)).message is None

    @property
    def remarks(self) -> Iterator[str]:
        """What was let pass, in sentences."""
        given, expected = np.shape(self.received), self.expected
        if given == (1, *expected.shape):
            yield f"{self.what} has shape {given} where {expected.shape} is meant; its values count"
        if self.is_narrow:
            yield f"{self.what} is float32 where the input is float64; the tolerance is wider"

    @property
    def array(self) -> np.ndarray | None:
        """What was received as an array; shape (1, D) counts as (D,). None if there is nothing."""
        if self.received is None:
            return None
        array = np.asarray(self.received)
        return array[0] if array.shape == (1, *self.expected.shape) else array

    @property
    def is_narrow(self) -> bool:
        """Whether float32 came back where float64 went in."""
        return self.array is not None and self.array.dtype == np.float32 and self.expected.dtype == np.float64

    @property
    def allowed(self) -> float:
        """The largest absolute error of a right answer."""
        finite = np.abs(self.expected[np.isfinite(self.expected)])
        tolerance = max(self.tolerance, FLOAT32_TOLERANCE) if self.is_narrow else self.tolerance
        return tolerance * (finite.max(initial=0.0) + self.upstream)

    @property
    def difference(self) -> np.ndarray:
        """Received less expected, entry by entry; NaN where only one side is a number."""
        received, expected = np.asarray(self.array), self.expected
        difference = np.asarray(received.astype(np.float64) - expected)
        difference[(received == expected) | (np.isnan(received) & np.isnan(expected))] = 0
        return difference

    @property
    def error(self) -> np.ndarray:
        """The absolute error of each entry."""
        return np.abs(self.difference)
