"""Files from LAB_DATA and from a server, and everything that can go wrong on the way."""

import gzip
import lzma
import os
import signal
import sys
import threading

import numpy as np
import pytest

from lab.data import DataError, load, sources
from tests.data.faults import files_below, no_file_larger_than

ARCHIVE = "cifar-10-binary.tar.gz"


def half(handler):
    """The server closes the connection in the middle of the file."""
    content = handler.server.files["whole"]
    handler.announce(len(content))
    handler.wfile.write(content[: len(content) // 2])


def half_then_interrupt(handler):
    """The user presses Ctrl-C in the middle of the file."""
    half(handler)
    handler.wfile.flush()
    os.kill(os.getpid(), signal.SIGINT)
    handler.server.interrupted.wait(10)


@pytest.mark.parametrize(
    ("name", "shape"), [("cifar10", (3, 32, 32)), ("mnist", (1, 28, 28)), ("glass", (9,))]
)
def test_downloaded_once_then_cached(tiny, name, shape):
    layout = "flat" if name == "glass" else "image"
    first = load(name, layout=layout)
    asked = list(tiny.server.requested)
    second = load(name, layout=layout)
    assert len(asked) == len(set(asked)) > 0
    assert tiny.server.requested == asked
    assert first.X_train.shape[1:] == shape
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def test_decoded_anew_from_the_download_that_is_there(tiny, cache_folder):
    first = load("cifar10")
    for path in cache_folder.glob("cifar10-*"):
        path.unlink()
    tiny.server.files.clear()
    np.testing.assert_array_equal(load("cifar10").X_train, first.X_train)


def test_damaged_download_is_downloaded_again(tiny, cache_folder):
    cache_folder.mkdir()
    (cache_folder / ARCHIVE).write_bytes(tiny.downloads[ARCHIVE][:1000])
    load("cifar10")
    assert tiny.server.requested == [ARCHIVE]


def test_pixels_and_labels_are_those_of_the_files(tiny):
    data = load("cifar10", preprocessing=None, layout="image")
    record = np.frombuffer(tiny.contents["cifar-10-batches-bin/test_batch.bin"], np.uint8)[:3073]
    assert data.y_test[0] == record[0]
    assert data.X_test[0, 2, 31, 30] == record[1 + 2 * 1024 + 31 * 32 + 30]

    data = load("mnist", preprocessing=None, layout="image")
    images, labels = (tiny.contents[f"mnist/t10k-{kind}-ubyte"] for kind in ("images-idx3", "labels-idx1"))
    assert data.y_test[3] == labels[8 + 3]
    assert data.X_test[3, 0, 5, 7] == images[16 + 3 * 784 + 5 * 28 + 7]

    data = load("glass", preprocessing=None, dtype=np.float64)
    rows = [line.split(",") for line in tiny.contents["glass/glass.data"].decode().split()]
    expected = {(*map(float, row[1:10]), (1, 2, 3, 5, 6, 7).index(int(row[10]))) for row in rows}
    loaded = {
        (*x, y)
        for part in ("train", "val", "test")
        for x, y in zip(data[f"X_{part}"].tolist(), data[f"y_{part}"].tolist(), strict=True)
    }
    assert loaded == expected


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (404, "404"),
        (500, "500"),
        (half, "broke off"),
        (b"<html>log in to the campus network</html>", "else than the official file"),
        (None, "cannot be reached"),
    ],
)
def test_failed_download(tiny, cache_folder, answer, sentence):
    tiny.server.files |= {ARCHIVE: answer, "whole": tiny.downloads[ARCHIVE]}
    url = sources.DOWNLOADS[ARCHIVE].url
    if answer is None:
        sources.DOWNLOADS[ARCHIVE] = sources.DOWNLOADS[ARCHIVE]._replace(url="http://127.0.0.1:1/x.tar.gz")
    with pytest.raises(DataError, match=sentence) as failure:
        load("cifar10")
    assert str(failure.value).startswith(f"No {ARCHIVE}: ")
    assert "Try again" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert files_below(cache_folder) == []

    tiny.server.files[ARCHIVE] = tiny.downloads[ARCHIVE]
    sources.DOWNLOADS[ARCHIVE] = sources.DOWNLOADS[ARCHIVE]._replace(url=url)
    assert load("cifar10").X_test.shape == (20, 3072)


def test_interrupted_download(tiny, cache_folder):
    tiny.server.interrupted = threading.Event()
    tiny.server.files |= {ARCHIVE: half_then_interrupt, "whole": tiny.downloads[ARCHIVE]}
    with pytest.raises(KeyboardInterrupt):
        load("cifar10")
    tiny.server.interrupted.set()
    assert files_below(cache_folder) == []

    tiny.server.files[ARCHIVE] = tiny.downloads[ARCHIVE]
    assert load("cifar10").X_test.shape == (20, 3072)


