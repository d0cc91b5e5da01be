"""The course in JupyterLab as student and teacher see it, with nbgrader's own extensions."""

import json

import pytest

from autograde import course as courses
from autograde.assignments.normalization import assignment
from autograde.jail import bubblewrap
from autograde.judging import batch
from lab.check import Variant
from tests.browser.jupyter import COLOURS, SCREEN, Lab, Server, focus
from tests.browser.test_layout import LEAST_CONTRAST

pytestmark = pytest.mark.browser

RIGHT = assignment.solution(Variant())
WRONG = {  # in the first check of the course, and in the work that is handed in
    "batchnorm_forward": RIGHT["batchnorm_forward"].replace("np.sqrt(var + eps)", "np.sqrt(var)"),
    "layernorm_backward": RIGHT["layernorm_backward"].replace("dout.sum(axis=0)", "dout.mean(axis=0)", 1),
}
ANSWERS = {
    "question_1": "It cancels: $\\mathrm{BN}(a W x) = \\mathrm{BN}(W x)$, and the gradient shrinks,\n\n"
    "$$\\frac{\\partial L}{\\partial (aW)} = \\frac{1}{a} \\frac{\\partial L}{\\partial W}.$$",
    "question_2": "The noise of the mean goes as $1/\\sqrt{N}$.",
}
MISTAKE = "dbeta is a mean over the batch, not a sum"
POINTS = {"question_1": 6, "question_2": 5}  # given by hand
COMMENT = "And where does the argument end?"
# What Chromium says at each key and move of the mouse in a page that JupyterLab shows without trusting it.
SANDBOXED = "Blocked script execution in 'blob:"
# JavaScript: the cell of a notebook that has this name, with its number.
CELL = """
    const panel = window.jupyterapp.shell.currentWidget;
    const find = name => panel.content.widgets.findIndex(
        cell => cell.model.getMetadata("nbgrader")?.grade_id === name);
"""
# Every piece of text of a page, with its contrast with the ground.
CONTRASTS = (
    "body => {"
    + COLOURS
    + """
    const found = [], walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const {data, parentElement} = walker.currentNode;
        if (!data.trim() || !parentElement.checkVisibility() || parentElement.matches("style")) continue;
        const [dark, light] = [luminance(getComputedStyle(parentElement).color),
            luminance(ground(parentElement))].sort((a, b) => a - b);
        found.push([data.trim(), (light + 0.05) / (dark + 0.05)]);
    }
    return found;
}"""
)
# What stands behind the cell of a field, and where the two are.
BESIDE = """field => {
    const cell = field.closest(".text_cell"), next = cell.nextElementSibling;
    return [next.innerText.trim(), cell.getBoundingClientRect(), next.getBoundingClientRect()];
}"""


@pytest.fixture
def course(tmp_path_factory):
    """A released course, with an exchange beside it."""
    if reason := bubblewrap.trouble():
        pytest.skip(f"machine: {reason}")
    folder = tmp_path_factory.mktemp("course") / "nn101"
    courses.init(folder, assignment="normalization")
    (folder.parent / "exchange").mkdir()
    settings = folder / "course.toml"
    settings.write_text(f"{settings.read_text()}root = '../exchange'\n")
    course = courses.Course.read(folder)
    assert batch.release(course).startswith("Released on the exchange as nn101/normalization")
    return course


@pytest.fixture
def screen(browser, course, tmp_path):
    """JupyterLab, started in the teacher's folder; what students fetch lands beside that."""
    (tmp_path / "config").mkdir()
    student = course.folder.parent / "student"
    student.mkdir()
    (tmp_path / "config" / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.Exchange.root = {str(course.exchange)!r}\n"
        f"c.Exchange.assignment_dir = {str(student)!r}\n"
    )
    server = Server(tmp_path, course.folder.parent, course.folder)
    try:
        server.wait_until_up()
        screen = Lab(browser.new_page(viewport=SCREEN), server)
        screen.open()
        yield screen
        screen.close()
        assert [said for said in screen.complaints if not said.startswith(SANDBOXED)] == []
    finally:
        server.stop()


