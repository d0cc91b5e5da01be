"""The jail, tried from inside: network, files, processes, memory, time; as the superuser and as anybody."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import pytest

from autograde.jail import bubblewrap
from autograde.jail.session import WORKER, Session
from lab.check import Stopped

ROOT = Path(__file__).parents[2]
ATTEMPTS = {  # name: (an expression, what has to come of it)
    "a connection": ("socket.create_connection(('127.0.0.1', 9))", "PermissionError"),
    "a name": ("socket.getaddrinfo('example.org', 80)", "gaierror"),
    "writing a file at the root": ("os.open('/x', NEW)", "OSError: Read-only"),
    "writing a file in /tmp": ("os.open('/tmp/x', NEW)", "FileNotFoundError"),
    "writing shared memory": ("os.open('/dev/shm/x', NEW)", "FileNotFoundError"),
    "writing to the system": ("os.open('/usr/x', NEW)", "OSError: Read-only"),
    "writing to the jail's files": ("os.open('/jail/given.py', os.O_WRONLY)", "OSError: Read-only"),
    "writing beside NumPy": ("os.open('/jail/numpy/x', NEW)", "OSError: Read-only"),
    "memory with a name": ("os.memfd_create('x')", "PermissionError"),
    "the user's folder": ("os.listdir(os.path.expanduser('~root'))", "FileNotFoundError|PermissionError"),
    "the course": ("open(SECRET).read()", "FileNotFoundError"),
    "passwords": ("open('/etc/passwd').read()", "FileNotFoundError"),
    "processes": ("os.listdir('/proc')", "FileNotFoundError"),
    "the environment": ("sorted(set(os.environ) - {'LC_CTYPE', 'PWD'})", "['OPENBLAS_NUM_THREADS']"),
    "a process": ("os.fork()", "PermissionError|BlockingIOError"),
    "a program": ("subprocess.run(['ls'])", "PermissionError|BlockingIOError"),
    "a shell": ("os.execv('/bin/sh', ['sh'])", "PermissionError"),
    "a thread": ("_thread.start_new_thread(print, ())", "RuntimeError"),
    "a signal to the first process": ("os.kill(1, 9)", "PermissionError"),
    "a signal to the one before": ("os.kill(os.getppid(), 9)", "PermissionError"),
    "a signal with a value": ("ctypes.CDLL(None).sigqueue(os.getppid(), 0, None)", "-1"),
    "a signal by a descriptor": ("signal.pidfd_send_signal(os.pidfd_open(1), 0)", "PermissionError"),
    "memory": ("bytearray(3 << 30)", "MemoryError"),
    "much memory by NumPy": ("np.ones((1 << 14, 1 << 15))", "MemoryError"),
    "a higher limit": ("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError|PermissionError"),
    "many open files": ("[open('/dev/null') for _ in range(99)]", "OSError: Too many"),
    "another user": ("os.setuid(0)", "OSError: Invalid"),
    "who one is": ("os.getuid()", "65534"),
    "the lab": ("__import__('lab')", "ModuleNotFoundError"),
    "the lab's folder": ("os.listdir(LAB)", "FileNotFoundError"),
    "packages": ("__import__('nbgrader')", "ModuleNotFoundError"),
}  # fmt: skip
CELL = """
import _thread, ctypes, os, resource, signal, socket, subprocess, sys
import numpy as np
NEW = os.O_WRONLY | os.O_CREAT

def batchnorm_forward(code, secret, lab):
    try:
        value = str(eval(code, globals() | {"SECRET": secret, "LAB": lab}))[:200]
    except BaseException as error:
        value = f"{type(error).__name__}: {getattr(error, 'strerror', error)}"
    return value, None
