"""start.py: one small project is set up for real; what goes wrong is provoked there, or simulated."""

import _ctypes
import ast
import errno
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.project import (
    BUILD,
    DAMAGES,
    MODULE,
    SIX,
    START,
    assert_one_sentence,
    begin,
    make_project,
    run,
)


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """A project of which one start was killed half-way, then two were made at once; what these said."""
    project = make_project(tmp_path_factory.mktemp("finished") / "a project")
    killed = begin(project, "run", start_new_session=True)
    while not list((project / ".venv").rglob("pip")):  # half of an environment
        assert killed.poll() is None
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    (project / ".venv" / "half").touch()
    first = begin(project, "run", "--", "first")
    said = first.stdout.readline()
    second = begin(project, "run", "--", "second")
    waits = second.stdout.readline()
    said, waits = said + first.communicate()[0], waits + second.communicate()[0]
    return project, said.splitlines(), waits.splitlines()


@pytest.fixture(scope="module")
def finished(starts):
    """A project that is set up; tests leave it so."""
    return starts[0]


def load(project, monkeypatch):
    """A project's start.py as a module, which may not put `lab` in the place of these tests."""
    monkeypatch.setattr(os, "execv", None)
    spec = importlib.util.spec_from_file_location("start_of_small_project", project / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start(finished, monkeypatch):
    return load(finished, monkeypatch)


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


# Setting up -------------------------------------------------------------------------------------------


def test_start_after_a_killed_one_sets_up_anew_and_runs_the_command(starts):
    project, said, _ = starts
    assert said[0] == "Setting up in .venv (about a minute, once) ..."
    assert said[-2:] == ["Ready.", "lab first"]
    assert (project / ".venv" / "set-up.log").stat().st_size
    assert not (project / ".venv" / "half").exists()
    assert not (project / ".venv.old").exists()


def test_second_of_two_starts_waits_for_the_first(starts):
    _, _, waits = starts
    assert waits == ["Another start is setting up .venv; this one waits for it ...", "lab second"]


def test_start_without_locks_in_the_file_system(start, monkeypatch, tmp_path):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (tmp_path / "lock").open("a") as file:
        assert start.take(file)


def test_next_start_is_current(finished):
    log = (finished / ".venv" / "set-up.log").read_text()
    options = ["--port", "9000", "--no-browser", "--fresh", "--", "--notebook", "a b.ipynb"]
    again = run(finished, "lab", *options)
    assert again.stdout == "lab open --port 9000 --no-browser --fresh --notebook a b.ipynb\n"
    assert (finished / ".venv" / "set-up.log").read_text() == log


def test_next_start_starts_no_process_but_the_listing(start, monkeypatch):
    """What keeps it under a second: no pip, no virtual environment, no look for interpreters."""
    monkeypatch.setattr(start, "log_run", None)
    monkeypatch.setattr(start, "find_python", None)
    start.set_up(start.LOCK)


def test_changed_lock_is_brought_up_to_date_in_place(finished, tmp_path):
    (finished / ".venv" / "kept").touch()
    (finished / "requirements-dev.lock").write_text(BUILD + SIX)
    # Neither a package that lies elsewhere nor pip's own settings keep it from going into .venv.
    elsewhere = tmp_path / "six-1.17.0.dist-info" / "METADATA"
    elsewhere.parent.mkdir()
    elsewhere.write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n")
    code = "import sys, start; start.check = print; sys.exit(start.main(sys.argv[1:]))"
    answer = subprocess.run(
        [sys.executable, "-c", code, "test", "--", "-k", "one"],
        cwd=finished,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PIP_USER": "1"},
        capture_output=True,
        text=True,
    )
    given = "['-m', 'not long', '-k', 'one']"
    assert answer.stdout.splitlines() == ["Bringing .venv up to date ...", "Ready.", given], answer
    assert list((finished / ".venv").rglob("six.py"))
    assert (finished / ".venv" / "kept").exists()
    assert run(finished, "run").stdout == "lab\n"  # the development lock holds the other one too


def test_interrupted_update_leaves_no_stamp(start):
    """From the moment pip replaces packages, the environment counts as unfinished."""
    stamp = Path(start.STAMP).read_text()
    start.log_run([sys.executable, "-c", "print('Collecting six')"])
    assert start.read_stamp()
    start.log_run([sys.executable, "-c", "print('Installing collected packages: six')"])
    assert not start.read_stamp()
    Path(start.STAMP).write_text(stamp)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_environment_is_noticed(start, damage):
    assert start.read_stamp()
    with damage(Path(start.VENV)):
        assert start.read_stamp() == []
    assert start.read_stamp()


def test_moved_project_is_set_up_anew(finished, tmp_path):
    """The scripts in an environment hold its absolute path."""
    moved = shutil.copytree(finished, tmp_path / "moved", symlinks=True)
    code = "import start; print(start.read_stamp())"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=moved, text=True) == "[]\n"


