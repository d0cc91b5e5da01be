"""The wheel, which students and hubs install: what is in it, and that it works where there is no checkout."""

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from lab.jupyter import copies, opening

ROOT = Path(__file__).parents[1]

EVERYTHING = """
import asyncio, sys
import lab.files
from lab.live import Explorer, Sweep
from lab.live.lessons.lesson import style_sheet

async def show():
    Explorer(play=False)
    Sweep("weight_scale", play=False)

asyncio.run(show())
assert "lab-" in style_sheet().value
assert (lab.files.ASSETS / "published_course.csv").is_file()
print(lab.__file__, *sorted(name for name in sys.modules if name.startswith("autograde")))
"""


@pytest.fixture(scope="module")
def python(wheel):
    """Of an environment that holds the wheel alone, and sees what else is installed here, but no checkout.

    What lies in the folder that its .pth file names is found, what .pth files in there name is not.
    """
    folder = wheel.parent / "empty"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python, here = folder / "bin" / "python", sysconfig.get_path("purelib")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    next(folder.glob("lib/*/site-packages")).joinpath("here.pth").write_text(here)
    for name in ("etc", "share"):  # the pages and settings of JupyterLab and the widgets
        (folder / name).symlink_to(Path(sys.prefix, name))
    return python


def run(*command, at=None):
    """Without compiled kernels: these have no cache in a new environment, and take a quarter of a minute."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    answer = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_holds_what_the_package_needs_and_nothing_of_the_teachers(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("lab/**/*.py")}
    others = {f"lab/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("assets/*.[cj]s*")}
    others |= {f"lab/notebooks/{name}" for name in copies.names()} | {"lab/py.typed"}
    assert {name for name in names if ".dist-info/" not in name} == modules | others
    assert all(name.startswith(("lab/", "normalization_lab-")) for name in names)


@pytest.mark.long
def test_explorer_sweep_and_lessons_find_their_files(python, tmp_path):
    said = run(python, "-c", EVERYTHING, at=tmp_path).split()
    assert len(said) == 1
    assert Path(said[0]).is_relative_to(python.parents[1])


def test_sweep_from_the_command_line(python, tmp_path):
    fields = "normalization=batchnorm,none hidden_dims=[20] epochs=1".split()
    said = run(python.with_name("lab"), "sweep", *fields, "--workers", "1", "--quiet", at=tmp_path)
    assert "2 runs" in said
    assert len(list((tmp_path / "runs").glob("*.json"))) == 2


@pytest.mark.parametrize("rest", [[], ["grade", "--course", "x"], ["--force"]])
def test_course_is_said_to_be_in_the_checkout(python, tmp_path, rest):
    answer = subprocess.run(
        [python.with_name("lab"), "course", *rest], cwd=tmp_path, capture_output=True, text=True
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        "lab course is for teachers, who work from the checkout: python3 start.py run -- course\n"
    )


@pytest.mark.long
def test_lab_open_serves_the_lessons_and_keeps_the_home_folder_tidy(python, tmp_path):
    own, port = tmp_path / "normalization-notebooks", opening.find_port(None)
    outside = {name: value for name, value in os.environ.items() if name not in opening.PLACES}
    command = [python.with_name("lab"), "open", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=outside | {"HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        token = token_of(server, port, own / ".jupyter" / "runtime")

        def get(path):
            address = f"http://127.0.0.1:{port}{path}?token={token}"
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.read().decode()

        assert get("/lab/tree/00_explorer.ipynb").startswith("<!doctype html>")
        (session,) = waited_for(lambda: json.loads(get("/api/sessions")))  # before a page has asked for it
        assert (session["path"], session["kernel"]["name"]) == ("00_explorer.ipynb", "python3")
        listed = json.loads(get("/api/contents"))["content"]
        assert sorted(file["name"] for file in listed) == copies.names()
        settings = json.loads(get("/lab/api/settings/" + opening.NOTIFICATIONS))
        defaults = settings["schema"]["properties"]
        assert {name: defaults[name]["default"] for name in opening.QUIET} == opening.QUIET
        again = subprocess.run(command, capture_output=True, text=True)
        assert (again.returncode, again.stderr.count("\n")) == (1, 1)
        assert again.stderr.startswith(f"Port {port} is taken by another program")
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=60)  # with its kernel
    assert said.startswith(f"JupyterLab opens {own / '00_explorer.ipynb'} on port {port}. To stop it, press")
    assert f"http://localhost:{port}/lab/tree/00_explorer.ipynb?token={token}" in said
    assert not [line for line in said.splitlines() if "WARN" in line and "IPKernelApp" not in line]
    assert list(tmp_path.iterdir()) == [own]


def waited_for(answer):
    """What `answer()` gives, once it isn't empty."""
    for _ in range(600):
        if found := answer():
            return found
        time.sleep(0.1)
    raise AssertionError("nothing came within a minute")


def token_of(server, port, runtime):
    """The token of the server, once it listens; the file that holds it is written before."""
    for _ in range(600):
        assert server.poll() is None, server.stdout.read()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return json.loads(next(runtime.glob("jpserver-*.json")).read_text())["token"]
        time.sleep(0.1)
    raise AssertionError("JupyterLab didn't start within a minute")