def choose(screen, entry):
    """An entry of nbgrader's menu."""
    screen.page.get_by_role("menuitem", name="Nbgrader").click()
    screen.page.get_by_role("menuitem", name=entry, exact=True).click()


def write(screen, answers):
    """Write answers into the cells of the open notebook."""
    screen.page.evaluate(
        f"""answers => {{ {CELL}
            for (const [name, source] of Object.entries(answers))
                panel.content.widgets[find(name)].model.sharedModel.setSource(source);
        }}""",
        answers,
    )


def run(screen, *names):
    """Run cells of the open notebook; the words under the last one."""
    screen.page.evaluate(
        f"""async names => {{ {CELL}
            for (const name of names) {{
                panel.content.activeCellIndex = find(name);
                await window.jupyterapp.commands.execute("notebook:run-cell");
            }}
        }}""",
        list(names),
    )
    said = screen.page.locator(".jp-Notebook .jp-mod-active .jp-Cell-outputArea")
    said.scroll_into_view_if_needed()
    return said.inner_text().strip()


def check_page(frame):
    """The text of a page: its formulas are drawn, and none of their LaTeX is left."""
    formulas = frame.locator("math").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert len(formulas) > 10
    assert min(formulas) > 0
    text = frame.locator("body").inner_text()
    for leftover in ("$", "\\frac", "\\mathrm", "Traceback", "SOLUTION"):
        assert leftover not in text
    return text


def fetch(screen):
    """The student fetches the assignment in the list, and opens its notebook."""
    choose(screen, "Assignment List")
    screen.page.locator("#released_assignments_list").get_by_role("button", name="Fetch").click()
    fetched = screen.page.locator("#fetched_assignments_list")
    fetched.locator(".assignment-notebooks-link").click()
    fetched.locator("a").last.click()
    screen.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )


def check_answers(screen, picture):
    """The check under an answer says what is wrong with it in words, and then that it is right."""
    write(screen, RIGHT | ANSWERS | WRONG)
    said = run(screen, "imports", "checks", "batchnorm_forward", "test_batchnorm_forward")
    picture(screen, "course-wrong")
    assert said.startswith("batchnorm_forward: ")
    assert "eps is missing" in said
    assert "hint: " in said
    assert "Traceback" not in said
    assert "check(" not in said  # nor the lines of one
    write(screen, {"batchnorm_forward": RIGHT["batchnorm_forward"]})
    assert run(screen, "batchnorm_forward", "test_batchnorm_forward") == "batchnorm_forward: all right"


def validate(screen, picture):
    """nbgrader's button names the checks that fail, in the words of the check; then the work is saved."""
    screen.page.locator(".jp-NotebookPanel-toolbar").get_by_text("Validate").click()
    dialog = screen.page.get_by_role("dialog")
    said = dialog.inner_text()
    picture(screen, "course-validate")
    assert said.count("The following cell failed") == 2
    assert 'check("layernorm_backward", layernorm_backward)' in said
    assert MISTAKE in said
    assert 'check("network", FullyConnectedNet)' in said  # built on that layer
    assert "Traceback" not in said
    dialog.get_by_role("button", name="OK").click()
    screen.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


def grade_by_hand(screen, picture):
    """The teacher gives points to the answers in words, with the mark scheme beside them."""
    choose(screen, "Formgrader")
    frame = screen.page.frame_locator("#formgrader-iframe iframe")
    frame.get_by_role("link", name="Manual Grading").click()
    table = frame.locator("#main-table")
    table.get_by_role("link", name="normalization").click()  # the assignment
    table.get_by_role("link", name="normalization").click()  # its notebook
    table.locator(".needs-manual-grade .glyphicon-ok").wait_for()
    table.get_by_role("link", name="Submission #1").click()
    for question in POINTS:
        frame.locator(f"#{question}.needs_manual_grade").wait_for()
    assert frame.locator("body").evaluate("() => formgrader.loaded && MathJax.loaded")  # it takes keys
    assert MISTAKE in check_page(frame)
    for question, points in POINTS.items():
        field = frame.locator(f"#{question}")
        said, answer, scheme = field.evaluate(BESIDE)
        assert said.startswith("Mark scheme (only graders see it)")
        assert all(item in said for _, item in assignment.rubric[question])
        assert answer["right"] < scheme["left"]
        assert answer["top"] == pytest.approx(scheme["top"], abs=20)
        with screen.page.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
            field.fill(str(points))
            field.press("Tab")
    comment = frame.locator("#question_1-comment")
    comment.fill(COMMENT)
    with screen.page.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
        comment.press("Tab")
    focus(frame.locator("#question_1"))
    picture(screen, "course-formgrader")


