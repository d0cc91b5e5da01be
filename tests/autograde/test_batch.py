"""From release to exported grades, with a stand-in for the judge; kills, crashes and locks on the way."""

import contextlib
import csv
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook

from autograde import course as course_module
from autograde.assignments.normalization import assignment
from autograde.course import Course
from autograde.intake.submissions import is_graded
from autograde.judging import batch
from tests.autograde.small import hand_in, make, released_notebook, submission

QUICK = {"progress": False, "jail": False, "workers": 1}
CRASH = "def batchnorm_forward(): pass  # crash"


@pytest.fixture
def course(tmp_path_factory, template):
    """A released course of its own, copied."""
    folder = tmp_path_factory.mktemp("batch") / "course"
    shutil.copytree(template.folder, folder)
    return Course.read(folder)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make(tmp_path_factory.mktemp("template") / "course")


def points(course, student):
    """{part: score} from nbgrader's own gradebook."""
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
        submission = gradebook.find_submission("normalization", student)
        return {grade.name: grade.score for each in submission.notebooks for grade in each.grades}


def grade_by_hand(course, student, **scores):
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
        for name, score in scores.items():
            grade = gradebook.find_grade(name, "normalization", "normalization", student)
            grade.manual_score, grade.needs_manual_grade = score, False
        gradebook.db.commit()


def test_the_release_holds_no_solution_and_no_key(template):
    text = (template.path("release") / template.notebook).read_text()
    assert "SOLUTION" not in text
    assert 'raise NotImplementedError(\\"write your code here\\")' in text
    cells = [cell for cell in released_notebook(template).cells if "nbgrader" in cell.metadata]
    assert sum(cell.metadata.nbgrader.get("points", 0) for cell in cells) == 100
    assert (template.path("release") / "given.py").exists()
    assert "small" in released_notebook(template).cells[0].source, "the header"


def test_a_whole_course(course):
    hand_in(course, "anna", submission(course))
    hand_in(course, "bob", submission(course, without=["batchnorm_backward", "question_1"]), "hw.ipynb")
    hand_in(course, "carol", b"\x00 not a notebook")
    summary = batch.grade(course, **QUICK)
    assert sorted(summary.graded) == ["anna", "bob", "carol"]
    assert summary.failed == {}
    assert list(summary.refused) == ["carol"]
    assert summary.by_hand == 2
    assert "3 graded." in str(summary)
    assert "2 need grading by hand" in str(summary)

    assert points(course, "anna")["test_batchnorm_backward"] == 14
    assert points(course, "bob")["test_batchnorm_backward"] == 0
    assert set(points(course, "carol").values()) == {0}

    grade_by_hand(course, "anna", question_1=7, question_2=6)
    count, left_out, _ = batch.feedback(course)
    assert (count, left_out) == (2, ["bob"])
    pages = {name: course.path("feedback", name) / "normalization.html" for name in ("anna", "bob", "carol")}
    anna, carol = pages["anna"].read_text(), pages["carol"].read_text()
    assert not pages["bob"].exists()
    assert "99 of 100 points" in anna
    assert "Mark scheme" not in anna
    assert "Mark scheme" in (course.path("autograded", "anna") / "normalization.ipynb").read_text()
    assert "What to do next" not in anna
    assert "0 of 100 points" in carol
    assert "could not be graded" in carol
    assert "Hand in the notebook again" in carol
    for page in (anna, carol):
        assert "<script" not in page
        assert "default-src 'none'" in page
        assert "<math" in page

    assert batch.feedback(course, include_ungraded=True)[:2] == (3, [])
    bob = pages["bob"].read_text()
    assert "not graded yet" in bob
    assert "dx &lt; 0 &amp; wrong. Look at the mean." in bob
    assert "&lt;b&gt;wrong" in bob
    assert "was named" in bob

    grade_by_hand(course, "carol", question_1=0.1, question_2=0.2)
    assert batch.export(course, course.folder / "grades.csv") == 3
    rows = {row["student"]: row for row in csv.DictReader((course.folder / "grades.csv").open())}
    assert float(rows["anna"]["score"]) == 99
    assert float(rows["anna"]["question_1"]) == 7
    assert rows["bob"]["needs_grading"] == "True"
    assert rows["carol"]["score"] == "0.3"  # not 0.30000000000000004
    events = [line.split()[1] for line in (course.folder / "audit.log").read_text().splitlines()]
    assert {
        "init",
        "release",
        "taken-in",
        "refused",
        "batch",
        "graded",
        "batch-end",
        "feedback",
        "export",
    } <= {*events}


def test_what_is_graded_is_not_graded_again(course):
    hand_in(course, "anna", submission(course))
    assert batch.grade(course, **QUICK).graded == ["anna"]
    again = batch.grade(course, **QUICK)
    assert (again.graded, again.done_before) == ([], 1)
    assert batch.grade(course, force=True, **QUICK).graded == ["anna"]


