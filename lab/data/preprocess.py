"""Preprocessing shifts and scales each feature, as fitted on the training samples alone.

out = (x - offset) * scale
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lab.nn.backend import DType

Number = float | np.ndarray  # for all features, or one for each

PREPROCESSING = (None, "unit", "mean_image", "standardize")

_CHUNK = 256  # rows at a time: they stay in the cache, and sums over them stay exact (see _moments)
_LARGE = 2**24  # bytes from which threads pay: a first touch of memory is slow, mostly in virtual machines


def require_known(preprocessing: str | None) -> None:
    """Raises ValueError for an unknown preprocessing."""
    if preprocessing not in PREPROCESSING:
        raise ValueError(
            f"preprocessing={preprocessing!r} is not known; allowed: {', '.join(map(repr, PREPROCESSING))}"
        )


def fit(
    X: np.ndarray, rows: np.ndarray, preprocessing: str | None, largest: float | None = None
) -> tuple[Number, Number]:
    """Offset and scale of `preprocessing`, each (D,) float64 or a number, fitted on X[rows].

    X: (N, D) uint8 or floats. rows: (M,) indices. largest: the largest value a feature can take.
    Raises ValueError for "unit" where there is no largest value.
    """
    if preprocessing is None:
        return 0.0, 1.0
    if preprocessing == "unit":
        if largest is None:
            raise ValueError(
                "preprocessing='unit' divides by the largest possible value, which these data do not have; "
                "allowed here: None, 'mean_image', 'standardize'"
            )
        return 0.0, 1 / largest
    if preprocessing == "mean_image":
        return _moments(X, rows)[0], 1.0
    mean, std = _moments(X, rows)
    return mean, np.divide(1, std, out=np.zeros_like(std), where=std > 0)


def apply(X: np.ndarray, rows: np.ndarray, offset: Number, scale: Number, dtype: DType) -> np.ndarray:
    """(X[rows] - offset) * scale in a new array (M, D) of `dtype`."""
    # bytes lose nothing in float32; other values may lie so far from zero that they would
    work = dtype if X.dtype == np.uint8 else np.float64
    offset, scale = np.asarray(offset, work), np.asarray(scale, work)
    out = np.empty((len(rows), X.shape[1]), dtype)

    def fill(chunk: slice) -> None:
        x = X[rows[chunk]].astype(work)
        x -= offset
        x *= scale
        out[chunk] = x

    with ThreadPoolExecutor() as pool:
        each = pool.map if out.nbytes > _LARGE else map
        for _ in each(fill, _chunks(len(rows))):
            pass  # but raise what a thread has raised
    return out


def _moments(X: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (biased) of each feature over X[rows], float64."""
    if X.dtype != np.uint8:
        x = X[rows].astype(np.float64)
        constant = x.min(axis=0) == x.max(axis=0)  # rounding of the mean would leave a tiny deviation
        return x.mean(axis=0), np.where(constant, 0, x.std(axis=0))
    n = len(rows)
    total = np.zeros(X.shape[1], np.int64)
    squares = np.zeros(X.shape[1], np.int64)
    for chunk in _chunks(n):
        x = X[rows[chunk]].astype(np.float32)
        ones = np.ones(len(x), np.float32)
        total += (ones @ x).astype(np.int64)
        x *= x
        squares += (ones @ x).astype(np.int64)  # exact: 256 * 255**2 < 2**24
    return total / n, np.sqrt(n * squares - total**2) / n


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, n, _CHUNK))
