"""The small widgets of the lessons in JupyterLab: by keyboard, by mouse, and how they look."""

from itertools import combinations

import pytest

from tests.browser.jupyter import COLOURS, focus
from tests.browser.test_layout import LEAST_CONTRAST, LEAST_SIZE, overlap

pytestmark = pytest.mark.browser

BY_HAND = "from lab.live.lessons.by_hand import LayerByHand\n\nLayerByHand({})"
GRAPH = "from lab.live.lessons.graph import BackwardGraph\n\nBackwardGraph({})"
CELLS = {  # the examples, and as much as finds a place
    "by-hand": BY_HAND.format(""),
    "by-hand-full": BY_HAND.format("[[4] * 4] * 3 + [[-3.5, 4, -4, 0]] * 3, layer='layernorm'"),
    "graph": GRAPH.format(""),
    "graph-full": GRAPH.format("[[-0.5, 999], [1, 2]] * 3"),
}
ROOM = {"width": 1200, "height": 600}  # of a projector's 1280×720, within JupyterLab

# Every line of text in the widget: where it is, how large, and its contrast with the ground.
TEXTS = (
    "root => {"
    + COLOURS
    + """
    const box = ({left, top, right, bottom}) => ({left, top, right, bottom});
    const found = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, element = node.parentElement;
        if (!node.data.trim() || !element.checkVisibility()) continue;
        const style = getComputedStyle(element), svg = element.closest("svg"), range = new Range();
        const [dark, light] = [luminance(svg ? style.fill : style.color), luminance(ground(element))]
            .sort((a, b) => a - b);
        range.selectNodeContents(node);
        for (const line of range.getClientRects())
            found.push({text: node.data.trim(), size: parseFloat(style.fontSize),
                contrast: (light + 0.05) / (dark + 0.05), ...box(line),
                frame: box((svg ?? root).getBoundingClientRect())});
    }
    return found;
}"""
)


@pytest.fixture
def lesson(opened, server):
    """Opens a notebook whose only cell shows this widget."""

    def open_lesson(name, **settings):
        notebook = opened(server.write(f"{name}.ipynb", CELLS[name]), **settings)
        notebook.run_cells()
        notebook.page.wait_for_selector(".lab-lesson .lab-says")
        if name.startswith("by-hand"):
            notebook.page.wait_for_selector(".lab-lesson .bqplot path.dot", state="attached")
        notebook.page.locator(".lab-lesson").evaluate("widget => widget.scrollIntoView({block: 'end'})")
        return notebook

    return open_lesson


def slider(notebook, name):
    """Focus the handle of the slider with this name: now arrow keys move it."""
    row = notebook.page.locator(".lab-lesson .widget-inline-hbox:has(.noUi-handle)", has_text=name)
    focus(row.locator(".noUi-handle"))


def says(notebook, words):
    """Wait until the sentence holds these words."""
    notebook.page.locator(".lab-says", has_text=words).wait_for()


def row(notebook, name):
    """The cells of a row of the table."""
    return notebook.page.locator(f".lab-by-hand tr:has(th:text-is('{name}')) td").all_inner_texts()


def wait_for_row(notebook, name, column, shown):
    """Wait until a cell of the table shows this."""
    cell = f".lab-by-hand tr:has(th:text-is('{name}')) td:nth-of-type({column})"
    notebook.page.locator(f"{cell}:text-is('{shown}')").wait_for()


def points(notebook):
    """(x, y) on the screen of the points that can be dragged, sample by sample."""
    boxes = [dot.bounding_box() for dot in notebook.page.locator(".lab-by-hand .bqplot path.dot").all()]
    return [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes]


@pytest.mark.parametrize(
    ("name", "theme"),
    [("by-hand", "light"), ("by-hand-full", "dark"), ("graph", "light"), ("graph-full", "dark")],
)
@pytest.mark.long
def test_layout(lesson, picture, name, theme):
    """Within its room at 1280×720: nothing overlaps, is cut off, too small or too pale, at any step."""
    notebook = lesson(name, dark=theme == "dark")
    widget = notebook.page.locator(".lab-lesson")
    for step in range(1, 10 if name.startswith("graph") else 2):
        if step > 1:
            notebook.page.keyboard.press("ArrowRight")
            says(notebook, f"step {step} of 9")
        elif name.startswith("graph"):
            slider(notebook, "step")
        picture(notebook, f"{name}-{theme}-{step}")
        texts = widget.evaluate(TEXTS)
        assert len(texts) > 25
        for text in texts:
            frame = text["frame"]
            assert frame["left"] - 1 <= text["left"] <= text["right"] <= frame["right"] + 1, text
            assert frame["top"] - 1 <= text["top"] <= text["bottom"] <= frame["bottom"] + 1, text
            assert text["size"] >= LEAST_SIZE, text
            assert text["contrast"] >= LEAST_CONTRAST, text
        assert [(a["text"], b["text"]) for a, b in combinations(texts, 2) if overlap(a, b)] == []
        box = widget.bounding_box()
        assert box["width"] <= ROOM["width"]
        assert box["height"] <= ROOM["height"]


