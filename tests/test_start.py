"""start.py: one small project is set up for real; what goes wrong is provoked there, or simulated."""

import ast
import errno
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
START = ROOT / "start.py"

# The lock's own entries, so that the small project installs what the real one would.
LOCKED = {
    name: re.search(rf"^{name}==.*?(?=^\S|\Z)", (ROOT / "requirements.lock").read_text(), re.M | re.S)[0]
    for name in ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers", "six")
}
SIX = LOCKED.pop("six")
BUILD = "".join(LOCKED.values())
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "0"
description = "A project that is set up in seconds."
[project.scripts]
lab = "lab:print_arguments"
[tool.hatch.build]
dev-mode-dirs = ["."]
[tool.hatch.build.targets.wheel]
packages = ["lab"]
"""
MODULE = """
import sys
def print_arguments():
    print("lab", *sys.argv[1:])
"""


def make_project(folder):
    """A project with the real start.py whose command `lab` prints its arguments."""
    (folder / "lab").mkdir(parents=True)
    shutil.copy(START, folder)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "lab" / "__init__.py").write_text(MODULE)
    for lock in ("requirements.lock", "requirements-dev.lock"):
        (folder / lock).write_text(BUILD)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project after its first start, and what that start said; tests leave it finished."""
    project = make_project(tmp_path_factory.mktemp("finished") / "a project")
    return project, run(project, "run", "--", "first")


