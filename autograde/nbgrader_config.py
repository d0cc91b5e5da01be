"""What nbgrader is told, from the course folder's `nbgrader_config.py` and by the commands alike."""

from pathlib import Path

import nbgrader.server_extensions.formgrader as formgrader
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors as stock

from autograde.course import Course, assignments

TEMPLATES = Path(__file__).parent / "templates"
STUB = 'raise NotImplementedError("write your code here")'


def configure(c, folder) -> None:
    """Set in `c` what the course in `folder` needs. ValueError where course.toml is wrong."""
    course = Course.read(folder, *assignments(folder)[:1])  # what follows is the same for all of them
    c.CourseDirectory.root = str(course.folder)
    c.CourseDirectory.course_id = course.name
    c.ClearSolutions.code_stub = {"python": STUB}
    c.ClearSolutions.text_stub = "*Your answer here.*"
    c.IncludeHeaderFooter.header = str(Path("source", "header.ipynb"))
    # Without InstantiateTests, which starts a kernel, and without what hides tests: none are in the notebook.
    c.GenerateAssignment.preprocessors = [
        stock.IncludeHeaderFooter,
        stock.LockCells,
        stock.ClearSolutions,
        stock.ClearOutput,
        stock.CheckCellMetadata,
        stock.ComputeChecksums,
        stock.SaveCells,
    ]
    # Autograde.preprocessors has no effect in nbgrader 0.9; these two lists have.
    c.Autograde.sanitize_preprocessors = ["autograde.intake.canonical.Canonical"]
    c.Autograde.autograde_preprocessors = [
        "autograde.judging.judge.Judge",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
    ]
    c.Autograde.pre_convert_hook = "autograde.intake.submissions.before_grading"
    c.Autograde.post_convert_hook = "autograde.intake.submissions.after_grading"
    c.Canonical.folder = c.Judge.folder = c.ForStudents.folder = str(course.folder)

    c.GenerateFeedback.preprocessors = [
        stock.GetGrades,
        "autograde.feedback.pages.ForStudents",
        CSSHTMLHeaderPreprocessor,
    ]
    # Ours first: a template that is there takes the place of nbgrader's of the same name.
    c.HTMLExporter.extra_template_basedirs = [
        str(TEMPLATES),
        str(Path(formgrader.__file__).parent / "templates"),
    ]
    c.HTMLExporter.filters = {"markdown2html": "autograde.feedback.pages.to_html"}

    c.ExchangeFactory.collect = "autograde.intake.collect.Collect"
    c.ExchangeFactory.release_feedback = "autograde.intake.collect.ReleaseFeedback"
    c.Collect.course_folder = c.ReleaseFeedback.course_folder = str(course.folder)
    c.ExchangeCollect.check_owner = course.check_owner
    if course.exchange is not None:
        c.Exchange.root = str(course.exchange)
