"""The canonical notebook: the released one, with nothing of the student's but the sources of the answers.

Whatever a student did to tags, metadata, order, locked cells and checks has no effect. An answer cell that
lost its grade_id is found by what it defines, or by the text in front of it. For the judge, the sources of
all code cells stand in the notebook's metadata, in the order of the student's document.
"""

import ast
import copy
import functools
import re
from pathlib import Path

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from autograde.assignments import find
from autograde.course import Course
from autograde.intake.submissions import Taken


class Canonical(NbGraderPreprocessor):
    """The first sanitizer: a submitted notebook becomes the canonical one."""

    folder = Unicode("", help="The course folder.").tag(config=True)

    def preprocess(self, nb, resources):
        course = Course.read(self.folder, resources["nbgrader"]["assignment"])
        student = resources["nbgrader"]["student"]
        released = course.path("release") / course.notebook
        taken = Taken.of(course, student)
        result, notices = canonical(_released(released, released.stat().st_mtime_ns), nb)
        if taken is not None:
            notices = [*taken.notices, *notices] if taken.refused is None else []
            if taken.refused is not None:
                result.metadata["refused"] = taken.refused
        result.metadata["notices"] = notices
        _insert(result, notices, result.metadata.get("refused"), find(course.assignment).rubric)
        return result, resources


def canonical(released, submitted) -> tuple[nbformat.NotebookNode, list[str]]:
    """The released notebook with a student's answers, and what the student should know about it.

    `metadata["student_cells"]` holds {"source", "grade_id"} of each code cell that may define something:
    locked cells as released, the student's own as they are, and grade_id where a cell is the answer taken.
    """
    result = copy.deepcopy(released)
    known = {name: cell for cell in result.cells if (name := _grade_id(cell))}
    answers = {name: cell for name, cell in known.items() if cell.metadata.nbgrader.get("solution")}
    taken: dict[str, int] = {}
    notices: list[str] = []
    for name, cell in answers.items():
        index, notice = _find(name, cell, released, submitted.cells, known)
        if notice:
            notices.append(notice)
        if index is not None:
            taken[name] = index
            cell.source = submitted.cells[index].source
            if cell.cell_type == "markdown":  # an answer doesn't pass for the mark scheme beside it
                cell.source = cell.source.replace("mark-scheme", "mark scheme")
    result.metadata["student_cells"] = _definitions(known, taken, submitted.cells)
    return result, notices


def _find(name, released_cell, released, cells, known) -> tuple[int | None, str | None]:
    """Which of the student's cells is the answer, and a notice where that wasn't plain."""
    same = [i for i, cell in enumerate(cells) if _grade_id(cell) == name]
    free = [i for i, cell in enumerate(cells) if _grade_id(cell) not in known]
    others = [i for i in range(len(cells)) if i not in same]  # another answer's cell may hold this one too
    defined = _defines(released_cell.source) if released_cell.cell_type == "code" else set()
    changed = [i for i in same if not _equal(cells[i].source, released_cell.source)]
    # A cell that was split in two carries its name twice; the part with the function is the answer.
    chosen = [i for i in changed if defined & _defines(cells[i].source)]
    written = [
        i
        for i in others
        if defined & _defines(cells[i].source) and not _equal(cells[i].source, released_cell.source)
    ]
    if written and not chosen:
        lost = "was left empty" if same else "has lost its mark"
        last = "last " if len(written) > 1 else ""
        return written[-1], (
            f"The answer cell {name!r} {lost}; the {last}cell that defines {' and '.join(sorted(defined))} "
            "was graded in its place."
        )
    chosen = chosen or changed or same
    if len({cells[i].source.strip() for i in chosen}) > 1:
        return chosen[-1], f"The answer cell {name!r} is there {len(same)} times; the last one was graded."
    if chosen:
        return chosen[-1], None
    before = released.cells[_position(released.cells, name) - 1].source
    after = [
        i
        for i in free
        if i and _equal(cells[i - 1].source, before) and cells[i].cell_type == released_cell.cell_type
    ]
    if len(after) == 1 and before.strip():
        return after[0], (
            f"The answer cell {name!r} has lost its mark; the cell behind its question was graded."
        )
    return None, f"The answer cell {name!r} is missing. Copy it from the notebook as it was released."


