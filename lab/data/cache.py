"""Decoded arrays in the cache folder, memory-mapped: a second load reads only the rows that it needs.

An array is NAME.npy with a stamp beside it, NAME.json: the version of the layout, the checksum, and the size
and time of the file when it was written. While size and time are those of the stamp, the file is trusted
unread; otherwise the checksum decides.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from lab.data.sources import cache_folder

VERSION = 1  # of what the arrays hold; a cache of another version is built anew

_in_memory: dict[Path, np.ndarray] = {}  # what a read-only or full cache folder would not take


def cached(name: str, build: Callable[[], np.ndarray]) -> np.ndarray:
    """The array `name`, read-only; build() makes it where the cache has no sound copy.

    Where the folder takes no copy, the array is kept in memory until the process ends.
    """
    file = path(name)
    if not is_there(name):
        if file not in _in_memory:
            array = build()
            try:
                _write(file, array)
            except OSError:
                array.setflags(write=False)
                _in_memory[file] = array
        if file in _in_memory:
            return _in_memory[file]
    return np.asarray(np.load(file, mmap_mode="r"))


def path(name: str) -> Path:
    """Where the array `name` lies, or would."""
    return cache_folder() / f"{name}.npy"


def is_there(name: str) -> bool:
    """Whether the cache holds the array, as it was written by this version."""
    try:
        status = path(name).stat()
    except OSError:
        return False
    if not os.access(path(name), os.R_OK):
        return False
    written = {"version": VERSION, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    return _stamp(path(name)).items() >= written.items() or is_sound(name)


def is_sound(name: str) -> bool:
    """The same, by the checksum alone: reads the whole file."""
    try:
        return _stamp(path(name)).items() >= {"version": VERSION, "md5": _md5(path(name))}.items()
    except OSError:
        return False


def _stamp(array_file: Path) -> dict:
    try:
        return dict(json.loads(array_file.with_suffix(".json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _write(array_file: Path, array: np.ndarray) -> None:
    array_file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(array_file) as file:
        np.save(file, array)
    status = array_file.stat()
    stamp = {
        "version": VERSION,
        "md5": _md5(array_file),
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    with replacing(array_file.with_suffix(".json")) as file:
        file.write(json.dumps(stamp).encode())


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `target` when it is complete, and leaves nothing when it isn't."""
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _md5(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