def test_a_new_submission_is_graded_and_manual_points_are_looked_at_again(course):
    folder = hand_in(course, "anna", submission(course, without=["batchnorm_forward"]))
    batch.grade(course, **QUICK)
    grade_by_hand(course, "anna", question_1=5, question_2=3)
    assert batch.ungraded(course) == []
    (folder / "normalization.ipynb").write_text(nbformat.writes(submission(course)))
    assert batch.grade(course, **QUICK).graded == ["anna"]
    assert points(course, "anna")["test_batchnorm_forward"] == 10
    assert points(course, "anna")["question_1"] == 5
    assert batch.ungraded(course) == ["anna"]


@pytest.mark.long
def test_one_that_fails_stops_no_other_and_comes_again(course):
    for name, answer in (("anna", {}), ("bob", {"batchnorm_forward": CRASH}), ("carol", {})):
        hand_in(course, name, submission(course, **answer))
    summary = batch.grade(course, **QUICK)
    assert sorted(summary.graded) == ["anna", "carol"]
    assert summary.failed == {"bob": "RuntimeError: the judge met what it can't judge"}
    assert "1 could not be graded" in str(summary)
    assert not is_graded(course, "bob")
    assert "can't judge" in course.record("bob").read_text()
    assert "failed bob" in (course.folder / "audit.log").read_text()
    assert list(batch.grade(course, **QUICK).failed) == ["bob"]
    assert batch.feedback(course, include_ungraded=True)[0] == 2


@pytest.mark.long
def test_a_batch_that_was_killed_goes_on(course, monkeypatch):
    for name in ("anna", "bob", "carol"):
        hand_in(course, name, submission(course))
    real = batch._grade

    def killed(student):
        if student == "bob":
            # Killed between nbgrader's two halves: the folder is there, the points are not.
            course.path("autograded", student).mkdir(parents=True)
            (course.path("autograded", student) / "normalization.ipynb").write_text("{}")
            raise KeyboardInterrupt
        return real(student)

    monkeypatch.setattr(batch, "_grade", killed)
    summary = batch.grade(course, **QUICK)
    assert summary.graded == ["anna"]
    assert "goes on with the rest" in str(summary)
    monkeypatch.undo()
    summary = batch.grade(course, **QUICK)
    assert (summary.graded, summary.done_before) == (["bob", "carol"], 1)
    assert points(course, "bob")["test_network"] == 10


posix = pytest.mark.skipif(sys.platform == "win32", reason="machine: POSIX processes")


@posix
@pytest.mark.long
def test_two_processes_and_one_that_dies(course):
    for name in ("anna", "bob", "carol", "dora"):
        answer = {"batchnorm_forward": "def batchnorm_forward(): pass  # die"} if name == "bob" else {}
        hand_in(course, name, submission(course, **answer))
    summary = batch.grade(course, **QUICK | {"workers": 2})
    assert sorted(summary.graded) == ["anna", "carol", "dora"]
    assert "died" in summary.failed["bob"]
    events = [line.split()[1:3] for line in (course.folder / "audit.log").read_text().splitlines()]
    assert sorted(event for event in events if event[0] == "graded") == [
        ["graded", name] for name in ("anna", "carol", "dora")
    ], "nobody is graded twice"


