"""The sweep in JupyterLab: how it looks, and by keyboard and mouse."""

import pytest

from lab.live.sweep.axes import AXES, MODES
from lab.live.sweep.figure import FIGURES
from tests.browser.jupyter import focus
from tests.browser.test_layout import SETTLED, check_layout, check_screen

pytestmark = pytest.mark.browser

SWEEP = "from lab.live import Sweep\n\nSweep({})"


@pytest.fixture
def swept(opened, server):
    """Opens a notebook whose only cell shows a sweep with these arguments; it has trained to its end."""

    def open_sweep(arguments="", code=SWEEP, **settings):
        notebook = opened(server.write("sweep.ipynb", code.format(arguments)), **settings)
        notebook.run_cells()
        notebook.wait_for("state === 'finished'")
        notebook.page.locator(".lab-sweep .dot").first.wait_for(state="attached")
        notebook.page.locator(".lab-sweep").evaluate("sweep => sweep.scrollIntoView({block: 'end'})")
        notebook.page.wait_for_function(SETTLED)
        return notebook

    return open_sweep


def points(notebook, figure):
    """The points of a figure, value by value."""
    panel = notebook.page.locator(".lab-sweep .lab-panel").nth(figure)
    return panel.locator(".svg-figure > g > g > g:nth-of-type(3) .object_grp")


def wait_for_row(notebook, mode, before):
    """Wait until the table shows other numbers of a normalization than before; these numbers."""
    place = f".lab-results tr:nth-of-type({2 + mode})"
    notebook.page.wait_for_function(
        "([place, before]) => document.querySelector(place).innerText !== before", arg=[place, before]
    )
    return notebook.page.locator(place).inner_text()


@pytest.mark.parametrize(
    ("axis", "dark"), [("weight_scale", False), ("learning_rate", True), ("activation", False)]
)
@pytest.mark.long
def test_layout(swept, picture, axis, dark):
    """On the screen at once; nothing overlaps, is cut off, too small or pale; colours and shapes differ."""
    notebook = swept(f"'{axis}'", dark=dark)
    picture(notebook, f"sweep-{axis}-{'dark' if dark else 'light'}")
    check_layout(notebook)
    check_screen(notebook)
    for figure in range(len(FIGURES)):
        shown = points(notebook, figure)
        seeds = AXES[axis].seeds
        assert shown.count() == len(MODES) * len(AXES[axis].values) * (seeds + (seeds > 1))  # and their mean
        looks = [
            shown.nth(mode)
            .locator(".dot")
            .evaluate("dot => [getComputedStyle(dot).fill, getComputedStyle(dot).clipPath]")
            for mode in range(len(MODES))
        ]
        assert len({colour for colour, _ in looks}) == len({shape for _, shape in looks}) == len(MODES)


def test_by_keyboard_and_mouse(swept, picture):
    """The slider moves along the points; a button, or a click on a point, opens its run in the explorer."""
    notebook = swept("'batch_size', epochs=2")
    page, values = notebook.page, AXES["batch_size"].values
    guide = (
        page.locator(".lab-sweep .lab-panel").nth(1).locator(".svg-figure > g > g > g:nth-of-type(2) .line")
    )
    before = guide.get_attribute("d")
    shown = wait_for_row(notebook, 1, "")
    notebook.slider("batch_size")
    page.keyboard.press("End")
    shown = wait_for_row(notebook, 1, shown)
    assert notebook.number("batch_size") == "256"
    assert guide.get_attribute("d") != before

    focus(page.locator(".lab-opens button").nth(1))
    page.keyboard.press("Enter")
    explorer = page.locator(".lab-sweep-explorer .lab-explorer")
    explorer.locator(".lab-status[data-state=finished]").wait_for()
    assert explorer.locator(".lab-title").inner_text() == "Batch norm against no normalization"
    assert explorer.locator(".lab-control-batch_size input[type=text]").input_value() == "256"

    value = values.index(64)
    dot = points(notebook, 1).nth(len(MODES) * value + len(MODES) - 1)  # the uppermost
    dot.click()
    explorer.locator(".lab-title", has_text="Layer norm against no normalization").wait_for()
    explorer.locator(".lab-status[data-state=finished]").wait_for()
    assert explorer.count() == 1
    assert explorer.locator(".lab-control-batch_size input[type=text]").input_value() == "64"
    assert notebook.number("batch_size") == "64"
    shown = wait_for_row(notebook, 2, "")
    reached = shown.split("\t")[2]  # validation accuracy
    explorer.locator(".lab-sentence", has_text=f"validation accuracy {reached}").wait_for()
    picture(notebook, "sweep-opened")


MANY = """from lab.live import Sweep
from lab.live.sweep.axes import AXES, Axis

modes = (None, "batchnorm", "layernorm", "groupnorm", "weightstd")
AXES["optimizer"] = Axis(("sgd", "momentum", "adam"), modes=modes, once=(None,), seeds=5)
Sweep("optimizer", epochs=1, batch_size=200)"""


@pytest.mark.long
def test_choices_seeds_and_many_normalizations(swept, picture):
    """All of it on the screen in both themes; a choice by keyboard, and its run opened from a point."""
    notebook = swept(code=MANY)
    page = notebook.page
    for theme in ("Light", "Dark"):
        notebook.change_theme(f"JupyterLab {theme}")
        page.wait_for_function(SETTLED)
        picture(notebook, f"sweep-many-{theme.lower()}")
        check_layout(notebook)
        check_screen(notebook)
    shown = points(notebook, 1)
    assert shown.count() == 5 * 3 * (5 + 1)
    sizes = [shown.nth(number).locator(".dot").bounding_box()["width"] for number in (0, 25)]
    assert sizes[0] < 0.7 * sizes[1]  # a seed, and the mean

    control = notebook.control("optimizer")
    assert control.locator(".mod-active").inner_text() == "Adam"
    before = wait_for_row(notebook, 1, "")
    focus(control.locator("button", has_text="momentum"))
    page.keyboard.press("Enter")
    wait_for_row(notebook, 1, before)

    mean = shown.nth(5 * (5 + 1) * 2 + 5 * 5 + 1)  # of Adam with batch norm
    mean.click()
    explorer = page.locator(".lab-sweep-explorer .lab-explorer")
    explorer.locator(".lab-title", has_text="Batch norm against no normalization").wait_for()
    assert control.locator(".mod-active").inner_text() == "Adam"


@pytest.mark.long
def test_placements_of_a_deep_residual_network(swept, picture):
    """Sixty-four blocks, three seeds a point, a network without normalization once for all of them."""
    axis = AXES["placement"]
    notebook = swept("'placement', train_size=200", dark=True)
    page = notebook.page
    picture(notebook, "sweep-placement-dark")
    check_layout(notebook)
    check_screen(notebook)
    assert points(notebook, 1).count() == len(axis.modes) * len(axis.values) * (axis.seeds + 1)
    assert "one for all" in page.locator(".lab-sweep .lab-head").inner_text()

    control = notebook.control("placement")
    before = wait_for_row(notebook, 1, "")
    focus(control.locator("button", has_text="post-norm"))
    page.keyboard.press("Enter")
    wait_for_row(notebook, 1, before)
    focus(page.locator(".lab-opens button").nth(3))
    page.keyboard.press("Enter")
    explorer = page.locator(".lab-sweep-explorer .lab-explorer")
    explorer.locator(".lab-title", has_text="RMS norm against no normalization").wait_for()
    explorer.locator(".lab-status[data-state=finished]").wait_for()
    assert explorer.locator(".lab-control-placement .mod-active").inner_text() == "post-norm"
    picture(notebook, "sweep-placement-opened")
