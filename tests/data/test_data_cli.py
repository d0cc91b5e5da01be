"""`lab data list | get | check`."""

import dataclasses
import os

from typer.testing import CliRunner

from lab.cli import app
from lab.data import sources
from lab.data.catalogue import CATALOGUE


def lab(*arguments):
    return CliRunner().invoke(app, ["data", *arguments])


def refused(*arguments):
    """The one sentence of a command that fails."""
    result = lab(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def line(result, name):
    return next(line for line in result.stdout.splitlines() if line.startswith(name))


def test_list_says_what_and_where(tiny, tmp_path, monkeypatch):
    result = lab("list")
    assert result.exit_code == 0
    assert "1,797 samples" in line(result, "digits")
    assert line(result, "digits").endswith("embedded")
    assert "3,072 features  10 classes" in line(result, "cifar10")
    assert line(result, "glass").endswith(f"to download, {len(tiny.downloads['glass.data']) / 1e3:.0f} kB")
    assert "cite" in result.stdout
    assert "CC BY 4.0" in result.stdout

    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    (tmp_path / "glass.data").write_bytes(tiny.contents["glass/glass.data"])
    assert line(lab("list"), "glass").endswith("in LAB_DATA")
    lab("get", "glass")
    assert line(lab("list"), "glass").endswith("cached")

    monkeypatch.setenv("LAB_DATA", "/nowhere")
    assert "LAB_DATA names '/nowhere'" in refused("list")


def test_get_then_check(tiny):
    assert "cifar10 is not here: `lab data get cifar10`" in refused("check", "cifar10")
    result = lab("get", "cifar10")
    assert (result.exit_code, result.stdout) == (0, "cifar10: cached\n")
    assert "100%" in result.stderr
    assert tiny.server.requested == ["cifar-10-binary.tar.gz"]
    result = lab("check", "cifar10")
    assert result.exit_code == 0
    assert result.stdout == "cifar10: class counts, checksums of 6 of 6 files, checksum of the cache\n"
    assert tiny.server.requested == ["cifar-10-binary.tar.gz"]


def test_check_all_names_what_is_not_here(tiny):
    lab("get", "glass")
    result = lab("check")
    assert result.exit_code == 0
    assert line(result, "digits") == "digits: class counts"
    assert line(result, "cifar10") == "cifar10: not here"
    assert "checksum of the cache" in line(result, "glass")


def test_failures_are_one_sentence(tiny):
    assert "'imagenet' is not known; allowed: 'digits'" in refused("get", "imagenet")
    assert "'imagenet' is not known" in refused("check", "imagenet")
    tiny.server.files["glass.data"] = 503
    assert "503" in refused("get", "glass")


def test_interrupted(tiny, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "fetch", interrupt)
    assert "try again: lab data get glass" in refused("get", "glass")


def test_silent_damage_of_the_cache_is_found_and_repaired(tiny, cache_folder):
    lab("get", "cifar10")
    (cache_folder / "cifar-10-binary.tar.gz").rename(cache_folder / "away")
    path = cache_folder / "cifar10-test.npy"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "cifar10-test.npy is damaged" in refused("check", "cifar10")
    result = lab("check")
    assert result.exit_code == 1
    assert "cifar10-test.npy is damaged" in result.stderr
    assert lab("get", "cifar10").exit_code == 0
    assert lab("check", "cifar10").exit_code == 0


def test_damaged_files_are_found(tiny, cache_folder):
    lab("get", "cifar10")
    archive = cache_folder / "cifar-10-binary.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-5000])
    assert f"{archive} is damaged" in refused("check", "cifar10")


def test_other_samples_than_published_are_found(tiny, monkeypatch):
    lab("get", "glass")
    entry = CATALOGUE["glass"]
    monkeypatch.setitem(CATALOGUE, "glass", dataclasses.replace(entry, class_counts={"train": (1, 2)}))
    assert "published are (1, 2) and 9" in refused("check", "glass")
    monkeypatch.setitem(CATALOGUE, "glass", dataclasses.replace(entry, features=8))
    assert "9 features" in refused("check", "glass")


def test_cache_that_takes_nothing(tiny, tmp_path, monkeypatch):
    (tmp_path / "glass.data").write_bytes(tiny.contents["glass/glass.data"])
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "glass.data" / "cache"))
    assert "takes no copy of glass" in refused("get", "glass")