@contextlib.contextmanager
def grading(course, workers):
    """`lab course grade` in a process of its own, and the processes that it has made, at work."""
    for name in ("anna", "bob"):
        hand_in(course, name, submission(course, batchnorm_forward="def batchnorm_forward(): pass  # wait"))
    command = [sys.executable, "-c", "from lab.cli import main; main()", "course", "grade", "--no-jail"]
    command += ["--course", str(course.folder), "--workers", f"{workers}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while len(list(course.folder.glob("judged/*/*.running"))) < workers:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.02)
            yield process, psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()


@posix
@pytest.mark.long
def test_processes_that_grade_end_with_one_that_is_killed(course):
    with grading(course, workers=2) as (process, children):
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=60)
    assert len(children) >= 2
    assert alive == []


@posix
@pytest.mark.long
def test_a_batch_that_is_asked_to_end_says_what_is_kept(course):
    with grading(course, workers=1) as (process, _):
        process.terminate()
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Interrupted: what is graded is kept, `lab course grade` goes on with the rest." in said
    assert "Traceback" not in errors


@pytest.mark.long
def test_the_real_judge_gives_the_solution_all_points_that_need_no_grader(tmp_path):
    from autograde.jail.bubblewrap import trouble

    real = course_module.init(tmp_path / "real", assignment="normalization")
    batch.release(real)
    hand_in(real, "anna", submission(real))
    hand_in(real, "bob", submission(real, without=["batchnorm_backward_alt"]))
    hand_in(real, "carol", b"nothing")
    summary = batch.grade(real, **QUICK | {"jail": trouble() is None})
    assert sorted(summary.graded) == ["anna", "bob", "carol"], str(summary)
    given = points(real, "anna")
    assert {name: score for name, score in given.items() if name.startswith("test_")} == {
        f"test_{name}": most for name, most in assignment.points.items() if name not in assignment.by_hand
    }
    assert points(real, "bob")["test_batchnorm_backward_alt"] == 0
    assert sum(points(real, "carol").values()) == 0
    assert batch.feedback(real, include_ungraded=True)[0] == 3
    page = (real.path("feedback", "bob") / "normalization.html").read_text()
    assert "batchnorm_backward_alt is not written yet" in page


@posix
def test_a_full_disk_ends_the_batch_in_a_sentence(course, caplog):
    """The system's limit on the size of files stands for the end of the disk."""
    import resource

    for name in ("anna", "bob", "carol"):
        hand_in(course, name, submission(course))
    assert batch.grade(course, ["anna"], **QUICK).graded == ["anna"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # notebooks fit, the gradebook doesn't
    try:
        with pytest.raises(
            batch.Failed, match=r"can't be written: .*; 0 graded, and `lab course grade` goes"
        ):
            batch.grade(course, **QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caplog.text == ""
    assert not course.record("carol").exists(), "and the others aren't tried"
    summary = batch.grade(course, **QUICK)
    assert (summary.graded, summary.done_before) == (["bob", "carol"], 1)


def test_only_the_students_named(course):
    for name in ("anna", "bob"):
        hand_in(course, name, submission(course))
    assert batch.grade(course, ["bob"], **QUICK).graded == ["bob"]
    with pytest.raises(batch.Failed, match="Nothing was handed in by zoe"):
        batch.grade(course, ["zoe"], **QUICK)


def test_a_second_batch_waits_outside(course):
    with batch._alone(course), ProcessPoolExecutor(1) as pool:
        assert "Another `lab course grade`" in pool.submit(_blocked, course).result()


def _blocked(course):
    try:
        batch.grade(course, **QUICK)
    except batch.Failed as reason:
        return str(reason)


def test_without_a_jail_grading_refuses_to_start(course, monkeypatch):
    import autograde.jail.bubblewrap

    monkeypatch.setattr(autograde.jail.bubblewrap, "trouble", lambda: "bubblewrap isn't here.")
    hand_in(course, "anna", submission(course))
    with pytest.raises(
        batch.Failed, match=r"bubblewrap isn't here\. To grade without the jail, add --no-jail"
    ):
        batch.grade(course, **QUICK | {"jail": True})
    assert batch.grade(course, **QUICK).graded == ["anna"]


def test_another_variant_needs_a_release_and_then_is_in_the_notebook(course):
    text = (course.folder / "course.toml").read_text()
    (course.folder / "course.toml").write_text(text.replace("eps = 1e-05", "eps = 0.002"))
    changed = Course.read(course.folder)
    with pytest.raises(batch.Failed, match=r"variant in course\.toml has changed"):
        batch.grade(changed, **QUICK)
    batch.release(changed)
    assert "0.002" in (changed.path("release") / "given.py").read_text()
    hand_in(changed, "anna", submission(changed))
    (course.folder / "course.toml").write_text(text)
    with pytest.raises(batch.Failed, match="work for the old one was handed in"):
        batch.release(course)


def test_a_release_keeps_what_the_teacher_changed_in_the_source(course):
    source = course.path("source") / course.notebook
    source.chmod(0o644)
    source.write_text(source.read_text().replace("Normalization", "Normalisation", 1))
    batch.release(course)
    assert "Normalisation" in (course.path("release") / course.notebook).read_text()


@pytest.mark.parametrize(
    "step", [batch.feedback, lambda course: batch.export(course, course.folder / "a.csv")]
)
def test_too_early_is_one_sentence(tmp_path, step):
    with pytest.raises(batch.Failed, match=r"Nothing has been released yet; run: lab course release"):
        step(make(tmp_path / "course", released=False))


def test_nbgraders_own_button_grades_the_same(course):
    """As the formgrader does: nbgrader's API with the configuration that lies in the folder."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    hand_in(course, "anna", b"\xef\xbb\xbf" + nbformat.writes(submission(course)).encode(), "mine.ipynb")
    config = batch.NbGrader(course).config
    where = os.getcwd()
    result = NbGraderAPI(CourseDirectory(config=config), config=config).autograde("normalization", "anna")
    assert os.getcwd() == where
    assert result["success"], result
    assert points(course, "anna")["test_batchnorm_forward"] == 10
    assert is_graded(course, "anna")
    assert batch.grade(course, **QUICK).done_before == 1


@pytest.mark.long
def test_a_dask_cluster_grades_too(course):
    """Its workers see the course folder; a scheduler that isn't there is said in a sentence."""
    from distributed import LocalCluster

    for student in ("anna", "bob", "carol"):
        hand_in(course, student, submission(course))
    with LocalCluster(
        n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address=":0", silence_logs=50
    ) as cluster:
        summary = batch.grade(course, **QUICK, scheduler=cluster.scheduler_address)
    assert sorted(summary.graded) == ["anna", "bob", "carol"]
    assert summary.failed == {}
    assert points(course, "carol")["test_batchnorm_backward"] == 14
    hand_in(course, "dora", submission(course))
    with pytest.raises(RuntimeError, match="no Dask scheduler answers at 'nowhere'"):
        batch.grade(course, **QUICK, scheduler="nowhere")
    assert not is_graded(course, "dora")