def test_no_room_for_the_download(tiny, cache_folder):
    with no_file_larger_than(100_000), pytest.raises(DataError, match="no room") as failure:
        load("cifar10")
    assert str(cache_folder) in str(failure.value)
    assert "LAB_CACHE" in str(failure.value)
    assert files_below(cache_folder) == []
    load("cifar10")


def test_what_a_killed_process_left_is_swept(tiny, cache_folder):
    cache_folder.mkdir()
    for name in ("tmpx1y2", "tmpjust-now", "cifar10-train.npy.0a1b.part"):
        (cache_folder / name).touch()
        if name != "tmpjust-now":  # perhaps another process is still writing it
            os.utime(cache_folder / name, (0, 0))
    load("glass")
    assert files_below(cache_folder) == ["glass-train.json", "glass-train.npy", "glass.data", "tmpjust-now"]


def test_cache_folder_that_cannot_be_made(tiny, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "a file" / "cache"))
    with pytest.raises(DataError, match=r"cannot be written .* LAB_CACHE"):
        load("glass")


@pytest.mark.parametrize("module", ["pooch", "tqdm"])
def test_download_without_the_extra(tiny, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        DataError, match=rf'{module} is not installed.*pip install "normalization-lab\[live\]"'
    ):
        load("glass")


def plain(content):
    return content


@pytest.mark.parametrize("pack", [plain, lzma.compress, gzip.compress])
@pytest.mark.parametrize("in_folder", [True, False])
@pytest.mark.parametrize("name", ["cifar10", "mnist", "glass"])
def test_lab_data(tiny, tmp_path, monkeypatch, name, pack, in_folder):
    suffix = {plain: "", lzma.compress: ".xz", gzip.compress: ".gz"}[pack]
    for file, content in tiny.contents.items():
        path = tmp_path / "data" / (file if in_folder else file.split("/")[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name + suffix).write_bytes(pack(content))
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    assert len(load(name).X_train) > 0
    assert tiny.server.requested == []


def test_lab_data_with_the_official_archive(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    (tmp_path / ARCHIVE).write_bytes(tiny.downloads[ARCHIVE])
    load("cifar10")
    assert tiny.server.requested == []


def test_what_lab_data_lacks_is_downloaded(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    lacking = "mnist/t10k-labels-idx1-ubyte"
    for file in sources.FILES:
        if file.startswith("mnist") and file != lacking:
            (tmp_path / file.split("/")[1]).write_bytes(tiny.contents[file])
    load("mnist")
    assert tiny.server.requested == ["t10k-labels-idx1-ubyte.gz"]


def test_lab_data_that_is_no_folder(tiny, monkeypatch):
    monkeypatch.setenv("LAB_DATA", "/nowhere")
    with pytest.raises(DataError, match="LAB_DATA names '/nowhere', which is not a folder"):
        load("glass")


@pytest.mark.parametrize(
    ("suffix", "damage", "sentence"),
    [
        (".xz", lambda packed: packed[:-100], "damaged or cut short"),
        (".xz", lambda packed: b"", "damaged or cut short|does not hold the official"),
        (".gz", lambda packed: packed[:-100], "damaged or cut short"),
        (".gz", lambda packed: packed[:5000] + bytes([packed[5000] ^ 1]) + packed[5001:], "damaged|official"),
        (".gz", lambda packed: b"no gzip file at all", "damaged or cut short"),
        ("", lambda content: content[:-1], "does not hold the official data_batch_3.bin"),
        ("", lambda content: content[:-1] + bytes([content[-1] ^ 1]), "does not hold the official"),
    ],
)
def test_damaged_file_in_lab_data(tiny, tmp_path, monkeypatch, cache_folder, suffix, damage, sentence):
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    pack = {"": plain, ".xz": lzma.compress, ".gz": gzip.compress}[suffix]
    for file, content in tiny.contents.items():
        (tmp_path / (file.split("/")[1] + suffix)).write_bytes(pack(content))
    sound = tmp_path / f"data_batch_3.bin{suffix}"
    packed = sound.read_bytes()
    sound.write_bytes(damage(packed))
    with pytest.raises(DataError, match=sentence) as failure:
        load("cifar10")
    assert str(sound) in str(failure.value)
    assert "\n" not in str(failure.value)
    assert files_below(cache_folder) == []

    sound.write_bytes(packed)
    load("cifar10")


def test_damaged_archive_in_lab_data(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    (tmp_path / ARCHIVE).write_bytes(tiny.downloads[ARCHIVE][:-5000])
    with pytest.raises(DataError, match=f"{ARCHIVE} is damaged or cut short"):
        load("cifar10")
