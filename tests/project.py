"""A small project that start.py sets up: what it consists of, how it is started, how it is damaged."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

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


def begin(project, *arguments, **settings):
    return subprocess.Popen(
        [sys.executable, "start.py", *arguments],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **settings,
    )


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


@contextmanager
def replaced(path, content=None):
    """Another content in the place of a file, or nothing in the place of a file or folder."""
    kept = path.rename(f"{path}.kept")
    if content is not None:
        path.write_text(content)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        kept.rename(path)


def damaged_stamp(venv):
    stamp = venv / "set-up.json"
    return replaced(stamp, stamp.read_text()[:-20])


def damaged_package(venv):
    return replaced(next(venv.rglob("hatchling")))


def damaged_script(venv):
    return replaced(venv / "bin" / "lab")


def damaged_python(venv):
    return replaced(venv / "bin" / "python")


def another_version(venv):
    stamp = venv / "set-up.json"
    digests_and_listing = json.loads(stamp.read_text())
    digests_and_listing["listing"][0][0] = "3.11.0 of last year"
    return replaced(stamp, json.dumps(digests_and_listing))


DAMAGES = [damaged_stamp, damaged_package, damaged_script, damaged_python, another_version]
