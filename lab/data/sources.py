"""Where the files of the data sets come from: the folder named by LAB_DATA, or the official address.

A file that is in neither LAB_DATA nor the cache folder is downloaded once, into the cache folder. Whatever
its way, its uncompressed content is compared with the published checksum before anybody sees it.
"""

import errno
import gzip
import hashlib
import lzma
import os
import tarfile
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class DataError(Exception):
    """A file or the network is at fault: one sentence with what was wrong, where, and what to do."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook: the sentence alone."""
        return [f"{type(self).__name__}: {self}"]


class Download(NamedTuple):
    url: str
    md5: str
    size: int  # bytes, as told to who asks before downloading


class File(NamedTuple):
    md5: str  # of the uncompressed file
    download: str  # the key in DOWNLOADS that holds it


_CIFAR = "https://www.cs.toronto.edu/~kriz"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"

DOWNLOADS = {
    "cifar-10-binary.tar.gz": Download(
        f"{_CIFAR}/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171
    ),
    "train-images-idx3-ubyte.gz": Download(
        f"{_MNIST}/train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422
    ),
    "train-labels-idx1-ubyte.gz": Download(
        f"{_MNIST}/train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881
    ),
    "t10k-images-idx3-ubyte.gz": Download(
        f"{_MNIST}/t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877
    ),
    "t10k-labels-idx1-ubyte.gz": Download(
        f"{_MNIST}/t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542
    ),
    "glass.data": Download(f"{_UCI}/glass/glass.data", "2732c9170bf8c483f33da3c58929c067", 11_903),
}

# In LAB_DATA a file lies at this path or directly in the folder, as it is or with .xz or .gz behind it.
FILES = {
    "cifar-10-batches-bin/data_batch_1.bin": File(
        "5dd7e06a14cb22eb9f671a540d1b7c25", "cifar-10-binary.tar.gz"
    ),
    "cifar-10-batches-bin/data_batch_2.bin": File(
        "5ea93a67294ea407fff1d09f752e9692", "cifar-10-binary.tar.gz"
    ),
    "cifar-10-batches-bin/data_batch_3.bin": File(
        "942cd6a4bcdd0dd3c604fbe906cb4421", "cifar-10-binary.tar.gz"
    ),
    "cifar-10-batches-bin/data_batch_4.bin": File(
        "ae636b3ba5c66a11e91e8cb52e771fcb", "cifar-10-binary.tar.gz"
    ),
    "cifar-10-batches-bin/data_batch_5.bin": File(
        "53f37980c15c3d472c316c40844f3f0d", "cifar-10-binary.tar.gz"
    ),
    "cifar-10-batches-bin/test_batch.bin": File("803d5f7f4d78ea53de84dbe85f74fb6d", "cifar-10-binary.tar.gz"),
    "mnist/train-images-idx3-ubyte": File("6bbc9ace898e44ae57da46a324031adb", "train-images-idx3-ubyte.gz"),
    "mnist/train-labels-idx1-ubyte": File("a25bea736e30d166cdddb491f175f624", "train-labels-idx1-ubyte.gz"),
    "mnist/t10k-images-idx3-ubyte": File("2646ac647ad5339dbf082846283269ea", "t10k-images-idx3-ubyte.gz"),
    "mnist/t10k-labels-idx1-ubyte": File("27ae3e4e09519cfbb04c329615203637", "t10k-labels-idx1-ubyte.gz"),
    "glass/glass.data": File("2732c9170bf8c483f33da3c58929c067", "glass.data"),
}

_TIMEOUT = 30  # seconds without a byte until a server counts as gone
_DAY = 24 * 60 * 60  # seconds
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def cache_folder() -> Path:
    """The folder of downloads and decoded arrays: LAB_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("LAB_CACHE"):
        return Path(chosen).expanduser()
    return Path(_pooch().os_cache("normalization-lab"))


def data_folder() -> Path | None:
    """The folder that LAB_DATA names, or None. Raises DataError where it isn't a folder."""
    if not (chosen := os.environ.get("LAB_DATA")):
        return None
    folder = Path(chosen).expanduser()
    if not os.path.isdir(folder):  # unlike Path.is_dir, also for a folder that may not be entered
        raise DataError(f"LAB_DATA names {chosen!r}, which is not a folder: correct it or unset it.")
    return folder


