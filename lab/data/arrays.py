"""Arrays of one's own as a data set: a pair (X, y), or a mapping with the names that courses use."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.data.dataset import Labelled, Samples

_LARGEST_VALUE = 1e18  # squares of larger values don't fit into float32
_MOST_CLASSES = 10_000  # a larger label is an identifier, not a class


def samples(arrays: Any) -> Samples:
    """Validate the arrays.

    arrays: a pair (X, y), from which a fifth goes to validation and a fifth to the test; or a mapping with
        X_train, y_train, X_val, y_val and, if at hand, X_test, y_test, whose rows keep their order.
        X: (N, D) or (N, C, H, W) finite numbers; y: (N,) integers from 0.
    Raises ValueError, naming the array and what is wrong with it.
    """
    if isinstance(arrays, Mapping):
        return _samples_of_mapping(arrays)
    if isinstance(arrays, (tuple, list)) and len(arrays) == 2:
        return _samples_of_pair(*arrays)
    raise ValueError(
        "name must be the name of a data set, a pair (X, y), or a mapping with X_train, y_train, X_val "
        f"and y_val, not {type(arrays).__name__}"
    )


def _samples_of_pair(X: Any, y: Any) -> Samples:
    train, image_shape = _labelled("X", X, "y", y)
    rows = len(train.y)
    if rows < 2:
        raise ValueError("X has one row: training and validation need two or more")
    return _samples({"train": train}, image_shape, val_size=max(1, rows // 5), test_size=rows // 5)


def _samples_of_mapping(arrays: Mapping[str, Any]) -> Samples:
    missing = [key for key in ("X_train", "y_train", "X_val", "y_val") if key not in arrays]
    if ("X_test" in arrays) != ("y_test" in arrays):
        missing.append("y_test" if "X_test" in arrays else "X_test")
    if missing:
        raise ValueError(f"the mapping lacks {' and '.join(missing)}; it has {', '.join(map(str, arrays))}")

    parts, shapes = {}, {}
    for part in ("train", "val", "test"):
        X_name, y_name = f"X_{part}", f"y_{part}"
        if X_name in arrays and not (part == "test" and np.shape(arrays[X_name])[:1] == (0,)):
            parts[part], shapes[part] = _labelled(X_name, arrays[X_name], y_name, arrays[y_name])
            if parts[part].X.shape[1] != parts["train"].X.shape[1] or shapes[part] != shapes["train"]:
                raise ValueError(
                    f"{X_name} has shape {np.shape(arrays[X_name])} and X_train has "
                    f"{np.shape(arrays['X_train'])}: they must agree in all but the rows"
                )
    train = parts["train"]
    parts.setdefault("test", Labelled(train.X[:0], train.y[:0]))
    return _samples(parts, shapes["train"])


def _samples(
    parts: dict[str, Labelled],
    image_shape: tuple[int, int, int] | None,
    val_size: int | None = None,
    test_size: int | None = None,
) -> Samples:
    highest = max(y.max(initial=0) for _, y in parts.values())
    classes = tuple(str(label) for label in range(highest + 1))
    largest = 255 if parts["train"].X.dtype == np.uint8 else None
    return Samples("arrays", classes, image_shape, largest, parts, val_size, test_size)


def _labelled(X_name: str, X: Any, y_name: str, y: Any) -> tuple[Labelled, tuple[int, int, int] | None]:
    """A validated part, its rows flat, and the shape of its images or None."""
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim not in (2, 4) or X.dtype.kind not in "fiub":
        raise ValueError(
            f"{X_name} must be numbers of shape (N, D) or (N, C, H, W), not {X.dtype} of shape {X.shape}"
        )
    if X.size == 0:
        raise ValueError(f"{X_name} is empty: its shape is {X.shape}")
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError(f"{y_name} must be integers of shape (N,), not {y.dtype} of shape {y.shape}")
    if len(X) != len(y):
        raise ValueError(f"{X_name} has {len(X)} rows and {y_name} has {len(y)}: each row needs one label")
    if X.dtype not in (np.uint8, np.float32, np.float64):
        X = X.astype(np.float64)
    _all_within(X, X_name, -_LARGEST_VALUE, _LARGEST_VALUE, "finite and within ±1e18")
    _all_within(y, y_name, 0, _MOST_CLASSES - 1, f"classes from 0 to {_MOST_CLASSES - 1} at most")
    return Labelled(X.reshape(len(X), -1), y), X.shape[1:] if X.ndim == 4 else None


def _all_within(values: np.ndarray, name: str, low: float, high: float, allowed: str) -> None:
    wrong = ~((values >= low) & (values <= high))  # true for NaN, too
    if wrong.any():
        where = np.argwhere(wrong)[0].tolist()
        raise ValueError(f"{name} holds {values[tuple(where)]} at {where}: its values must be {allowed}")