"""


def tried(folder):
    """{name: what came of it} for all attempts, with a secret that this user can read."""
    secret = Path(folder, "secret")
    secret.write_text("key")
    given = Path(folder, "given.py")
    given.write_text("")
    with Session(given, [CELL]) as session, session.part() as part:
        call = part.functions["batchnorm_forward"]
        return {
            name: call(code, str(secret), str(ROOT / "lab"))[0] for name, (code, _) in ATTEMPTS.items()
        } | {
            "nothing was written": os.listdir(folder) == ["secret", "given.py"] or sorted(os.listdir(folder))
        }


def fits(found, expected):
    return any(found.startswith(each) for each in expected.split("|"))


@pytest.mark.usefixtures("jailed")
def test_nothing_gets_out(tmp_path):
    found = tried(tmp_path)
    assert {
        name: found[name] for name, (_, expected) in ATTEMPTS.items() if not fits(found[name], expected)
    } == {}
    assert found["nothing was written"] in (True, ["given.py", "secret"])


@pytest.mark.usefixtures("jailed")
def test_nothing_gets_out_for_an_ordinary_user():
    """The same, where the grader isn't the superuser; a Python that everybody may run is needed for it."""
    if os.getuid() != 0:
        pytest.skip("machine: this user is an ordinary one, and can't become another")
    python = next(
        (
            path
            for path in (
                Path(bubblewrap.PYTHON[0]),
                Path("/usr/bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"),
            )
            if path.exists() and all(parent.stat().st_mode & 1 for parent in path.resolve().parents)
        ),
        None,
    )
    if python is None:
        pytest.skip("machine: no Python of this version that an ordinary user may run")
    folder = Path(tempfile.mkdtemp())
    try:
        for name, path in {**bubblewrap.numpy_files(), **{n: ROOT / n for n in ("lab", "autograde")}}.items():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        shutil.copy(__file__, folder / "attempts.py")
        work = folder / "work"
        work.mkdir()
        for path in (folder, work):
            path.chmod(0o777)
        code = (
            "import json, sys, unittest.mock; sys.path.insert(0, '.'); "
            "sys.modules['pytest'] = unittest.mock.MagicMock(); "
            "import attempts; print(json.dumps(attempts.tried('work')))"
        )
        done = subprocess.run(
            [python, "-S", "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False,
            user=65534, group=65534, extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": "/"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
    finally:
        shutil.rmtree(folder)
    assert {
        name: found[name] for name, (_, expected) in ATTEMPTS.items() if not fits(found[name], expected)
    } == {}


@pytest.mark.usefixtures("jailed")
def test_system_calls_are_refused_to_the_superuser_by_the_kernel(tmp_path):
    """Limits on processes don't hold for root: without seccomp this fork would succeed."""
    code = (
        "import sys, os; sys.path.insert(0, '/jail'); import worker; worker.confine(5)\n"
        "try:\n    os.fork()\nexcept OSError as error:\n    print(error.errno)"
    )
    done = subprocess.run(
        [*bubblewrap.command(WORKER), "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "1\n", done.stderr


@pytest.mark.usefixtures("no_bubblewrap")
def test_without_bubblewrap_there_is_a_sentence_with_the_remedy():
    assert "bubblewrap" in bubblewrap.trouble()
    assert "install" in bubblewrap.trouble()


def test_a_bubblewrap_that_fails_is_found(tmp_path, monkeypatch):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap._trial.cache_clear()
    try:
        assert "No permissions to create a new namespace" in bubblewrap.trouble()
    finally:
        bubblewrap._trial.cache_clear()


def test_only_named_files_are_shown():
    """Never a folder of the course or of the lab: NumPy, the system, and single files."""
    line = bubblewrap.command({"given.py": Path("/course/source/given.py")})
    bound = [line[i + 1] for i, word in enumerate(line) if word == "--ro-bind"]
    packages = Path(numpy.__file__).parents[1]
    assert "/course/source/given.py" in bound
    assert not any(Path(path) in (ROOT, packages, Path("/"), Path.home()) for path in bound)
    assert not any(ROOT.is_relative_to(path) for path in bound)


@pytest.mark.usefixtures("jailed")
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("def batchnorm_forward(*a):\n    while True: pass", "didn't come to an end within 1 s"),
        ("import os\ndef batchnorm_forward(*a):\n    os._exit(0)", "ended the process"),
        ("import ctypes\ndef batchnorm_forward(*a):\n    ctypes.string_at(0)", "crashed the interpreter"),
        (
            "import os\ndef batchnorm_forward(*a):\n    for f in range(3, 32):\n"
            "        try: os.write(f, b'x' * 99)\n"
            "        except OSError: pass\n    while True: pass",
            "broke the connection",
        ),
    ],
)
def test_what_ends_a_worker_is_said_and_the_next_part_has_another(tmp_path, cell, said):
    given = tmp_path / "given.py"
    given.write_text("")
    fine = "def layernorm_forward(x):\n    return x, None"
    with Session(given, [cell, fine], seconds_per_call=1) as session:
        with session.part() as part, pytest.raises(Stopped, match=said):
            part.functions["batchnorm_forward"](numpy.ones(2))
        with session.part() as part:
            assert part.functions["layernorm_forward"](numpy.ones(2))[0].tolist() == [1, 1]