def _definitions(known, taken, cells) -> list[dict]:
    """The code cells that hold definitions, and the places of the checks, in the student's order."""
    chosen = {index: name for name, index in taken.items()}
    chosen |= {index: name for name, index in taken.items() if _grade_id(cells[index]) == name}
    locked = {
        name: cell.source
        for name, cell in known.items()
        if cell.cell_type == "code" and not cell.metadata.nbgrader.get("solution") and not _is_graded(cell)
    }
    there = {_grade_id(cell) for cell in cells}
    answered = {name: _defines(cells[index].source) for name, index in taken.items()}
    result = [{"source": source, "grade_id": name} for name, source in locked.items() if name not in there]
    for index, cell in enumerate(cells):
        name = _grade_id(cell)
        if index in chosen and known[chosen[index]].cell_type == "code":
            result.append({"source": cell.source, "grade_id": chosen[index]})
        elif name in locked:
            result.append({"source": locked.pop(name), "grade_id": name})
        elif name in known and _is_graded(known[name]):
            result.append({"source": "", "grade_id": name})
        elif (
            cell.cell_type == "code"
            and index not in chosen
            # a copy of an answer that wasn't taken, such as its stub, doesn't replace what it defines
            and not (name in answered and _defines(cell.source) & answered[name])
        ):
            result.append({"source": cell.source, "grade_id": None})
    return result


def _insert(nb, notices, refused, rubric) -> None:
    """Add what people read and nbgrader doesn't: notices on top, and the mark scheme under a free answer."""
    cells = []
    if refused:
        cells.append(_note("notices", f"**This submission could not be graded.** {_plain(refused)}"))
    elif notices:
        lines = "\n".join(f"- {_plain(notice)}" for notice in notices)
        cells.append(_note("notices", f"**About what was handed in**\n\n{lines}"))
    for cell in nb.cells:
        cells.append(cell)
        if _grade_id(cell) in rubric:
            lines = "\n".join(f"- {points:g} · {text}" for points, text in rubric[_grade_id(cell)])
            title = '<b class="mark-scheme">Mark scheme</b> (only graders see it)'
            cells.append(_note("rubric", f"{title}\n\n{lines}", len(cells)))
    nb.cells = cells


def _note(role: str, text: str, number: int = 0):
    return nbformat.v4.new_markdown_cell(text, metadata={"course": role}, id=f"course-{role}-{number}")


def _plain(text: str) -> str:
    """Text that holds a student's file name, made harmless as Markdown."""
    return re.sub(r"([\\`*_\[\]<>$#|])", r"\\\1", text)


@functools.lru_cache(maxsize=4)
def _released(path: Path, changed: int):
    """The released notebook, read again when it has changed."""
    return nbformat.read(path, as_version=4)


def _grade_id(cell) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _is_graded(cell) -> bool:
    return cell.metadata.nbgrader.get("grade", False) and not cell.metadata.nbgrader.get("solution", False)


def _position(cells, name) -> int:
    return next(i for i, cell in enumerate(cells) if _grade_id(cell) == name)


def _equal(one: str, other: str) -> bool:
    """Whether two cells say the same but for blanks at the ends of lines."""
    return [line.rstrip() for line in one.strip().splitlines()] == [
        line.rstrip() for line in other.strip().splitlines()
    ]


def _defines(source: str) -> set[str]:
    """The functions, classes and names that a cell defines at its top level."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"^(?:def|class)\s+(\w+)", source, re.M)) | set(
            re.findall(r"^(\w+)\s*=(?!=)", source, re.M)
        )
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names
