"""The judge: scores the graded cells of a submission without running them.

nbgrader runs a notebook in a kernel and believes what it prints there. Here the student's functions run in
a jail (`autograde.jail.session`), and this side, which they can't reach, draws the inputs, knows the answers,
compares and counts. What lands in the notebook is what nbgrader reads from one that was run: a report, and
the score as the result of the cell.
"""

import hashlib
import hmac
import json
import platform
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import nbformat
import numpy as np
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Unicode

from autograde.assignments import find
from autograde.course import Course, printable, write_whole
from autograde.jail.session import Raised, Session
from lab.check import Exam, Stopped, examine


class Judge(NbGraderPreprocessor):
    """Takes the place of nbgrader's Execute."""

    folder = Unicode(help="The course folder; default: three above the notebook.").tag(config=True)
    jail = Bool(True, help="False runs student code with all rights of the user who grades.").tag(config=True)

    def preprocess(self, nb, resources):
        """The notebook with outputs in its graded cells; the record goes into the course folder."""
        where = resources["nbgrader"]
        folder = self.folder or Path(resources["metadata"]["path"]).resolve().parents[2]
        course = Course.read(folder, where["assignment"])
        course = replace(course, jail=course.jail and self.jail)
        record = judge(nb, course, where["student"], where["assignment"])
        save(record, course.folder)
        return nb, resources


def seed_of(course, student, name):
    """The seed of a student's hidden inputs, which nobody can guess without the course's secret."""
    text = f"{name}/{student}".encode()
    return int.from_bytes(hmac.digest(course.secret, text, hashlib.sha256)[:7], "big")


def judge(nb, course, student, name):
    """Fill in the outputs of the graded cells of `nb`, and return the record of what was found.

    `nb.metadata` may hold "student_cells", all code cells that were handed in as [{"source", "grade_id"}],
    "notices", sentences for the student, and "refused", why there is nothing to grade; all are taken out.
    """
    begun = time.perf_counter()
    cells = nb.metadata.pop("student_cells", None) or [
        {"source": cell.source, "grade_id": cell.metadata.get("nbgrader", {}).get("grade_id")}
        for cell in nb.cells
        if cell.cell_type == "code"
    ]
    refused = nb.metadata.pop("refused", None)
    record = {
        "student": student, "assignment": name, "seed": seed_of(course, student, name),
        "variant": course.variant.to_dict(), "notices": list(nb.metadata.pop("notices", [])),
        "versions": {
            "lab": version("normalization-lab"), "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "failure": refused, "parts": {},
    }  # fmt: skip
    assignment = find(name)
    exam = Exam.draw(record["seed"], course.variant)
    with Session(
        course.folder / "source" / name / "given.py", [cell["source"] for cell in cells],
        assignment=name, seconds_per_call=course.seconds_per_call, seconds=course.seconds_per_submission,
        jailed=course.jail,
    ) as session:  # fmt: skip
        graded = {
            cell.metadata.nbgrader.grade_id.removeprefix("test_"): cell
            for cell in nb.cells
            if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)
        }
        record["parts"] = dict.fromkeys(graded)
        # functions last: a slow one takes no time from answers that are only read
        for part, cell in sorted(graded.items(), key=lambda each: each[0] in assignment.checked.parts):
            if refused:
                found, report = _counted([(part.replace("_", " "), False, refused)])
            else:
                found, report = _judge_part(part, assignment, session, cells, exam, course)
            most = float(cell.metadata.nbgrader.points)
            found["points"], found["max"] = min(max(round(most * found["share"], 2), 0.0), most), most
            record["parts"][part] = found
            cell.execution_count = None
            cell.outputs = [
                nbformat.v4.new_output("stream", name="stdout", text=f"{report.rstrip()}\n"),
                nbformat.v4.new_output(
                    "execute_result", {"text/plain": repr(found["points"])}, execution_count=None
                ),
            ]
    record["seconds"] = round(time.perf_counter() - begun, 3)
    return record


def save(record, folder):
    """Write a record whole or not at all, to judged/<student>/<assignment>.json."""
    path = Path(folder, "judged", record["student"], f"{record['assignment']}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(record, indent=1))


def _judge_part(part, assignment, session, cells, exam, course):
    """({"share", "results", "mistakes", "hint", "problems"}, report) of one graded cell."""
    answer = assignment.answer_of.get(part, part)
    own = [number for number, cell in enumerate(cells) if cell["grade_id"] == answer]
    last = max(own, default=-1)
    # The cells up to the check count as they stand; without a check below it, those up to the answer.
    checks = [n for n, cell in enumerate(cells) if n > last and cell["grade_id"] == f"test_{part}"]
    checked = assignment.checked
    problems: list = []
    try:
        with session.part(own, min(checks, default=last)) as running:
            problems = [problem for problem in running.problems if problem[0] in own]
            if part in checked.parts:
                verdict = examine(part, running.functions, exam, assignment.name)
                found, report = verdict.to_dict(), str(verdict)
            elif part in checked.figures:
                stated = running.value(part)
                results = assignment.judge_figures(part, stated, exam.variant, course.folder / "cache")
                found, report = _counted(results)
            else:
                found, report = _counted(
                    [_choice(part, running.value(part), assignment.key(exam.variant)[part])]
                )
    except (Stopped, Raised) as reason:
        found, report = _counted([(part.replace("_", " "), False, str(reason))])
    said = [
        f"{f'Line {line} of your answer' if line else 'Your answer'}: {text}"
        for _, line, text in problems
        if found["share"] < 1
    ]
    kept = {key: found[key] for key in ("share", "results", "mistakes", "hint")}
    return printable(kept | {"problems": said}), printable("\n".join([*said, report]))


def _choice(part, chosen, key):
    """(what, passed, message) of a question with one right option."""
    question = part.replace("_", " ")
    if isinstance(chosen, np.ndarray) and chosen.ndim == 0 and chosen.dtype.kind in "iu":
        chosen = int(chosen)
    if type(chosen) is not int:
        return question, False, f"{part} has to be the number of an option, 1 to 4."
    right = chosen == key
    return question, right, f"Option {chosen} is {'right' if right else 'not the right one'}."


def _counted(results):
    """A verdict of results (what, passed, message) that count alike."""
    passed = sum(bool(right) for _, right, _ in results)
    found = {
        "share": passed / len(results), "mistakes": [], "hint": "",
        "results": [
            {"name": what, "passed": bool(right), "weight": 1.0, "message": message, "remark": ""}
            for what, right, message in results
        ],
    }  # fmt: skip
    lines = [f"{'right' if right else 'wrong'}: {what}. {message}" for what, right, message in results]
    return found, "\n".join(lines)
