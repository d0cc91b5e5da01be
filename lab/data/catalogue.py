"""The data sets by name, where each is, and whether it is sound."""

import numpy as np

from lab.data import cache, sources
from lab.data.cifar10 import CIFAR10
from lab.data.dataset import DataSet
from lab.data.digits import DIGITS
from lab.data.glass import GLASS
from lab.data.mnist import MNIST
from lab.data.sources import DataError

CATALOGUE: dict[str, DataSet] = {each.name: each for each in (DIGITS, CIFAR10, MNIST, GLASS)}


def named(name: str) -> DataSet:
    """The data set of that name. Raises ValueError with the known names."""
    if name not in CATALOGUE:
        raise ValueError(f"data set {name!r} is not known; allowed: {', '.join(map(repr, CATALOGUE))}")
    return CATALOGUE[name]


def whereabouts(data_set: DataSet) -> str:
    """In a few words, where load() takes the data set from."""
    if not data_set.file_names:
        return "embedded"
    if all(map(cache.is_there, data_set.cache_names)):
        return "cached"
    if absent := _absent(data_set):
        size = sum(sources.DOWNLOADS[each].size for each in absent)
        return f"to download, {size / 1e6:.0f} MB" if size > 1e6 else f"to download, {size / 1e3:.0f} kB"
    return "in LAB_DATA" if sources.data_folder() else "downloaded"


def is_here(data_set: DataSet) -> bool:
    """Whether anything of the data set is on this machine, sound or not."""
    kept = [cache.path(name).exists() for name in data_set.cache_names]
    found = [sources.find(name) is not None for name in data_set.file_names]
    return not kept or any(kept + found)


def get(data_set: DataSet) -> None:
    """Download what is missing and make the cache, anew where it isn't sound. Raises DataError."""
    try:
        for name in data_set.cache_names:
            if cache.path(name).exists() and not cache.is_sound(name):
                cache.path(name).unlink()
    except OSError as error:
        raise DataError(f"{cache.path(name)} is damaged and cannot be replaced ({error.strerror}).") from None
    data_set.samples()
    if not all(map(cache.is_there, data_set.cache_names)):
        raise DataError(
            f"The cache folder {sources.cache_folder()} takes no copy of {data_set.name}: "
            "make room and let it be written, or name another folder in LAB_CACHE."
        )


def check(data_set: DataSet) -> str:
    """Compare files, cache and samples with what is published. Returns what was found right, in words.

    Downloads nothing. Raises DataError for the first thing that is wrong, or where the data set isn't here.
    """
    files = sources.verify(data_set.file_names)
    cached = [name for name in data_set.cache_names if cache.path(name).exists()]
    for name in cached:
        if not cache.is_sound(name):
            raise DataError(
                f"{cache.path(name)} is damaged or of another version: "
                f"`lab data get {data_set.name}` makes it anew."
            )
    if len(cached) < len(data_set.cache_names) and _absent(data_set):
        raise DataError(f"{data_set.name} is not here: `lab data get {data_set.name}` downloads it.")
    samples = data_set.samples()
    for part, expected in data_set.class_counts.items():
        X, y = samples.parts[part]
        counts = tuple(np.bincount(y.astype(np.int64), minlength=len(expected)).tolist())
        if X.shape[1] != data_set.features or counts != expected:
            raise DataError(
                f"{data_set.name} has {counts} {part} samples by class and {X.shape[1]} features; "
                f"published are {expected} and {data_set.features}."
            )
    checked = ["class counts"]
    if files:
        checked.append(f"checksums of {files} of {len(data_set.file_names)} files")
    if cached:
        checked.append("checksum of the cache")
    return ", ".join(checked)


def _absent(data_set: DataSet) -> set[str]:
    """What of DOWNLOADS would have to be downloaded."""
    return {sources.FILES[name].download for name in data_set.file_names if sources.find(name) is None}