@pytest.mark.long
def test_from_release_to_feedback(screen, course, picture):
    """Fetched, answered, checked, validated, handed in, graded, graded by hand, and given back."""
    from playwright.sync_api import expect

    page = screen.page
    fetch(screen)
    check_answers(screen, picture)
    validate(screen, picture)

    choose(screen, "Assignment List")
    page.locator("#fetched_assignments_list").get_by_role("button", name="Submit").click()
    submitted = page.locator("#submitted_assignments_list")
    submitted.get_by_role("button", name="Fetch Feedback").wait_for()

    assert batch.collect(course) == (1, [])
    (student,) = course.students()
    summary = batch.grade(course, workers=1, progress=False)
    assert (summary.graded, summary.failed, summary.by_hand) == ([student], {}, 1)
    assert batch.ungraded(course) == [student]
    grade_by_hand(screen, picture)
    assert batch.ungraded(course) == []
    assert batch.feedback(course)[:2] == (1, [])

    choose(screen, "Assignment List")
    submitted.get_by_role("button", name="Fetch Feedback").click()
    submitted.get_by_text("(view feedback)").click()
    page.locator(".jp-DirListing-item", has_text="normalization.html").dblclick()
    feedback = page.frame_locator(".jp-HTMLViewer iframe")
    feedback.locator("h1").first.wait_for()
    picture(screen, "course-feedback")
    assert feedback.locator("script").count() == 0
    text = check_page(feedback)
    judged = json.loads(course.record(student).read_text())["parts"].values()
    assert f"{sum(part['points'] for part in judged) + sum(POINTS.values()):g} of 100 points" in text
    assert text.count(MISTAKE) == 2  # under what to do next, and in the report
    assert COMMENT in text
    assert "Mark scheme" not in text
    focus(feedback.locator(".next").get_by_role("link", name="layernorm_backward"))
    page.keyboard.press("Enter")
    expect(feedback.locator("#test_layernorm_backward .report")).to_be_in_viewport(ratio=1)
    picture(screen, "course-report")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(screen, f"course-report-{scheme}")
        contrasts = feedback.locator("body").evaluate(CONTRASTS)
        assert len(contrasts) > 100
        assert [text for text, contrast in contrasts if contrast < LEAST_CONTRAST] == []


@pytest.mark.long
def test_a_network_of_ones_own(opened, server, picture):
    """The explorer of the assignment, with the student's class: it trains, and says what that refuses."""
    (server.notebooks / "given.py").write_text(assignment.given(Variant()))
    cells = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in assignment.notebook(Variant()).cells
        if "nbgrader" in cell.metadata
    }
    layers = [RIGHT[name] for name in RIGHT if name.startswith(("batchnorm", "layernorm", "network"))]
    data = "from lab import load\n\nSEED = 0\ndigits = load('digits', train_size=1000, seed=SEED)"
    notebook = opened(
        server.write("own.ipynb", cells["imports"], *layers, data, cells["weight_scale_explorer"])
    )
    notebook.run_all()
    notebook.wait_for("step > 10")
    run, before = notebook.status[0], notebook.curves()
    notebook.slider("weight_scale")
    notebook.page.keyboard.press("ArrowLeft")
    notebook.wait_for_run(run)
    notebook.wait_for_paths_other_than(before[0])
    notebook.wait_for("step > 10")
    run = notebook.status[0]
    notebook.control("normalization").locator("button", has_text="group norm").first.click()
    notebook.page.locator(".lab-sentence .error", has_text="normalization must be None").wait_for()
    notebook.control("normalization").locator("button", has_text="layer norm").first.click()
    notebook.wait_for(f"run > {run} && step > 10")
    picture(notebook, "course-explorer")