# The environment that was there before ----------------------------------------------------------------


@pytest.fixture
def damaged(monkeypatch, tmp_path):
    """start.py where a `.venv` isn't whole; the first step of a new one fails, with a line in the log."""
    start = load(make_project(tmp_path), monkeypatch)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "mine").touch()

    def fail(command):
        (tmp_path / ".venv" / "half").touch()
        Path(start.LOG).write_text("no network")
        raise start.Stop("The package index can't be reached.")

    monkeypatch.setattr(start, "log_run", fail)
    return start


def names(folder, pattern="*"):
    return sorted(path.name for path in folder.glob(pattern))


def test_what_was_there_comes_back_where_a_new_one_fails(damaged, tmp_path, capsys):
    Path(damaged.STAMP).write_text("damaged")
    assert damaged.main(["run"]) == 1
    said = capsys.readouterr()
    assert said.err == "The package index can't be reached.\n"
    assert said.out.splitlines()[-1] == "The .venv that was there before is back."
    assert names(tmp_path, ".venv*") == [".venv", ".venv.lock"]
    assert names(tmp_path / ".venv") == ["mine", "set-up.json", "set-up.log"]
    assert Path(damaged.LOG).read_text() == "no network"


def test_what_was_there_goes_when_the_new_one_is_finished(damaged, tmp_path, monkeypatch):
    monkeypatch.setattr(damaged, "log_run", lambda command: None)
    monkeypatch.setattr(damaged, "install", lambda lock: Path(damaged.STAMP).touch())
    damaged.set_up(damaged.LOCK)
    assert names(tmp_path, ".venv*") == [".venv", ".venv.lock"]
    assert names(tmp_path / ".venv") == ["set-up.json"]


def test_what_was_there_comes_back_after_a_killed_start(damaged, tmp_path):
    """Killed while the new one was made: there is half of one, and the old one aside."""
    (tmp_path / ".venv").rename(tmp_path / ".venv.old")
    (tmp_path / ".venv" / "half").mkdir(parents=True)
    assert damaged.main(["run"]) == 1
    assert names(tmp_path, ".venv*") == [".venv", ".venv.lock"]
    assert names(tmp_path / ".venv") == ["mine", "set-up.log"]


def test_what_a_killed_start_left_after_its_end_goes(damaged, tmp_path):
    """Killed when the new one was finished, which was damaged later: the rest of the old one is no use."""
    Path(damaged.STAMP).write_text("damaged")
    (tmp_path / ".venv.old").mkdir()
    assert damaged.main(["run"]) == 1
    assert "mine" in names(tmp_path / ".venv")


LOADS = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print(flush=True); input()"


