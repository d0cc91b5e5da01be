"""From a name to arrays that a network trains on: split by seed, preprocessed, in the layout asked for."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.data import arrays, catalogue, preprocess
from lab.data.dataset import Data, Samples
from lab.nn.backend import Array, DType

LAYOUTS = ("flat", "image")


def load(
    name: str | Sequence[Array] | Mapping[str, Array] = "digits",
    *,
    train_size: int | None = None,
    most: int | None = None,
    val_size: int | None = None,
    test_size: int | None = None,
    preprocessing: str | None = "standardize",
    layout: str = "flat",
    seed: int = 0,
    dtype: DType = np.float32,
) -> Data:
    """A data set, split, preprocessed and ready for a solver.

    name: "digits", "cifar10", "mnist", "glass", or arrays of one's own: a pair (X, y), or a mapping with
        X_train, y_train, X_val, y_val and, if at hand, X_test, y_test. X: (N, D) or (N, C, H, W) finite
        numbers; y: (N,) integers from 0.
    train_size, val_size, test_size: numbers of samples. By default training takes all that the others
        leave, but no more than `most`; validation and test take what suits the data set.
    preprocessing, fitted on the training samples alone:
        None            raw values;
        "unit"          divided by the largest value a feature can take (255 for bytes);
        "mean_image"    less the mean of each feature, not divided;
        "standardize"   less the mean and divided by the standard deviation of each feature; features
                        that are constant in training become 0.
    layout: "flat" (N, D) or "image" (N, C, H, W).
    seed: draws validation and training samples (and the test samples of data sets without an official test
        set). One seed is one split: a smaller training set is the beginning of a larger one, and beside
        both lies the same validation set. A mapping's rows are taken in the order given.
    dtype: float32 or float64.
    Returns Data. Raises ValueError for an argument, DataError for a file or the network.
    """
    if dtype not in (np.float32, np.float64, "float32", "float64"):
        raise ValueError(f"dtype must be float32 or float64, not {dtype!r}")
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r} is not known; allowed: {', '.join(map(repr, LAYOUTS))}")
    preprocess.require_known(preprocessing)
    seed = _integer(seed, "seed")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")

    samples = catalogue.named(name).samples() if isinstance(name, str) else arrays.samples(name)
    X_all = samples.parts["train"].X
    row_shape = samples.image_shape if layout == "image" else X_all.shape[1:]
    if row_shape is None:
        raise ValueError(f"layout='image' needs images, and {samples.name} has none; allowed here: 'flat'")
    rows = _divide(samples, train_size, most, val_size, test_size, seed)
    offset, scale = preprocess.fit(X_all, rows["train"], preprocessing, samples.largest)

    fields: dict[str, np.ndarray] = {}
    for part in rows:
        source = samples.parts.get(part, samples.parts["train"])
        ready = preprocess.apply(source.X, rows[part], offset, scale, dtype)
        fields[f"X_{part}"] = ready.reshape(-1, *row_shape)
        fields[f"y_{part}"] = source.y[rows[part]].astype(np.int64)
    for array in fields.values():
        array.setflags(write=False)
    return Data(samples.name, samples.classes, samples.image_shape, **fields)


def get_CIFAR10_data(
    num_training: int = 49000, num_validation: int = 1000, num_test: int = 1000
) -> dict[str, np.ndarray]:
    """CIFAR-10 as courses serve it: in file order, less the mean image of the training images, not divided.

    Returns X_train (num_training, 3, 32, 32), X_val (the images that follow), X_test (the first of the test
    set), float32, and y_train, y_val, y_test, int64. Raises ValueError for sizes that CIFAR-10 doesn't have,
    DataError for a file or the network.
    """
    parts = catalogue.named("cifar10").samples().parts
    pool, test = parts["train"], parts["test"]
    num_training = _size(num_training, "num_training", 1, len(pool.y))
    num_validation = _size(num_validation, "num_validation", 0, len(pool.y) - num_training)
    num_test = _size(num_test, "num_test", 0, len(test.y))

    rows = np.arange(num_training + num_validation)
    mean_image, scale = preprocess.fit(pool.X, rows[:num_training], "mean_image")
    data = {}
    for part, (X, y), taken in (
        ("train", pool, rows[:num_training]),
        ("val", pool, rows[num_training:]),
        ("test", test, np.arange(num_test)),
    ):
        images = preprocess.apply(X, taken, mean_image, scale, np.float32)
        data[f"X_{part}"] = images.reshape(-1, 3, 32, 32)
        data[f"y_{part}"] = y[taken].astype(np.int64)
    return data


def _divide(
    samples: Samples,
    train_size: int | None,
    most_train: int | None,
    val_size: int | None,
    test_size: int | None,
    seed: int,
) -> dict[str, np.ndarray]:
    """For each part its rows: of samples.parts[part], or of the training samples where that is missing.

    A random order of the training samples gives its beginning to the test, what follows to validation, and
    is read from its end for training: so a size disturbs neither the order nor the other parts.
    """
    given = samples.parts
    total = len(given["train"].y)
    order = np.random.default_rng(seed).permutation(total) if "val" not in given else np.arange(total)[::-1]
    rows: dict[str, np.ndarray] = {}
    taken, why = 0, f"{samples.name} has {total} samples"
    for part, size, usual, least, for_others in (
        ("test", test_size, samples.test_size, 0, 2),
        ("val", val_size, samples.val_size, 1, 1),
    ):
        most = len(given[part].y) if part in given else total - taken - for_others
        if size is None:
            size = most if usual is None else usual
        size = _size(size, f"{part}_size", least, most, "" if part in given else why)
        if part in given:
            rows[part] = np.arange(size)
        else:
            rows[part] = order[taken : taken + size]
            taken += size
            why += f", {size} of them in {part}_size"
    left = total - taken
    usual = left if most_train is None else min(left, most_train)
    size = _size(usual if train_size is None else train_size, "train_size", 1, left, why)
    rows["train"] = order[::-1][:size]
    return rows


def _size(size: Any, name: str, least: int, most: int, why: str = "") -> int:
    size = _integer(size, name)
    if not least <= size <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {size}" + (f" ({why})" if why else ""))
    return size


def _integer(number: Any, name: str) -> int:
    try:
        return operator.index(number)
    except TypeError:
        raise ValueError(f"{name} must be an integer, not {number!r}") from None
