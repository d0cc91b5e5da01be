"""The decoded arrays on disk: damaged ones are made anew, and none is left half-written."""

import json
import os

import numpy as np
import pytest

from lab.data import cache, load
from tests.data.faults import files_below, no_file_larger_than


def records():
    return np.arange(60_000, dtype=np.uint8).reshape(100, 600)


def never(*arguments):
    raise AssertionError("built although the cache is sound")


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_version(path):
    stamp = path.with_suffix(".json")
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"version": cache.VERSION + 1}))


def test_second_time_from_the_disk(cache_folder, monkeypatch):
    np.testing.assert_array_equal(cache.cached("a", records), records())
    again = cache.cached("a", never)
    np.testing.assert_array_equal(again, records())
    assert isinstance(again.base, np.memmap)
    assert not again.flags.writeable
    monkeypatch.setattr(cache, "_md5", never)  # the stamp is enough
    np.testing.assert_array_equal(cache.cached("a", never), records())
    assert files_below(cache_folder) == ["a.json", "a.npy"]


@pytest.mark.parametrize(
    "harm",
    [
        flip_a_byte,
        other_version,
        lambda path: os.truncate(path, 1000),
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(b"not an array"),
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".json").unlink(),
        lambda path: path.with_suffix(".json").write_text("{"),
        lambda path: path.with_suffix(".json").write_text("[1]"),
        lambda path: path.with_suffix(".json").write_bytes(b"\xff"),
    ],
)
def test_harmed_cache_is_made_anew(harm):
    cache.cached("a", records)
    harm(cache.path("a"))
    assert not cache.is_sound("a")
    built = []
    array = cache.cached("a", lambda: built.append(1) or records())
    np.testing.assert_array_equal(array, records())
    assert built
    assert cache.is_there("a")
    np.testing.assert_array_equal(cache.cached("a", never), records())


def test_a_copy_with_another_time_is_recognized_by_its_checksum():
    cache.cached("a", records)
    os.utime(cache.path("a"), (0, 0))
    np.testing.assert_array_equal(cache.cached("a", never), records())


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError])
def test_interrupted_while_writing(cache_folder, monkeypatch, failure):
    save = np.save

    def save_half(file, array):
        save(file, array[:50])
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", save_half)
        with pytest.raises(failure):
            cache.cached("a", records)
    assert files_below(cache_folder) == []
    np.testing.assert_array_equal(cache.cached("a", records), records())


def test_full_disk_costs_only_the_copy(cache_folder):
    with no_file_larger_than(10_000):
        array = cache.cached("a", records)
        assert cache.cached("a", never) is array
    np.testing.assert_array_equal(array, records())
    assert not array.flags.writeable
    assert files_below(cache_folder) == []


def test_folder_that_cannot_be_written(tiny, tmp_path, monkeypatch, recwarn):
    """Files from LAB_DATA go to memory, once, without a warning."""
    (tmp_path / "a file").touch()
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "a file" / "cache"))
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    (tmp_path / "glass.data").write_bytes(tiny.contents["glass/glass.data"])
    first = load("glass")
    (tmp_path / "glass.data").unlink()
    np.testing.assert_array_equal(load("glass").X_train, first.X_train)
    assert not recwarn.list