@pytest.mark.parametrize("program", ["bin/python", sys.executable], ids=["program", "library"])
def test_nothing_is_moved_while_something_runs_from_it(damaged, tmp_path, capsys, program):
    """By its own Python, or by any that has loaded a library of it: `python` in an activated shell."""
    library = shutil.copy(_ctypes.__file__, tmp_path / ".venv" / "library.so")
    python = tmp_path / ".venv" / program
    if not python.exists():
        python.parent.mkdir()
        python.symlink_to(sys.executable)
        library = _ctypes.__file__
    with subprocess.Popen(
        [python, "-c", LOADS, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        before = names(tmp_path / ".venv")
        assert damaged.main(["run"]) == 1
        said = capsys.readouterr().err
        process.communicate("\n")
    assert f"while process {process.pid} runs from it. End that" in said
    assert said.count("\n") == 1
    assert names(tmp_path / ".venv") == before


def test_users_on_macos_are_those_that_lsof_names(damaged, tmp_path, monkeypatch):
    venv, own = damaged.VENV, os.getpid()
    lsof = tmp_path / "lsof"
    files = f"p1 n/usr/x p22 ftxt n{venv}/a.so n{venv}/b.so p3 n{venv}.old/c.so p{own} n{venv}/d.so"
    lsof.write_text(f"#!/bin/sh\nprintf '%s\\n' {files}\n")
    lsof.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert damaged.users_of(venv) == ["22"]


def test_folder_that_windows_keeps_is_in_use(damaged, monkeypatch):
    def refuse(old, new):
        raise PermissionError(errno.EACCES, "Access is denied", old)

    monkeypatch.setattr(os, "rename", refuse)
    monkeypatch.setattr(damaged, "WINDOWS", True)
    with pytest.raises(damaged.Stop, match=r"while a program runs from it\. End that"):
        damaged.move_aside()


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
    lock = finished / "requirements.lock"
    lock.write_text(lock.read_text() + SIX.replace("six", "seven"))
    answer = run(finished, "run", **offline(tmp_path))
    lock.write_text(BUILD)
    assert_one_sentence(answer, "can't be reached", "network")
    assert run(finished, "run", **offline(tmp_path)).stdout == "lab\n"


def test_wrong_hash(tmp_path, finished):
    lock = finished / "requirements.lock"
    tampered = re.sub(r"sha256:\w{8}", "sha256:00000000", SIX)
    lock.write_text(lock.read_text() + tampered.replace("six", "sortedcontainers").replace("1.17.0", "2.4.0"))
    answer = run(finished, "run")
    lock.write_text(BUILD)
    assert_one_sentence(answer, "hash of sortedcontainers==2.4.0 doesn't match", "Start again")
    assert not list((finished / ".venv").rglob("sortedcontainers"))


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
    monkeypatch.setattr(start, "TURN", str(folder / ".venv.lock"))
    monkeypatch.setattr(start, "STAMP", str(folder / ".venv" / "set-up.json"))
    assert start.main(["lab"]) == 1
    assert f"{folder}/.venv.lock can't be written. Make it writable, or copy" in capsys.readouterr().err


def test_full_disk(start, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(start, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(start, "STAMP", str(tmp_path / ".venv" / "set-up.json"))
    monkeypatch.setattr(start, "TURN", str(tmp_path / ".venv.lock"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    assert start.main(["lab"]) == 1
    assert capsys.readouterr().err.count("Make room and start again") == 1
    assert not (tmp_path / ".venv").exists()


def test_other_failures_name_the_log(start):
    assert start.explain_output("ERROR: something new") == f"The set-up failed; {start.LOG} tells why."
    assert "has no six==9" in start.explain_output("ERROR: No matching distribution found for six==9")


def test_foreign_package_on_the_path_is_said(finished, tmp_path):
    """Python would take it in place of the locked one."""
    foreign = tmp_path / "another folder"
    (foreign / "hatchling").mkdir(parents=True)
    (foreign / "hatchling" / "__init__.py").write_text("raise ImportError('for another Python')")
    (tmp_path / "lab.py").touch()
    for folder, name in ((foreign, "hatchling"), (tmp_path, "lab")):
        answer = run(finished, "run", PYTHONPATH=str(folder))
        assert_one_sentence(
            answer, f"PYTHONPATH names {folder}, and {name} from there", "Take that folder out"
        )


def test_own_modules_on_the_path_stay(finished, tmp_path):
    """What has no name of ours, and folders that hide nothing, for they are no packages."""
    (tmp_path / "mine.py").write_text("print('mine')")
    (tmp_path / "hatchling").mkdir()
    path = os.pathsep.join([str(tmp_path), str(finished), "/nowhere"])
    (finished / "lab" / "__init__.py").write_text("import mine\n" + MODULE)
    answer = run(finished, "run", PYTHONPATH=path)
    (finished / "lab" / "__init__.py").write_text(MODULE)
    assert answer.stdout == "mine\nlab\n", answer


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
    assert called[3:] == ["python -m pytest --numprocesses=2 --no-loadscope-reorder -x"]


@pytest.mark.parametrize(("flags", "given"), [([], ["-m", "not long"]), (["--all"], [])])
def test_long_tests_run_with_all(start, monkeypatch, flags, given):
    called = []
    monkeypatch.setattr(start, "check", called.append)
    start.start(["test", *flags, "--", "-x"])
    assert called == [[*given, "-x"]]
