"""A course for tests: the real assignment, and a stand-in for the judge that runs nothing."""

import copy
import json
import os
import time

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Unicode

from autograde import course
from autograde.assignments.normalization import assignment
from autograde.judging import batch

CONFIG = f"""
import sys
sys.path.insert(0, {os.getcwd()!r})
c.Autograde.autograde_preprocessors = [
    "tests.autograde.small.Judge",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
]
c.Exchange.root = str(Path(__file__).parent / "no-exchange")
"""


class Judge(NbGraderPreprocessor):
    """Full marks for an answer without NotImplementedError; "crash" and "die" in one do what they say.

    "wait" waits until the process is ended.
    """

    folder = Unicode().tag(config=True)
    jail = Bool(True).tag(config=True)

    def preprocess(self, nb, resources):
        student = resources["nbgrader"]["student"]
        cells, refused = nb.metadata.pop("student_cells"), nb.metadata.pop("refused", None)
        notices, parts = nb.metadata.pop("notices"), {}
        answers = {cell["grade_id"]: cell["source"] for cell in cells}
        if any("# crash" in source for source in answers.values()):
            raise RuntimeError("the judge met what it can't judge")
        if any("# die" in source for source in answers.values()):
            os._exit(9)
        if any("# wait" in source for source in answers.values()):
            time.sleep(600)
        for cell in nb.cells:
            if is_grade(cell) and not is_solution(cell):
                name = cell.metadata.nbgrader.grade_id.removeprefix("test_")
                answer = answers.get(name.replace("test_mode", "forward"), "NotImplementedError")
                right = "NotImplementedError" not in answer and not refused
                most = float(cell.metadata.nbgrader.points)
                result = {"name": "values", "passed": right, "weight": 1, "message": "", "remark": ""}
                parts[name] = {
                    "points": most * right,
                    "max": most,
                    "share": float(right),
                    "results": [result],
                }
                parts[name] |= {"mistakes": [] if right else ["dx < 0 & wrong"], "hint": "Look at the mean."}
                cell.outputs = [
                    nbformat.v4.new_output(
                        "stream", name="stdout", text="right\n" if right else "<b>wrong\n"
                    ),
                    nbformat.v4.new_output("execute_result", {"text/plain": repr(most * right)}),
                ]
        path = course.Course.read(self.folder).record(student)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"student": student, "failure": refused, "notices": notices, "parts": parts}
        path.write_text(json.dumps(record))
        return nb, resources


def make(folder, released=True):
    """A course with the stand-in for the judge."""
    made = course.init(folder, "small", assignment="normalization")
    with (made.folder / "nbgrader_config.py").open("a") as file:
        file.write(CONFIG)
    if released:
        batch.release(made)
    return made


def released_notebook(made):
    return nbformat.read(made.path("release") / made.notebook, as_version=4)


def submission(made, without=(), **answers):
    """A notebook with all answers but some, or with other sources for them."""
    notebook = copy.deepcopy(released_notebook(made))
    sources = {
        name: text for name, text in assignment.solution(made.variant).items() if name not in without
    } | answers
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = sources.get(name, cell.source)
    return notebook


def hand_in(made, student, notebook, name="normalization.ipynb"):
    """Lay a notebook, or bytes, into submitted/, as a teacher does by hand."""
    folder = made.path("submitted", student)
    folder.mkdir(parents=True)
    content = notebook if isinstance(notebook, bytes) else nbformat.writes(notebook).encode()
    (folder / name).write_bytes(content)
    return folder
