"""What a run trains on: the data set that a configuration names, and checks of what is given in its place."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.data import Data, load
from lab.nn.backend import Array, to_host
from lab.train.config import Config

TRAIN_SIZE = 1000  # training samples where a configuration doesn't say how many, or all if there are fewer
OWN_DATA = "own data"  # in the place of a data set's name


def load_data(config: Config) -> Data:
    """The data set that a configuration names, split and preprocessed as it says."""
    return load(
        config.dataset, train_size=config.train_size, most=TRAIN_SIZE, val_size=config.val_size,
        preprocessing=config.preprocessing, seed=config.stream_seed, dtype=config.dtype,
    )  # fmt: skip


def checked_rows(rows: Array, n: int) -> np.ndarray:
    """The numbers of training samples as an array. Raises ValueError for what isn't in 0 .. n - 1."""
    rows = to_host(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows):
        raise ValueError(
            f"rows must be a list of whole numbers, and at least one, not {rows.dtype} of shape {rows.shape}"
        )
    if rows.min() < 0 or rows.max() >= n:
        raise ValueError(f"rows must lie in 0 .. {n - 1}, not in {rows.min()} .. {rows.max()}")
    return rows


def checked(data: Mapping[str, Any], classes: int | None) -> dict[str, np.ndarray]:
    """X_train, y_train, X_val, y_val as arrays. Raises ValueError for what can't be trained on."""
    arrays: dict[str, np.ndarray] = {}
    for part in ("train", "val"):
        missing = [name for name in (f"X_{part}", f"y_{part}") if name not in data]
        if missing:
            raise ValueError(f"data needs X_train, y_train, X_val and y_val; {missing[0]} is missing")
        X, y = np.asarray(data[f"X_{part}"]), np.asarray(data[f"y_{part}"])
        if X.ndim < 2 or X.dtype.kind not in "fiu" or not len(X):
            raise ValueError(f"X_{part} must be numbers of shape (N, ...), not {X.dtype} of shape {X.shape}")
        is_known = isinstance(data, Data)  # which was checked when it was loaded
        if not is_known and not np.isfinite([X.min(), X.max()]).all():  # nan passes through both
            row = int(np.flatnonzero(~np.isfinite(X.reshape(len(X), -1)).all(axis=1))[0])
            raise ValueError(f"X_{part} must be finite numbers, and its row {row} holds nan or inf")
        if y.shape != X.shape[:1] or y.dtype.kind not in "iu":
            raise ValueError(
                f"y_{part} must be {len(X)} whole numbers, one for each row of X_{part}, not {y.dtype} of "
                f"shape {y.shape}"
            )
        if y.min() < 0 or (classes is not None and y.max() >= classes):
            allowed = "from 0 on" if classes is None else f"0 to {classes - 1}"
            raise ValueError(f"y_{part} must hold labels {allowed}, not {y.min()} to {y.max()}")
        arrays |= {f"X_{part}": X, f"y_{part}": y}
    sizes = [int(np.prod(arrays[name].shape[1:])) for name in ("X_train", "X_val")]
    if sizes[0] != sizes[1]:
        raise ValueError(f"X_train has {sizes[0]} features a sample and X_val {sizes[1]}: they must be equal")
    return arrays
