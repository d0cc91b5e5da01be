"""What is missing on this machine for the course to work, and how to get it."""

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from autograde.course import Course, assignments, is_current

CHECKED = ("nbgrader", "nbconvert", "jupyterlab", "latex2mathml", "numpy")
EXTENSIONS = ("formgrader", "assignment_list", "validate_assignment", "course_list")
INSTALL = 'install the lab with its course extra: pip install "normalization-lab[live,course]"'


def examine(folder) -> Iterator[tuple[str, str | None]]:
    """(what was looked at, None if it is well or else what to do), in the order of a course's life."""
    course: Course | None = None
    try:
        course = Course.read(folder, *assignments(folder)[:1])
    except ValueError as reason:
        yield "course folder", str(reason)
    else:
        yield "course folder", _permissions(course)
        for name in assignments(folder):
            yield _is_released(replace(course, assignment=name)), _release(course)
        if course.exchange is None and not _default_exchange().is_dir():
            yield "exchange: there is none, so hand out release/ and collect with --from", None
        else:
            yield "exchange", _exchange(course)
    yield "versions", _versions()
    yield "JupyterLab extensions", _extensions()
    if course is None or course.jail:
        from autograde.jail.bubblewrap import trouble

        yield "jail", trouble()
    else:
        yield (
            "jail",
            "course.toml switches it off: student code runs with your rights; set jail = true.",
        )


def _permissions(course: Course) -> str | None:
    # Course.read has refused a secret that others can read.
    if os.name == "posix" and stat.S_IMODE(course.folder.stat().st_mode) & stat.S_IRWXO:
        return (
            f"everybody can get at solutions and points; run: chmod o-rwx {shlex.quote(str(course.folder))}"
        )
    if not os.access(course.folder, os.W_OK):
        return f"you can't write into {course.folder}; work as the user who made it."
    gradebook = course.folder / "gradebook.db"
    if gradebook.exists() and not os.access(gradebook, os.W_OK):
        return f"you can't write {gradebook}; work as the user who made it."
    return None


def _is_released(course: Course) -> str:
    name, words = (f" of {course.assignment}", f" {course.assignment}") if course.has_others else ("", "")
    if (course.path("release") / course.notebook).exists():
        return f"release{name}"
    return f"release{name}: the next step is lab course release{words}"


def _release(course: Course) -> str | None:
    if not is_current(course):
        return "course.toml has another variant than the source assignment; run: lab course release"
    return None


def _exchange(course: Course) -> str | None:
    root = course.exchange or _default_exchange()
    if not root.is_dir():
        return (
            f"there is no folder {root}. On a shared machine make it with mode 0777 or name another in "
            "course.toml ([exchange] root); without one, hand out release/ and collect with --from."
        )
    if stat.S_IMODE(root.stat().st_mode) & 0o777 != 0o777:
        return f"students can't write into {root}; run: chmod 777 {root}"
    return None


def _default_exchange() -> Path:
    from nbgrader.exchange.default import Exchange

    return Path(Exchange.root.default_value)


def _versions() -> str | None:
    """Installed versions against what the lab declares, which is what its locks were made from."""
    from importlib.metadata import requires

    declared = {}
    for line in requires("normalization-lab") or []:
        requirement = Requirement(line)
        if requirement.name in CHECKED:
            declared[requirement.name] = requirement.specifier
    wrong = []
    for name in CHECKED:
        try:
            installed = version(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if name in declared and installed not in declared[name]:
            wrong.append(f"{name} is {installed}, the lab was made for {declared[name]}")
    return f"{', '.join(wrong)}; {INSTALL}" if wrong else None


def _extensions() -> str | None:
    """Whether nbgrader's parts of JupyterLab are switched on, as `jupyter server extension list` says."""
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", listed.stdout + listed.stderr)
    off = [
        name for name in EXTENSIONS if not re.search(rf"nbgrader\.server_extensions\.{name}\S* enabled", said)
    ]
    if off:
        remedy = "jupyter server extension enable --sys-prefix --py nbgrader"
        return f"{', '.join(off)} of nbgrader are off; run: {remedy}"
    return None
