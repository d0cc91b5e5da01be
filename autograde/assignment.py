"""The assignment "normalization": from its text source to what nbgrader releases, for any variant.

The source is `source/normalization.py`; its names between double underscores are filled in here, and the
marks of its cells become nbgrader's metadata. Answers stand between `BEGIN SOLUTION` and `END SOLUTION`,
where nbgrader takes them out.
"""

import random
import re
import tomllib
from pathlib import Path

import jupytext
import nbformat

from lab.check.figures import FIGURES, SCALES, SIZES
from lab.check.variant import Variant

NAME = "normalization"
SOURCE = Path(__file__).parent / "source"
POINTS = {
    "batchnorm_forward": 10, "batchnorm_test_mode": 10, "batchnorm_backward": 14, "batchnorm_backward_alt": 8,
    "layernorm_forward": 8, "layernorm_backward": 10, "network": 10, "weight_scale_figures": 4,
    "question_1": 8, "batch_size_figures": 4, "question_2": 6, "question_3": 4, "question_4": 4,
}  # fmt: skip
BY_HAND = ("question_1", "question_2")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MARKS = ("answer", "graded", "locked")  # of a cell of the source
SOLUTION = re.compile(r"^ *### BEGIN SOLUTION\n|^ *### END SOLUTION\n?", re.MULTILINE)


def build(variant: Variant, folder: Path) -> None:
    """Write nbgrader's source assignment, `normalization.ipynb` and `given.py`, to a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.ipynb").write_text(nbformat.writes(notebook(variant)) + "\n", encoding="utf-8")
    (folder / "given.py").write_text(given(variant), encoding="utf-8")


def given(variant: Variant) -> str:
    """The source of `given.py`, with the variant in it."""
    text = (SOURCE / "given.py").read_text("utf-8")
    return re.sub(r"^VARIANT = .*$", f"VARIANT = {variant.to_dict()!r}", text, flags=re.MULTILINE)


def notebook(variant: Variant) -> nbformat.NotebookNode:
    """The source notebook with its solutions. The same variant gives the same notebook."""
    made = jupytext.reads(_text(variant), fmt="py:percent")
    made.metadata = nbformat.from_dict(METADATA)
    for position, cell in enumerate(made.cells):
        marks = {mark: cell.metadata[mark] for mark in MARKS if mark in cell.metadata}
        cell.metadata = nbformat.from_dict({"nbgrader": _nbgrader(cell.cell_type, **marks)} if marks else {})
        cell.id = str(position)
    nbformat.validate(made)
    return made


def solution(variant: Variant) -> dict[str, str]:
    """The sources of the answer cells that score full marks, by grade_id."""
    return {
        cell.metadata.nbgrader.grade_id: SOLUTION.sub("", cell.source)
        for cell in notebook(variant).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }


def key(variant: Variant) -> dict[str, int]:
    """The right answers of the questions with a choice: {"question_3": 1 to 4, …}."""
    return {name: right for name, (_, right) in _questions(variant).items()}


def rubric() -> dict[str, list[tuple[int, str]]]:
    """What the answers in words get their points for: {"question_1": [(points, text), …], …}."""
    read = tomllib.loads((SOURCE / "rubric.toml").read_text("utf-8"))
    return {question: [(item["points"], item["text"]) for item in items] for question, items in read.items()}


# --- inside -----------------------------------------------------------------------------------------


def _nbgrader(cell_type, answer=None, graded=None, locked=None):
    """nbgrader's metadata of a cell with this mark."""
    by_hand = answer in BY_HAND
    name = answer or graded or locked
    metadata = {
        "grade": bool(graded) or by_hand, "grade_id": name, "locked": not answer, "schema_version": 3,
        "solution": bool(answer), "task": False, "cell_type": cell_type,
    }  # fmt: skip
    if metadata["grade"]:
        metadata["points"] = POINTS[name.removeprefix("test_")]
    return metadata


def _text(variant):
    """The py:percent source from its first cell on, with everything filled in."""
    source = (SOURCE / f"{NAME}.py").read_text("utf-8")
    source = source[source.index("# %%") :]
    for name, value in _fillings(variant).items():
        source = source.replace(f"__{name}__", value.replace("\n", "\n# "))  # longer ones stand in Markdown
    return source


def _fillings(variant):
    weighs_running = variant.momentum_weighs == "running"
    keep, add = ("momentum", "(1 - momentum)") if weighs_running else ("(1 - momentum)", "momentum")
    m_keep, m_add = ("m", "(1 - m)") if weighs_running else ("(1 - m)", "m")
    is_biased = variant.running_variance == "biased"
    kept = r"\sigma^2" if is_biased else r"\frac{N}{N - 1}\, \sigma^2"
    weighed = "old running value" if weighs_running else "new minibatch"
    spread = (
        "the biased variance, as it normalizes" if is_biased else "the unbiased variance, divided by N - 1"
    )
    fillings = {
        "EPS": f"{variant.eps!r}",
        "MOMENTUM": f"{variant.momentum:g}",
        "KEEP": keep,
        "ADD": add,
        "KEPT_VAR": "var" if is_biased else "(var * N / (N - 1))",
        "RUNNING_MEAN": rf"\text{{running mean}} \leftarrow {m_keep}\,\text{{running mean}} + {m_add}\,\mu",
        "RUNNING_VAR": rf"\text{{running var}} \leftarrow {m_keep}\,\text{{running var}} + {m_add}\,{kept}",
        "CONVENTION_IN_WORDS": f"the momentum weighs the {weighed}, and the running variance keeps {spread}.",
        "POINTS": _points_table(),
        "SCALES": str(SCALES),
        "SIZES": str(SIZES),
    }
    fillings |= {f"POINTS_{part}": str(points) for part, points in POINTS.items()}
    for question, items in rubric().items():
        fillings[f"RUBRIC_{question}"] = " ".join(text for _, text in items)
    for question, (text, right) in _questions(variant).items():
        fillings |= {f"QUESTION_{question}": text, f"KEY_{question}": str(right)}
    for name, figures in FIGURES.items():
        fillings[f"FIGURES_{name}"] = "\n".join(
            f"- `{key}`: {figure.text}" for key, figure in figures.items()
        )
    return fillings


def _questions(variant):
    """{question: (its text with numbered options, the number of the right one)}."""
    asked = tomllib.loads((SOURCE / "questions.toml").read_text("utf-8"))
    made = {}
    for name, question in asked.items():
        options = question["options"]
        order = random.Random(f"{name} {variant.to_dict()}").sample(range(len(options)), len(options))
        numbered = [f"{number}. {options[place]}" for number, place in enumerate(order, start=1)]
        made[name] = "\n".join([question["text"], "", *numbered]), order.index(0) + 1
    return made


def _points_table():
    rows = [f"| {part} | {points} |" for part, points in POINTS.items()]
    return "\n".join(
        ["| part | points |", "| --- | --- |", *rows, f"| **all** | **{sum(POINTS.values())}** |"]
    )