def find(name: str) -> Path | None:
    """The file `name` of FILES on this machine, possibly inside an archive or compressed; None if absent."""
    download = FILES[name].download
    candidates = [cache_folder() / download]
    if folder := data_folder():
        places = [folder / name, folder / Path(name).name]
        packed = [place.with_name(place.name + suffix) for suffix in ("", ".xz", ".gz") for place in places]
        candidates = [*packed, folder / download, *candidates]
    return next((path for path in candidates if os.path.isfile(path)), None)


def read(names: Sequence[str]) -> list[bytes]:
    """The uncompressed contents of the files `names` of FILES, verified; downloads what isn't here.

    Raises DataError for a file that is damaged or isn't the official one, and for a failed download.
    """
    paths = {}
    for name in names:
        path = find(name)
        if path is None or path.parent == cache_folder():  # fetch() also repairs what was downloaded before
            path = fetch(FILES[name].download)
        paths[name] = path
    contents = _read_verified(paths)
    return [contents[name] for name in names]


def verify(names: Sequence[str]) -> int:
    """How many of the files `names` are on this machine. Raises DataError where one isn't as published."""
    return len(_read_verified({name: path for name in names if (path := find(name))}))


def fetch(download: str) -> Path:
    """Download the entry `download` of DOWNLOADS into the cache folder, unless a sound copy is there.

    The file appears under its name when it is complete and its checksum is right, never before.
    Raises DataError for anything that prevents it.
    """
    pooch = _pooch()
    import requests

    url, md5, size = DOWNLOADS[download]
    folder = cache_folder()
    pooch.get_logger().setLevel("WARNING")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=_TIMEOUT)
        return Path(pooch.retrieve(url, f"md5:{md5}", fname=download, path=folder, downloader=downloader))
    except requests.HTTPError as error:
        problem = f"{url} answers {str(error).partition(' for url')[0]!r}"
    except requests.exceptions.ChunkedEncodingError:
        problem = f"the download of {url} broke off"
    except requests.RequestException as error:
        problem = f"{url} cannot be reached ({type(error).__name__}: is there a network?)"
    except ValueError:  # pooch's word for a wrong checksum
        problem = f"{url} sent something else than the official file (md5 {md5})"
    except OSError as error:
        if error.errno in _NO_ROOM:
            problem = f"has no room for {download} ({size / 1e6:.1f} MB)"
        else:
            problem = f"cannot be written ({error.strerror or error})"
        problem = f"the cache folder {folder} {problem}; LAB_CACHE may name another"
    raise DataError(
        f"No {download}: {problem}. Try again, or put the file into a folder and name that in LAB_DATA."
    )


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left half-written, a day ago or more."""
    for path in [*folder.glob("tmp*"), *folder.glob("*.part")]:  # pooch's and cache.py's unfinished files
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _DAY:
                path.unlink()


def _read_verified(paths: Mapping[str, Path]) -> dict[str, bytes]:
    holders: dict[Path, list[str]] = {}
    for name, path in paths.items():
        holders.setdefault(path, []).append(name)
    contents: dict[str, bytes] = {}
    with ThreadPoolExecutor() as pool:  # decompression and checksums run outside the interpreter's lock
        for part in _with_progress(pool.map(_read_holder, holders, holders.values()), len(holders)):
            contents |= part
    return contents


def _with_progress(parts: Iterable[dict[str, bytes]], total: int) -> Iterable[dict[str, bytes]]:
    try:
        from tqdm import tqdm
    except ImportError:
        return parts
    return tqdm(parts, total=total, desc="decoding", unit="file", leave=False, delay=1)


def _read_holder(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The contents of the files `names` that the file at `path` holds."""
    remedy = "replace it, or delete it to have it downloaded"
    try:
        contents = _unpack(path, names)
    except (lzma.LZMAError, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError) as error:
        raise DataError(f"{path} is damaged or cut short ({error}): {remedy}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}): {remedy}.") from None
    for name, content in contents.items():
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if md5 != FILES[name].md5:
            raise DataError(
                f"{path} does not hold the official {Path(name).name} "
                f"(md5 {md5} instead of {FILES[name].md5}): {remedy}."
            )
    return contents


def _unpack(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path, "r:gz") as archive:
            return {name: archive.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    content = path.read_bytes()
    if unpack := {".xz": lzma.decompress, ".gz": gzip.decompress}.get(path.suffix):
        content = unpack(content)
    return dict.fromkeys(names, content)


def _pooch() -> ModuleType:
    try:
        import pooch
        import tqdm  # noqa: F401  (pooch's progress bar)
    except ImportError as error:
        raise DataError(
            f"{error.name} is not installed, which downloads need: "
            'pip install "normalization-lab[live]", or name folders in LAB_DATA and LAB_CACHE.'
        ) from None
    return pooch