@pytest.fixture
def start(finished, monkeypatch):
    """The finished project's start.py as a module, which may not put `lab` in the place of these tests."""
    monkeypatch.setattr(os, "execv", None)
    spec = importlib.util.spec_from_file_location("start_of_small_project", finished[0] / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fake_python(tmp_path, monkeypatch):
    """Puts a command on the PATH (and nothing else) that answers like a Python of some version."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name, version, exit_code=0):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho {version}\nexit {exit_code}\n")
        path.chmod(0o755)
        return path

    return make


def run(project, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "start.py", *arguments],
        cwd=project,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def assert_one_sentence(answer, *words):
    assert answer.returncode == 1, answer
    assert answer.stderr.count("\n") == 1, answer.stderr
    for word in words:
        assert word in answer.stderr


# Setting up -------------------------------------------------------------------------------------------


def test_first_start_sets_up_and_runs_the_command(finished):
    project, first = finished
    assert first.returncode == 0, first
    assert first.stdout.splitlines()[0] == "Setting up in .venv (about a minute, once) ..."
    assert first.stdout.splitlines()[-2:] == ["Ready.", "lab first"]
    assert (project / ".venv" / "set-up.log").stat().st_size


def test_second_start_is_current(finished):
    project, _ = finished
    log = (project / ".venv" / "set-up.log").read_text()
    again = run(project, "lab", "--port", "9000", "--no-browser", "--", "--notebook", "a b.ipynb")
    assert again.stdout == "lab open --port 9000 --no-browser --notebook a b.ipynb\n"
    assert (project / ".venv" / "set-up.log").read_text() == log


def test_second_start_starts_no_process_but_the_listing(start, monkeypatch):
    """What keeps it under a second: no pip, no virtual environment, no look for interpreters."""
    monkeypatch.setattr(start, "log_run", None)
    monkeypatch.setattr(start, "find_python", None)
    start.set_up(start.LOCK)


def test_changed_lock_is_brought_up_to_date_in_place(finished, tmp_path):
    project, _ = finished
    (project / ".venv" / "kept").touch()
    (project / "requirements-dev.lock").write_text(BUILD + SIX)
    # Neither a package that lies elsewhere nor pip's own settings keep it from going into .venv.
    elsewhere = tmp_path / "six-1.17.0.dist-info" / "METADATA"
    elsewhere.parent.mkdir()
    elsewhere.write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n")
    code = "import sys, start; start.check = print; sys.exit(start.main(sys.argv[1:]))"
    answer = subprocess.run(
        [sys.executable, "-c", code, "test", "--", "-k", "one"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PIP_USER": "1"},
        capture_output=True,
        text=True,
    )
    assert answer.stdout.splitlines() == ["Bringing .venv up to date ...", "Ready.", "['-k', 'one']"], answer
    assert list((project / ".venv").rglob("six.py"))
    assert (project / ".venv" / "kept").exists()
    assert run(project, "run").stdout == "lab\n"  # the development lock holds the other one too


def test_interrupted_update_leaves_no_stamp(start):
    """From the moment pip replaces packages, the environment counts as unfinished."""
    stamp = Path(start.STAMP).read_text()
    start.log_run([sys.executable, "-c", "print('Collecting six')"])
    assert start.read_stamp()
    start.log_run([sys.executable, "-c", "print('Installing collected packages: six')"])
    assert not start.read_stamp()
    Path(start.STAMP).write_text(stamp)


def test_interrupted_set_up_is_made_anew(tmp_path):
    project = make_project(tmp_path / "project")
    process = subprocess.Popen(
        [sys.executable, "start.py", "run"], cwd=project, start_new_session=True, stdout=subprocess.DEVNULL
    )
    while not list((project / ".venv").rglob("pip")):  # half of an environment
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (project / ".venv" / "half").touch()
    answer = run(project, "run", "--", "on")
    assert answer.stdout.endswith("Ready.\nlab on\n"), answer
    assert not (project / ".venv" / "half").exists()


def damage_stamp(venv):
    stamp = venv / "set-up.json"
    stamp.write_text(stamp.read_text()[:-20])


def damage_package(venv):
    shutil.rmtree(next(venv.rglob("hatchling")))


def damage_script(venv):
    (venv / "bin" / "lab").unlink()


def damage_python(venv):
    python = venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")


def damage_version(venv):
    stamp = venv / "set-up.json"
    digests_and_listing = json.loads(stamp.read_text())
    digests_and_listing["listing"][0][0] = "3.11.0 of last year"
    stamp.write_text(json.dumps(digests_and_listing))


@pytest.mark.parametrize(
    "damage", [damage_stamp, damage_package, damage_script, damage_python, damage_version]
)
def test_damaged_environment_is_noticed(start, damage, tmp_path):
    assert start.read_stamp()
    kept = shutil.copytree(start.VENV, tmp_path / "kept", symlinks=True)
    damage(Path(start.VENV))
    assert start.read_stamp() == []
    shutil.rmtree(start.VENV)
    shutil.copytree(kept, start.VENV, symlinks=True)
    assert start.read_stamp()


def test_moved_project_is_set_up_anew(finished, tmp_path):
    """The scripts in an environment hold its absolute path."""
    moved = shutil.copytree(finished[0], tmp_path / "moved", symlinks=True)
    code = "import start; print(start.read_stamp())"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=moved, text=True) == "[]\n"


# What goes wrong --------------------------------------------------------------------------------------


def offline(tmp_path):
    return {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_CACHE_DIR": str(tmp_path / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
    }


def test_no_network_leaves_the_environment_as_it_was(finished, tmp_path):
    project, _ = finished
    lock = project / "requirements.lock"
    lock.write_text(lock.read_text() + SIX.replace("six", "seven"))
    answer = run(project, "run", **offline(tmp_path))
    lock.write_text(BUILD)
    assert_one_sentence(answer, "can't be reached", "network")
    assert run(project, "run", **offline(tmp_path)).stdout == "lab\n"


def test_wrong_hash(tmp_path, finished):
    project, _ = finished
    lock = project / "requirements.lock"
    tampered = re.sub(r"sha256:\w{8}", "sha256:00000000", SIX)
    lock.write_text(lock.read_text() + tampered.replace("six", "sortedcontainers").replace("1.17.0", "2.4.0"))
    answer = run(project, "run")
    lock.write_text(BUILD)
    assert_one_sentence(answer, "hash of sortedcontainers==2.4.0 doesn't match", "Start again")
    assert not list((project / ".venv").rglob("sortedcontainers"))


def test_syntax_is_that_of_python_36():
    ast.parse(START.read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("version", ["3.6", "3.10", "3.14"])
def test_python_out_of_range(start, fake_python, monkeypatch, capsys, tmp_path, version):
    monkeypatch.setattr(start, "STAMP", str(tmp_path / "none"))
    monkeypatch.setattr(sys, "_base_executable", str(fake_python("python3", version)))
    assert start.main(["lab"]) == 1
    assert re.fullmatch(
        r"The lab needs Python 3.11 to 3.13; this is .* Install one .*\n", capsys.readouterr().err
    )


def test_real_old_python(tmp_path):
    old = sorted((Path.home() / ".pyenv" / "versions").glob("3.[6-9].*/bin/python"))
    if not old:
        pytest.skip("machine: no Python older than 3.10")
    shutil.copy(START, tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    for python in old:
        answer = subprocess.run(
            [python, "start.py", "lab"], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True
        )
        assert_one_sentence(answer, "The lab needs Python 3.11 to 3.13; this is 3.")


def test_another_python_on_the_path_is_taken(start, fake_python, monkeypatch):
    monkeypatch.setattr(sys, "_base_executable", str(fake_python("python3", "3.14")))
    fake_python("python3.13", "3.13", exit_code=1)  # without its venv module
    fake_python("python3.12", "3.12")
    assert start.find_python() == ["python3.12"]


def test_no_venv_module(start, fake_python, monkeypatch):
    monkeypatch.setattr(sys, "_base_executable", str(fake_python("python3", "3.12", exit_code=1)))
    with pytest.raises(
        start.Stop, match=r"^Python 3\.12 is here without its venv module\. Install it .*venv"
    ):
        start.find_python()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/project/.venv"), "/project/.venv can't be written"),
        (OSError(errno.EACCES, "Permission denied", "/project/.venv"), "/project/.venv can't be written"),
        (OSError(errno.ENOSPC, "No space left on device", "/project/.venv"), "Make room and start again"),
        (OSError(errno.ENOENT, "No such file or directory", "/p/a.lock"), "/p/a.lock: No such file"),
        (KeyboardInterrupt(), "Interrupted"),
    ],
)
def test_what_the_system_refuses(start, monkeypatch, capsys, error, words):
    def refuse(lock):
        raise error

    monkeypatch.setattr(start, "set_up", refuse)
    assert start.main(["lab"]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_read_only_folder(start, monkeypatch, capsys, tmp_path):
    folder = Path("/sys") if os.geteuid() == 0 else tmp_path  # even root can make no folder in /sys
    tmp_path.chmod(0o555)
    monkeypatch.setattr(start, "VENV", str(folder / ".venv"))
    monkeypatch.setattr(start, "STAMP", str(folder / ".venv" / "set-up.json"))
    assert start.main(["lab"]) == 1
    assert f"{folder}/.venv can't be written. Make it writable, or copy" in capsys.readouterr().err


def test_full_disk(start, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(start, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(start, "STAMP", str(tmp_path / ".venv" / "set-up.json"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    assert start.main(["lab"]) == 1
    assert capsys.readouterr().err.count("Make room and start again") == 1
    assert not (tmp_path / ".venv").exists()


def test_other_failures_name_the_log(start):
    assert start.explain_output("ERROR: something new") == f"The set-up failed; {start.LOG} tells why."
    assert "has no six==9" in start.explain_output("ERROR: No matching distribution found for six==9")


# The suite --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [None, "ruff", "mypy", "pytest"])
def test_any_failing_check_fails_the_test_command(start, monkeypatch, failing):
    called = []

    def call(command, cwd):
        called.append(" ".join([Path(command[0]).name, *command[1:]]))
        return 3 if failing and failing in called[-1] else 0

    monkeypatch.setattr(subprocess, "call", call)
    assert bool(start.check(["-x"])) == bool(failing)
    assert called[:3] == ["ruff check .", "ruff format --check .", "mypy"]
    assert called[3:] == ["python -m pytest --numprocesses=2 --dist=loadgroup -x"]
