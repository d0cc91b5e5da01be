"""What a data set is before it is split (`DataSet`, `Samples`), and after (`Data`)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lab.data import cache, sources


class Labelled(NamedTuple):
    X: np.ndarray  # (N, D), bytes or floats
    y: np.ndarray  # (N,), classes counted from 0


@dataclass(frozen=True)
class Samples:
    """The raw samples of a data set, one row each."""

    name: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int] | None  # (C, H, W)
    largest: float | None  # the largest value a feature can take, None where there is none
    parts: dict[str, Labelled]  # "train", and "val" and "test" unless load() shall draw them from "train"
    val_size: int | None  # what load() takes unless told otherwise; None is all there is
    test_size: int | None


@dataclass(frozen=True)
class DataSet:
    """A published data set. To add one: a file like glass.py, its addresses in sources.py, its name in
    catalogue.py."""

    name: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
    features: int
    largest: float | None
    class_counts: dict[str, tuple[int, ...]]  # published number of samples by class, for each part
    files: dict[str, tuple[str, ...]]  # for each part, "train" and maybe "test": names in sources.FILES
    decode: Callable[[list[bytes]], np.ndarray]  # contents of a part's files -> (N, 1 + D), label first
    val_size: int
    test_size: int | None
    terms: str  # licence or terms of use
    citation: str

    @property
    def file_names(self) -> list[str]:
        return [name for names in self.files.values() for name in names]

    @property
    def cache_names(self) -> list[str]:
        return [f"{self.name}-{part}" for part, names in self.files.items() if names]

    def samples(self) -> Samples:
        """Decode the files or map the cache into memory, whatever is needed. Raises DataError."""
        return Samples(
            name=self.name,
            classes=self.classes,
            image_shape=self.image_shape,
            largest=self.largest,
            parts={part: self._part(part) for part in self.files},
            val_size=self.val_size,
            test_size=self.test_size,
        )

    def _part(self, part: str) -> Labelled:
        names = self.files[part]
        if names:
            records = cache.cached(f"{self.name}-{part}", lambda: self.decode(sources.read(names)))
        else:
            records = self.decode([])
        return Labelled(records[:, 1:], records[:, 0])


@dataclass(frozen=True, eq=False)
class Data(Mapping[str, np.ndarray]):
    """Six arrays, split and preprocessed; a mapping from their names, as courses pass them to a solver.

    X_*: (N, D) or (N, C, H, W) floats. y_*: (N,) int64 from 0. All are read-only. X_test and y_test have
    no rows where there is no test set.
    """

    name: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int] | None  # (C, H, W), whatever the layout; None for anything but images
    X_train: np.ndarray
    y_train: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in ARRAYS:
            raise KeyError(f"{key!r} is none of {', '.join(ARRAYS)}")
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(ARRAYS)

    def __len__(self) -> int:
        return len(ARRAYS)

    __eq__ = object.__eq__  # a Mapping would compare arrays, which have no single truth value
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        shapes = ", ".join(f"{key} {self[key].shape}" for key in ARRAYS if key.startswith("X"))
        return f"<Data {self.name}: {shapes}, {self.num_classes} classes>"


ARRAYS = ("X_train", "y_train", "X_val", "y_val", "X_test", "y_test")
