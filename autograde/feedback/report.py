"""The class report: what the teacher brings to the next lecture, and beside it what only the staff may see.

Both are single HTML files that load nothing. The first has no names.
"""

import json
import statistics
from collections import Counter
from datetime import date

import jinja2
import nbformat
from nbgrader.api import Gradebook

from autograde.assignments import find
from autograde.course import Course, write_whole
from autograde.feedback.pages import with_capital
from autograde.feedback.similarity import pairs
from lab.check import Mutant

MOST_MISTAKES = 8  # for one lecture
MOST_PAIRS = 40
BINS = 10


def write(course: Course):
    """Write the report of what has been graded; its path. ValueError where nothing has been.

    report/ASSIGNMENT.html is for the class, report/ASSIGNMENT-staff.html for the staff.
    """
    files = sorted((course.folder / "judged").glob(f"*/{course.assignment}.json"))
    records = [json.loads(file.read_text("utf-8")) for file in files]
    if not records:
        raise ValueError("Nothing has been graded yet; grade first: lab course grade")
    assignment, scores = find(course.assignment), _scores(course)
    failures = {record["student"] for record in records if record["failure"]}
    gradable = [score for score in scores if score["student"] not in failures]
    facts = {
        "course": course.name, "today": date.today().isoformat(), "count": len(records),
        "failures": [record for record in records if record["failure"]],
        "most": sum(assignment.points.values()),
        "histogram": _histogram(scores, assignment), "items": _items(gradable, assignment),
        "mistakes": _mistakes(records, assignment), "checks": _checks(records, assignment),
        "waiting": sum(score["waits"] for score in scores),
        "mean": statistics.fmean(totals) if (totals := [s["total"] for s in scores]) else None,
        "median": statistics.median(totals) if totals else None,
    }  # fmt: skip
    found = pairs(_sources(course))
    staff = {
        "pairs": found[:MOST_PAIRS], "more": max(len(found) - MOST_PAIRS, 0), "records": records,
        "totals": {score["student"]: score["total"] for score in scores},
    }  # fmt: skip
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("autograde"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html.j2")
    folder = course.folder / "report"
    folder.mkdir(exist_ok=True)
    write_whole(folder / f"{course.assignment}-staff.html", page.render(**facts, staff=staff))
    write_whole(folder / f"{course.assignment}.html", page.render(**facts, staff=None))
    course.note("report", words=f"{len(records)} students")
    return folder / f"{course.assignment}.html"


def _scores(course):
    """[{"student", "total", "waits", "parts": {part: (score, most)}}] of the gradebook."""
    scores = []
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", course.name) as book:
        for submission in book.assignment_submissions(course.assignment):
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            scores.append(
                {
                    "student": submission.student_id, "total": submission.score,
                    "waits": sum(bool(grade.needs_manual_grade) for grade in grades),
                    "parts": {
                        grade.name.removeprefix("test_"): (grade.score, grade.max_score)
                        for grade in grades
                        if not grade.needs_manual_grade
                    },
                }
            )  # fmt: skip
    return scores


def _histogram(scores, assignment):
    """[(from, to, count, share of the tallest)] of the totals, in tenths of the points."""
    most = sum(assignment.points.values())
    counts = Counter(min(int(score["total"] / most * BINS), BINS - 1) for score in scores)
    tallest = max(counts.values(), default=1)
    return [(most * i // BINS, most * (i + 1) // BINS, counts[i], counts[i] / tallest) for i in range(BINS)]


def _items(scores, assignment):
    """One row a part: its title, points, mean share, how many got all and none, and its correlation with the
    points of the other parts, None where nothing varies."""
    rows = []
    for part, most in assignment.points.items():
        got = [(score["parts"][part][0], score["total"]) for score in scores if part in score["parts"]]
        if not got or (part in assignment.by_hand and len(got) < len(scores)):
            continue  # not graded yet
        points, rest = [p for p, _ in got], [total - p for p, total in got]
        varies = len(set(points)) > 1 and len(set(rest)) > 1
        rows.append(
            {
                "title": assignment.titles.get(part, part),
                "most": most, "mean": statistics.fmean(points) / most,
                "full": sum(p >= most for p in points), "none": sum(p <= 0 for p in points),
                "tells": statistics.correlation(points, rest) if varies else None,
            }
        )  # fmt: skip
    return rows


def _mistakes(records, assignment):
    """The mistakes that were recognized, the most frequent first: sentence, count, share of the class, where,
    and a cell that shows it live, for those of the zoo. A sentence may be a mutant's of either layer."""
    checked = assignment.checked
    zoo = {(mutant.layer, mutant.sentence): mutant for mutant in checked.mutants}
    counts: Counter = Counter()
    places: dict[Mutant | str, Counter] = {}
    for record in records:
        seen = {
            (zoo.get((checked.parts[part].layer, sentence), sentence), part)
            for part, found in record["parts"].items()
            for sentence in found["mistakes"]
            if not checked.parts[part].is_class  # what is wrong there is most often a layer, counted already
        }
        counts.update({mistake for mistake, _ in seen})
        for mistake, part in seen:
            places.setdefault(mistake, Counter())[part] += 1
    rows = []
    for mistake, count in counts.most_common(MOST_MISTAKES):
        mutant = mistake if isinstance(mistake, Mutant) else None
        rows.append(
            {
                "sentence": with_capital(mutant.sentence if mutant else mistake),
                "count": count, "share": count / len(records),
                "where": [assignment.titles.get(part, part) for part, _ in places[mistake].most_common(2)],
                "show": mutant and assignment.show.format(mutant=mutant),
            }
        )  # fmt: skip
    return rows


def _checks(records, assignment):
    """Where parts begin to go wrong: (part, its first check that failed, count, share of the submissions)."""
    first = Counter(
        (part, failed[0]["name"])
        for record in records
        if not record["failure"]
        for part, found in record["parts"].items()
        if (failed := [result for result in found["results"] if not result["passed"]])
    )
    return [
        (assignment.titles.get(part, part), name, count, count / len(records))
        for (part, name), count in first.most_common(MOST_MISTAKES)
    ]


def _sources(course):
    """{student: the sources of the code cells that are the student's own}."""
    released = nbformat.read(course.path("release") / course.notebook, as_version=4)
    handed_out = {cell.source.strip() for cell in released.cells}
    sources = {}
    for student in course.students("submitted"):
        path = course.path("submitted", student) / course.notebook
        if path.exists():
            nb = nbformat.read(path, as_version=4)
            cells = [cell.source for cell in nb.cells if cell.cell_type == "code"]
            sources[student] = [cell for cell in cells if cell.strip() not in handed_out]
    return sources
