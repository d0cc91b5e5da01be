"""The lecture as it is given: by clicking alone."""

import re
from pathlib import Path

import nbformat
import pytest

from lab.live.explorer.scenes import SCENES
from tests.browser.jupyter import focus

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LECTURE = (
    "it vanishes", "a rate that only batch norm bears", "noise", "tiny batches", "train and test disagree",
)  # fmt: skip
STATUS = "line => ({...line.dataset})"


def scroll_to(notebook, number):
    """Bring the scene of this number onto the screen, as one does by scrolling: JupyterLab takes what is
    far away out of the page. Its explorer."""
    notebook.page.evaluate(
        """number => {
            const {content} = window.jupyterapp.shell.currentWidget;
            const cells = content.widgets.map((cell, index) => [cell.model.sharedModel.source, index]);
            const [, index] = cells.filter(([source]) => source.startsWith("Explorer("))[number];
            content.activeCellIndex = index;
            void content.scrollToItem(index, "start");
        }""",
        number,
    )
    explorer = notebook.page.locator(".lab-explorer", has_text=SCENES[LECTURE[number]].question)
    explorer.locator(".bqplot path.line").first.wait_for(state="attached")
    explorer.scroll_into_view_if_needed()
    return explorer


def wait_for_state(explorer, state):
    """Wait until the explorer's run stands so; the update that it has reached."""
    explorer.locator(f".lab-status[data-state={state}]").wait_for()
    return int(explorer.locator(".lab-status").evaluate(STATUS)["step"])


def pointed_at(number):
    """What the script of a scene says to look at or to move: the words in italics."""
    cells = nbformat.read(NOTEBOOKS / "02_lecture.ipynb", as_version=4).cells
    scripts = [cell.source for cell in cells if "**Click.**" in cell.source]
    clicks = scripts[number].partition("**Click.**")[2].replace("**", "").replace("\n", " ")
    return re.findall(r"\*([^*]+)\*", clicks)


@pytest.mark.long
def test_lecture(opened, picture):
    """Each of the five scenes asks its question, waits for Play, and then trains to the end. In large type
    there is all that the script points at."""
    notebook = opened("02_lecture.ipynb")
    notebook.run_cells()
    for number, name in enumerate(LECTURE):
        explorer = scroll_to(notebook, number)
        assert wait_for_state(explorer, "paused") == 1
        explorer.locator("button", has_text="Presenter").click()
        large = notebook.page.locator(".lab-presenter")
        large.wait_for()
        labels = large.locator(".lab-control .widget-label:visible").all_inner_texts()
        views = large.locator(".lab-panel:nth-child(2) select:visible option").all_inner_texts()
        assert pointed_at(number)
        assert set(pointed_at(number)) <= {shown.replace("\xa0", " ") for shown in (*labels, *views)}
        picture(notebook, f"lecture-{name}-large")
        explorer.locator("button", has_text="Presenter").click()
        large.wait_for(state="detached")
        focus(explorer.locator(".lab-head .noUi-handle"))
        notebook.page.keyboard.press("End")  # as fast as it goes
        explorer.locator(".lab-head .widget-readout", has_text="50").wait_for()
        explorer.locator("button", has_text="Play").click()
        step = wait_for_state(explorer, "finished")
        picture(notebook, f"lecture-{name}")
        config = SCENES[name].config
        assert step == config.epochs * -(-(config.train_size or 1000) // config.batch_size)
        assert explorer.locator(".lab-question b").inner_text() == SCENES[name].question


@pytest.mark.long
def test_every_scene(explorer):
    """Each scene can be chosen by its name, and trains."""
    for number, name in enumerate(SCENES, 2):
        explorer.page.locator(".lab-head select").select_option(name)
        explorer.wait_for(f"run === {number} && step > 5 && state === 'training'")
        assert explorer.page.locator(".lab-question b").inner_text() == SCENES[name].question
        assert explorer.page.locator(".lab-sentence .error").count() == 0
