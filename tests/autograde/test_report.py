"""What the class report counts, and that what it offers to show can be shown."""

import ast

import pytest

from autograde.assignments.normalization import assignment
from autograde.feedback import report
from lab.check import MUTANTS


def record(student, failure=None, **parts):
    """A judged record; parts: {name: (results, mistakes)} with results {check: passed}."""
    return {
        "student": student,
        "failure": failure,
        "parts": {
            part: {
                "results": [{"name": name, "passed": passed} for name, passed in results.items()],
                "mistakes": mistakes,
            }
            for part, (results, mistakes) in parts.items()
        },
    }


DX_IS_ZERO = next(each for each in MUTANTS if each.name == "dx: zeros" and each.layer == "batchnorm")
RECORDS = [
    record(
        "ada",
        batchnorm_backward=({"dx": False, "dx again": False}, [DX_IS_ZERO.sentence]),
        batchnorm_backward_alt=({"dx": False}, [DX_IS_ZERO.sentence]),
        network=({"loss": True}, ["what stands below"]),
    ),
    record("ben", batchnorm_backward=({"dx": False}, [DX_IS_ZERO.sentence])),
    record("cleo", batchnorm_backward=({"dx": True, "dx again": False}, ["running_var is forgotten"])),
    record("dan", failure="The file is empty.", batchnorm_backward=({"dx": False}, [])),
]


def test_a_mistake_counts_once_a_student():
    found = report._mistakes(RECORDS, assignment)
    assert [(row["sentence"], row["count"], row["share"]) for row in found] == [
        ("dx is zero", 2, 0.5),
        ("running_var is forgotten", 1, 0.25),
    ]
    assert found[0]["where"][0] == "batch norm, backward through the graph"
    assert found[1]["show"] is None


def test_of_each_part_the_first_check_that_failed():
    assert [(name, count) for _, name, count, _ in report._checks(RECORDS, assignment)] == [
        ("dx", 2),
        ("dx", 1),
        ("dx again", 1),
    ]


@pytest.mark.parametrize(
    "wrong",
    [each for each in MUTANTS if each.layer != "affine"],
    ids=lambda each: f"{each.layer} {each.name}",
)
def test_a_mistake_is_shown_live_in_its_own_layer(wrong):
    """Many sentences are those of a batch norm and of a layer norm."""
    part = f"{wrong.layer}_backward"
    (row,) = report._mistakes([record("ada", **{part: ({"dx": False}, [wrong.sentence])})], assignment)
    assert row["show"] == assignment.show.format(mutant=wrong)


def test_one_sentence_in_two_layers_is_two_mistakes():
    """And one, where it is about neither: an exception's name, say."""
    both = {"batchnorm_backward": ({}, []), "layernorm_backward": ({}, [])}
    for sentence, rows in ((DX_IS_ZERO.sentence, 2), ("a name is used that nothing defines", 1)):
        found = report._mistakes([record("ada", **{part: ({}, [sentence]) for part in both})], assignment)
        assert [row["count"] for row in found] == [1] * rows


@pytest.mark.parametrize("mutant", MUTANTS[::15], ids=lambda each: each.name)
def test_what_shows_a_mistake_live_finds_it(mutant):
    cell = assignment.show.format(mutant=mutant)
    assert ast.parse(cell)
    names = {}
    exec("\n".join(line for line in cell.splitlines() if "Explorer" not in line), names)
    assert names["wrong"] is mutant


def test_totals_fall_into_tenths():
    scores = [{"total": total} for total in (0, 9.99, 10, 99, 100)]
    counts = {f"{least}": count for least, _, count, _ in report._histogram(scores, assignment)}
    assert counts == {"0": 2, "10": 1, "90": 2} | {str(n): 0 for n in range(20, 90, 10)}


def test_an_item_on_which_all_agree_tells_nothing():
    scores = [
        {"student": name, "total": total, "parts": {"question_3": (4.0, 4), "question_4": (points, 4)}}
        for name, total, points in [("a", 90, 4.0), ("b", 50, 0.0), ("c", 70, 4.0)]
    ]
    rows = {row["title"]: row for row in report._items(scores, assignment)}
    assert rows["question 3"]["tells"] is None
    assert rows["question 3"]["mean"] == 1
    assert rows["question 4"]["tells"] > 0.5
    assert (rows["question 4"]["full"], rows["question 4"]["none"]) == (2, 1)
