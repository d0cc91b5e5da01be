"""An assignment of the course: from the text in its folder to what nbgrader releases, for any variant.

The text is `notebook.py`; its names between double underscores are filled in here, and the marks of its cells
become nbgrader's metadata. Answers stand between `BEGIN SOLUTION` and `END SOLUTION`, where nbgrader takes
them out.
"""

import random
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import jupytext
import nbformat

from lab.check import assignment as checks
from lab.check.assignments import find
from lab.check.variant import Variant

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MARKS = ("answer", "graded", "locked")  # of a cell of the source
SOLUTION = re.compile(r"^ *### BEGIN SOLUTION\n|^ *### END SOLUTION\n?", re.MULTILINE)


def _nothing(variant: Variant) -> dict[str, str]:
    return {}


@dataclass(frozen=True, eq=False)
class Assignment:
    """What the course reads of an assignment.

    folder: where `notebook.py`, the text with its solutions, and `given.py` lie; `questions.toml`, the
    choices, and `rubric.toml`, the mark scheme of the answers in words, if there are such.
    points: {part: points}, in the order of the notebook.
    titles: {part: what the class report calls it}; by default its name.
    answer_of: {part: the answer cell that it is about}, where the names differ.
    fillings: function of the variant that returns {name: text} of what else is filled in.
    judge_figures: function of (part, what was stated, variant, folder of what is kept) that returns
    (what, whether it counts, a sentence) for each figure.
    show: a cell that shows a known mistake live, with {mutant.layer} and {mutant.name} in it.
    """

    folder: Path
    points: dict[str, int]
    titles: dict[str, str] = field(default_factory=dict)
    answer_of: dict[str, str] = field(default_factory=dict)
    fillings: Callable[[Variant], dict[str, str]] = _nothing
    judge_figures: Callable[..., list[tuple[str, bool, str]]] | None = None
    show: str = ""

    @property
    def name(self) -> str:
        """That of the folder, and of all that nbgrader and the course name after the assignment."""
        return self.folder.name

    @property
    def checked(self) -> checks.Assignment:
        """What is checked of it."""
        return find(self.name)

    @property
    def by_hand(self) -> tuple[str, ...]:
        """The parts that are answers in words."""
        return tuple(self.rubric)

    @cached_property
    def rubric(self) -> dict[str, list[tuple[int, str]]]:
        """What the answers in words get their points for: {"question_1": [(points, text), …], …}."""
        return {
            question: [(item["points"], item["text"]) for item in items]
            for question, items in self._table("rubric.toml").items()
        }

    def build(self, variant: Variant, folder: Path) -> None:
        """Write nbgrader's source assignment, the notebook and `given.py`, to a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = nbformat.writes(self.notebook(variant))
        (folder / f"{self.name}.ipynb").write_text(text + "\n", encoding="utf-8")
        (folder / "given.py").write_text(self.given(variant), encoding="utf-8")

    def given(self, variant: Variant) -> str:
        """The source of `given.py`, with the variant in it."""
        text = (self.folder / "given.py").read_text("utf-8")
        return re.sub(r"^VARIANT = .*$", f"VARIANT = {variant.to_dict()!r}", text, flags=re.MULTILINE)

    def notebook(self, variant: Variant) -> nbformat.NotebookNode:
        """The source notebook with its solutions. The same variant gives the same notebook."""
        made = jupytext.reads(self._text(variant), fmt="py:percent")
        made.metadata = nbformat.from_dict(METADATA)
        for position, cell in enumerate(made.cells):
            marks = {mark: cell.metadata[mark] for mark in MARKS if mark in cell.metadata}
            metadata = {"nbgrader": self._nbgrader(cell.cell_type, **marks)} if marks else {}
            cell.metadata = nbformat.from_dict(metadata)
            cell.id = str(position)
        nbformat.validate(made)
        return made

    def solution(self, variant: Variant) -> dict[str, str]:
        """The sources of the answer cells that score full marks, by grade_id."""
        return {
            cell.metadata.nbgrader.grade_id: SOLUTION.sub("", cell.source)
            for cell in self.notebook(variant).cells
            if cell.metadata.get("nbgrader", {}).get("solution")
        }

    def key(self, variant: Variant) -> dict[str, int]:
        """The right answers of the questions with a choice: {"question_3": 1 to 4, …}."""
        return {name: right for name, (_, right) in self._questions(variant).items()}

    # --- inside -------------------------------------------------------------------------------------

    def _table(self, file):
        path = self.folder / file
        return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}

    def _nbgrader(self, cell_type, answer=None, graded=None, locked=None):
        """nbgrader's metadata of a cell with this mark."""
        by_hand = answer in self.by_hand
        name = answer or graded or locked
        metadata = {
            "grade": bool(graded) or by_hand, "grade_id": name, "locked": not answer, "schema_version": 3,
            "solution": bool(answer), "task": False, "cell_type": cell_type,
        }  # fmt: skip
        if metadata["grade"]:
            metadata["points"] = self.points[name.removeprefix("test_")]
        return metadata

    def _text(self, variant):
        """The py:percent source from its first cell on, with everything filled in."""
        source = (self.folder / "notebook.py").read_text("utf-8")
        source = source[source.index("# %%") :]
        for name, value in self._filled(variant).items():
            source = source.replace(
                f"__{name}__", value.replace("\n", "\n# ")
            )  # longer ones stand in Markdown
        return source

    def _filled(self, variant):
        filled = self.fillings(variant) | {"POINTS": self._points_table()}
        filled |= {f"POINTS_{part}": str(points) for part, points in self.points.items()}
        for question, items in self.rubric.items():
            filled[f"RUBRIC_{question}"] = " ".join(text for _, text in items)
        for question, (text, right) in self._questions(variant).items():
            filled |= {f"QUESTION_{question}": text, f"KEY_{question}": str(right)}
        for name, figures in self.checked.figures.items():
            filled[f"FIGURES_{name}"] = "\n".join(
                f"- `{key}`: {figure.text}" for key, figure in figures.items()
            )
        return filled

    def _questions(self, variant):
        """{question: (its text with numbered options, the number of the right one)}."""
        made = {}
        for name, question in self._table("questions.toml").items():
            options = question["options"]
            order = random.Random(f"{name} {variant.to_dict()}").sample(range(len(options)), len(options))
            numbered = [f"{number}. {options[place]}" for number, place in enumerate(order, start=1)]
            made[name] = "\n".join([question["text"], "", *numbered]), order.index(0) + 1
        return made

    def _points_table(self):
        rows = [f"| {part} | {points} |" for part, points in self.points.items()]
        return "\n".join(
            ["| part | points |", "| --- | --- |", *rows, f"| **all** | **{sum(self.points.values())}** |"]
        )
