"""What students and graders read: Markdown with its formulas as MathML, and the feedback of a submission.

The pages load nothing and run nothing. Text that students wrote is stripped of everything but formatting,
so that an answer can't act in the grader's browser.
"""

import functools
import json
import re
from html import escape

import bleach
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from pygments.formatters import HtmlFormatter
from traitlets import Unicode

from autograde.course import Course

TAGS = frozenset(
    "a abbr b blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img input li ol p pre s span "
    "strong sub sup table tbody td th thead tr u ul".split()
)
MARK_SCHEME = "mark-scheme"  # the class that formgrader's style sheet puts beside the answer
ATTRIBUTES = {
    "*": ["align"],  # no class, no id: the pages around have scripts and styles that go by them
    "a": ["href", "title"],
    "img": ["src", "alt", "title", "width", "height"],
    "input": ["type", "checked", "disabled"],
}
MATHML = frozenset(
    "math menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms "
    "mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover".split()
)
MATHML_ATTRIBUTES = (
    "accent columnalign columnlines columnspacing depth display displaystyle fence form height largeop "
    "lspace mathvariant maxsize minsize movablelimits notation rowspacing rspace scriptlevel separator "
    "stretchy symmetric voffset width".split()
)
HOLDER = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands where a formula goes
HELD = f"{HOLDER}\\d+{HOLDER}"
LONGEST_FORMULA = 2000
DARK = "github-dark"  # the colours of code on a dark ground
CAPITAL = re.compile(r"^(?!\w+_|d?(?:x|gamma|beta)\b|d(?:out|w|b)\b)[a-z]")  # of a sentence; names have none
ALIGNED = re.compile(r"\{(aligned|split|gathered)\}")  # all of them align* to the converter
UNSAFE = re.compile(r"\\(href|url|style|class|id|includegraphics|require)\b")


class _Renderer(IPythonRenderer):
    """Puts formulas aside as MathML while the rest is sanitized."""

    def __init__(self):
        super().__init__(escape=False, exclude_anchor_links=True)
        self.formulas: list[str] = []

    def block_math(self, body):
        return self._aside(body, "block")

    def inline_math(self, body):
        return self._aside(body, "inline")

    def latex_environment(self, name, body):
        return self._aside(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def _aside(self, latex, display):
        self.formulas.append(formula(latex, display))
        return f"{HOLDER}{len(self.formulas) - 1}{HOLDER}"


@functools.lru_cache(maxsize=1000)  # most text is the same in every submission
def to_html(source: str) -> str:
    """Markdown with formulas as HTML with MathML, without scripts and anything else that acts or loads."""
    renderer = _Renderer()
    try:
        html = MarkdownWithMath(renderer=renderer).render(source.replace(HOLDER, ""))
    except Exception:  # a missing attachment, nesting without end: the student's text, whatever it is
        return f"<pre>{escape(source)}</pre>"
    clean = bleach.clean(
        html, tags=TAGS, attributes=_is_allowed, protocols={"http", "https", "mailto", "data"}
    )
    # A formula in an attribute, such as an image's description, is left out: markup would end the attribute.
    return re.sub(
        f"<[^>]*>|{HOLDER}(\\d+){HOLDER}",
        lambda match: re.sub(HELD, "", match[0]) if match[1] is None else renderer.formulas[int(match[1])],
        clean,
    )


def formula(latex: str, display: str = "inline") -> str:
    """MathML of a formula; its LaTeX where that can't be had."""
    try:
        if len(latex) > LONGEST_FORMULA or UNSAFE.search(latex):
            raise ValueError
        mathml = convert(ALIGNED.sub("{align*}", latex.strip()), display=display)
    except Exception:  # the converter has many errors for formulas that it doesn't know
        return f"<code>{escape(latex)}</code>"
    # The converter hands on markup in \\text{…} as it is.
    return bleach.clean(mathml, tags=MATHML, attributes=MATHML_ATTRIBUTES, strip=True)


def _is_allowed(tag, name, value) -> bool:
    if name == "src":
        return value.startswith("data:image/")
    if name == "href":
        return value.startswith(("http://", "https://", "mailto:", "#"))
    if name == "class":
        return (tag, value) == ("b", MARK_SCHEME)
    return name in ATTRIBUTES["*"] or name in ATTRIBUTES.get(tag, ())


class ForStudents(NbGraderPreprocessor):
    """Makes of a graded notebook what its student gets: without the mark scheme, with what to do next."""

    folder = Unicode("", help="The course folder.").tag(config=True)

    def preprocess(self, nb, resources):
        where = resources["nbgrader"]
        course = Course.read(self.folder, where["assignment"])
        nb.cells = [cell for cell in nb.cells if cell.metadata.get("course") != "rubric"]
        for cell in nb.cells:
            if cell.cell_type == "code":
                # The score stands in the heading; the bare number under the report says nothing.
                cell.outputs = [output for output in cell.outputs if output.output_type == "stream"]
        with Gradebook(where["db_url"]) as gradebook:
            submission = gradebook.find_submission_notebook(
                where["notebook"], where["assignment"], where["student"]
            )
            pending = {grade.name for grade in submission.grades if grade.needs_manual_grade}
        for cell in nb.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") in pending:
                cell.metadata.nbgrader["pending"] = True
        try:
            record = json.loads(course.record(where["student"]).read_text("utf-8"))
        except (OSError, ValueError):
            record = {"failure": None, "parts": {}}
        where["course"], where["next_steps"] = course.name, next_steps(record)
        where["dark_code"] = HtmlFormatter(style=DARK).get_style_defs(".highlight")
        return nb, resources


def _what_failed(part: str, result: dict) -> str:
    """A check and what it met; the check isn't named where it is the whole part."""
    named = [result["name"]] if result["name"] != part.replace("_", " ") else []
    return ": ".join([*named, result["message"]]) if result["message"] else result["name"]


def with_capital(text: str) -> str:
    """The text with a capital in front, unless a name such as dx stands there."""
    return CAPITAL.sub(lambda first: first[0].upper(), text)


def as_sentence(text: str) -> str:
    """The text with a capital in front and a full stop behind."""
    return with_capital(text if text.endswith((".", "!", "?")) else f"{text}.")


def next_steps(record: dict) -> list[tuple[str, str, str]]:
    """(grade_id, what was found, hint) of each part that lost points, in the notebook's order."""
    if record.get("failure"):
        return []  # said on top of the page, once
    steps = []
    for name, part in record.get("parts", {}).items():
        if part["points"] < part["max"]:
            failed = [_what_failed(name, result) for result in part["results"] if not result["passed"]]
            problems = part.get("problems", [])[:1]  # what kept the cell from loading comes first
            found = " ".join(map(as_sentence, problems or part["mistakes"] or failed[:1]))
            steps.append((f"test_{name}", found, "" if problems else part.get("hint") or ""))
    return steps
