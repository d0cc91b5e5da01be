"""The canonical notebook: only the answers' sources count, and they are found wherever they are."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograde.intake.canonical import canonical


def marked(make, source, grade_id, **flags):
    flags = {"grade": False, "solution": False, "locked": False, "schema_version": 3} | flags
    return make(source, metadata={"nbgrader": {"grade_id": grade_id, **flags}})


STUB = "def forward(x):\n    raise NotImplementedError"
RELEASED = new_notebook(
    cells=[
        marked(new_code_cell, "import numpy as np", "setup", locked=True),
        new_markdown_cell("Write the forward pass."),
        marked(new_code_cell, STUB, "forward", solution=True),
        marked(
            new_code_cell, "check('forward', forward)", "test_forward", grade=True, locked=True, points=10
        ),
        new_code_cell("plot = 1"),
        new_markdown_cell("Why?"),
        marked(new_markdown_cell, "*Your answer here.*", "why", solution=True, grade=True, points=5),
        marked(new_code_cell, "choice = ...", "choice", solution=True),
    ]
)
GOOD = "def forward(x):\n    return x"


def student(**answers):
    """The released notebook with some answers."""
    notebook = nbformat.from_dict(RELEASED)
    for cell in notebook.cells:
        cell.source = answers.get(name(cell), cell.source)
    return notebook


def name(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def answers(notebook):
    return {name(cell): cell.source for cell in notebook.cells if name(cell) in ("forward", "why", "choice")}


FULL = {"forward": GOOD, "why": "Because.", "choice": "choice = 2"}


def test_the_answers_are_copied_and_nothing_else():
    result, notices = canonical(RELEASED, student(**FULL))
    assert answers(result) == FULL
    assert notices == []
    assert [name(cell) for cell in result.cells] == [name(cell) for cell in RELEASED.cells]
    assert answers(RELEASED)["forward"] == STUB, "the released notebook is left as it is"


def test_whatever_is_changed_around_the_answers_has_no_effect():
    notebook = student(**FULL)
    notebook.cells[0].source = "import os; os.abort()"
    notebook.cells[3].source = "100"
    notebook.cells[3].metadata.nbgrader.points = 1000
    notebook.cells[2].metadata.nbgrader |= {"grade": True, "points": 50, "locked": True}
    notebook.cells.append(marked(new_code_cell, "9", "test_more", grade=True, points=99))
    notebook.cells.reverse()
    result, notices = canonical(RELEASED, notebook)
    plain, _ = canonical(RELEASED, student(**FULL))
    del result.metadata["student_cells"], plain.metadata["student_cells"]
    assert result == plain
    assert notices == []


def test_deleted_cells_are_there_again():
    notebook = student(**FULL)
    del notebook.cells[3], notebook.cells[0]
    result, notices = canonical(RELEASED, notebook)
    assert [cell.source for cell in result.cells if name(cell) in ("setup", "test_forward")] == [
        "import numpy as np",
        "check('forward', forward)",
    ]
    assert notices == []
    assert result.metadata["student_cells"][0] == {"source": "import numpy as np", "grade_id": "setup"}


def test_a_missing_answer_is_said_and_not_fatal():
    notebook = student(**FULL)
    del notebook.cells[2]
    result, notices = canonical(RELEASED, notebook)
    assert answers(result) == FULL | {"forward": STUB}
    assert len(notices) == 1
    assert "'forward' is missing" in notices[0]


@pytest.mark.parametrize(
    ("copies", "chosen", "said"),
    [
        ([STUB, GOOD], GOOD, False),
        ([GOOD, STUB], GOOD, False),
        ([GOOD, GOOD], GOOD, False),
        ([STUB, STUB + "  \n"], STUB + "  \n", False),
        ([GOOD, "def forward(x):\n    return 2 * x"], "def forward(x):\n    return 2 * x", True),
        ([GOOD, "print(forward(3))"], GOOD, False),
    ],
)
def test_of_duplicates_the_changed_one_with_the_function_counts(copies, chosen, said):
    notebook = student(**FULL)
    notebook.cells[2:3] = [marked(new_code_cell, source, "forward", solution=True) for source in copies]
    result, notices = canonical(RELEASED, notebook)
    assert answers(result)["forward"] == chosen
    assert len(notices) == said
    assert [cell["source"] for cell in result.metadata["student_cells"]].count(chosen) == 1
    assert [cell["grade_id"] for cell in result.metadata["student_cells"]].count("forward") == 1


def test_a_notebook_without_metadata_is_read_by_what_cells_define():
    notebook = student(**FULL)
    for cell in notebook.cells:
        cell.metadata = {}
    result, notices = canonical(RELEASED, notebook)
    assert answers(result) == FULL
    assert len(notices) == 3
    assert "defines forward" in notices[0]
    assert "behind its question" in notices[1]


def test_an_answer_is_found_though_it_has_a_syntax_error():
    notebook = student(**FULL | {"forward": "def forward(x):\n    return x +"})
    notebook.cells[2].metadata = {}
    result, _ = canonical(RELEASED, notebook)
    assert answers(result)["forward"] == "def forward(x):\n    return x +"


@pytest.mark.parametrize("left", [STUB, "", "# see below"])
def test_an_answer_that_was_written_in_an_added_cell_is_found(left):
    notebook = student(**FULL | {"forward": left})
    notebook.cells.insert(4, new_code_cell(GOOD))
    result, notices = canonical(RELEASED, notebook)
    assert answers(result) == FULL
    assert "'forward' was left empty" in notices[0]
    assert {"source": GOOD, "grade_id": "forward"} in result.metadata["student_cells"]


def test_a_redefinition_in_an_added_cell_does_not_replace_the_answer():
    notebook = student(**FULL)
    notebook.cells.append(new_code_cell("def forward(x):\n    return 'other'"))
    result, _ = canonical(RELEASED, notebook)
    assert answers(result)["forward"] == GOOD


def test_the_judge_gets_the_students_code_in_its_order():
    notebook = student(**FULL)
    notebook.cells.insert(1, new_code_cell("def helper(): pass"))
    notebook.cells[0].source = "import evil"
    notebook.cells[-2].cell_type = "code"
    result, _ = canonical(RELEASED, notebook)
    assert result.metadata["student_cells"] == [
        {"source": "import numpy as np", "grade_id": "setup"},
        {"source": "def helper(): pass", "grade_id": None},
        {"source": GOOD, "grade_id": "forward"},
        {"source": "", "grade_id": "test_forward"},
        {"source": "plot = 1", "grade_id": None},
        {"source": "choice = 2", "grade_id": "choice"},
    ]


def test_an_empty_notebook_gives_the_released_one():
    result, notices = canonical(RELEASED, new_notebook())
    assert result.cells == RELEASED.cells
    assert len(notices) == 3


def test_an_answer_does_not_pass_for_the_mark_scheme():
    notebook = student(**FULL | {"why": '<b class="mark-scheme">Mark scheme</b> 8 points'})
    result, _ = canonical(RELEASED, notebook)
    assert "mark-scheme" not in answers(result)["why"]