@pytest.mark.long
def test_by_hand_by_keyboard(lesson):
    """Arrow keys choose a point and move it, Tab and Space change the layer: everything follows."""
    notebook = lesson("by-hand")
    keyboard = notebook.page.keyboard
    slider(notebook, "sample")
    keyboard.press("ArrowRight")
    slider(notebook, "feature")
    keyboard.press("ArrowRight")
    says(notebook, "x of sample 2, feature 2")
    wait_for_row(notebook, "x", 2, "2.000")
    before, outputs = points(notebook), row(notebook, "output")
    slider(notebook, "its x")
    for _ in range(5):
        keyboard.press("ArrowLeft")
    wait_for_row(notebook, "x", 2, "1.500")
    assert all(a != b for a, b in zip(outputs, row(notebook, "output"), strict=True))
    after = points(notebook)
    assert [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if abs(a[1] - b[1]) > 1] == [4]
    assert after[4][1] > before[4][1]

    for name, key, shown in (("gamma", "Home", "−2.00"), ("beta", "End", "2.00"), ("eps", "End", "10")):
        slider(notebook, name)
        outputs = row(notebook, "output")
        keyboard.press(key)
        notebook.page.locator(".lab-by-hand .widget-readout", has_text=shown).first.wait_for()
        notebook.page.wait_for_function(
            "before => document.querySelector('.lab-by-hand tr:nth-of-type(4)').innerText !== before",
            arg="\t".join(["output", *outputs]),
        )

    focus(notebook.page.locator(".lab-by-hand button", has_text="batch norm"))
    keyboard.press("Tab")
    keyboard.press("Space")
    says(notebook, "the rest of sample 2")
    assert len(row(notebook, "output")) == 3


@pytest.mark.long
def test_by_hand_by_mouse(lesson, picture):
    """A point that is dragged is the selected one, and takes its feature's outputs along; no other's."""
    notebook = lesson("by-hand")
    mouse = notebook.page.mouse
    before = points(notebook)
    x, y = before[7]  # sample 3, feature 2
    mouse.move(x, y)
    mouse.down()
    says(notebook, "x of sample 3, feature 2")
    outputs = row(notebook, "output")
    mouse.move(x, y + 30, steps=5)
    notebook.page.wait_for_function(  # while the button is down
        "before => document.querySelector('.lab-by-hand tr:nth-of-type(4)').innerText !== before",
        arg="\t".join(["output", *outputs]),
    )
    mouse.move(x + 40, y + 46, steps=5)  # sideways it stays in its place
    mouse.up()
    unit = (before[0][1] - before[1][1]) / (1.1 - 0.2)  # px, from two points that are known
    wait_for_row(notebook, "x", 3, f"{round(2.8 - 46 / unit, 1):.3f}")
    picture(notebook, "by-hand-dragged")
    assert all(a != b for a, b in zip(outputs, row(notebook, "output"), strict=True))
    after = points(notebook)
    assert after[7] == (pytest.approx(x, abs=1), pytest.approx(y + 46, abs=unit / 20 + 1))
    assert before[:7] + before[8:] == after[:7] + after[8:]


def test_graph_by_keyboard(lesson):
    """The slider and the buttons step through the graph; at the end dx is the layer's own."""
    notebook = lesson("graph")
    keyboard, page = notebook.page.keyboard, notebook.page
    says(notebook, "out (step 1 of 9)")
    focus(page.locator(".lab-graph button", has_text="Back"))
    keyboard.press("Tab")  # Next
    keyboard.press("Enter")
    says(notebook, "scaled (step 2 of 9)")
    keyboard.press("Space")
    says(notebook, "x_hat (step 3 of 9)")
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    says(notebook, "scaled (step 2 of 9)")
    slider(notebook, "step")
    keyboard.press("End")
    says(notebook, "x (step 9 of 9)")
    tables = {
        table.locator("b").inner_text(): table.locator("td").all_inner_texts()
        for table in page.locator(".lab-graph table").all()
    }
    assert tables["dx"] == tables["batchnorm_backward"]
    keyboard.press("ArrowLeft")
    says(notebook, "mean (step 8 of 9)")
