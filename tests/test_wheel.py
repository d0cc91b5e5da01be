"""The wheel, which students and hubs install: what is in it, and that it works where there is no checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from lab.files import LESSONS

ROOT = Path(__file__).parents[1]

EVERYTHING = """
import asyncio, sys
import lab.files
from lab.live import Explorer, Sweep
from lab.live.lesson import style_sheet

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
    others = {f"lab/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("assets/*.c*")}
    others |= {f"lab/notebooks/{path.name}" for path in LESSONS.glob("*.ipynb")} | {"lab/check/KILLTABLE.md"}
    assert {name for name in names if ".dist-info/" not in name} == modules | others
    assert all(name.startswith(("lab/", "normalization_lab-")) for name in names)


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
