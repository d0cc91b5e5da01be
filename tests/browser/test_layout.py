"""The explorer as a room sees it: nothing overlaps, nothing is cut off, and every text can be read.

A page takes long to open, so each of them is led through several states, sizes and themes.
"""

import os
from itertools import combinations

import pytest

from lab.live.explorer.scenes import SCENES
from tests.browser.jupyter import COLOURS, SCREEN

pytestmark = pytest.mark.browser

LEAST_SIZE = 14  # px of text
LEAST_PRESENTED = 24  # px of text that the last row reads
LEAST_CONTRAST = 4.5  # of text against its ground, WCAG 2 level AA
LAPTOP = {"width": 1440, "height": 900}
TABLET = {"width": 820, "height": 1180}  # upright: here one scrolls

# All that is read or pressed in the explorer. Each line of text by itself, and what stands in a field:
# where it is, how large, its contrast with the ground. Each control and figure: where it is, with its number,
# which is also the `owner` of the texts in it. `seen` is the part that is left by all around it that clips:
# `scrolled` away or `shortened` to dots as it is meant to be, else cut off.
READ = (
    "() => {"
    + COLOURS
    + """
    const explorer = document.querySelector(".lab-explorer");
    const box = ({left, top, right, bottom}) => ({left, top, right, bottom});
    const part = (one, other) => ({left: Math.max(one.left, other.left), top: Math.max(one.top, other.top),
        right: Math.min(one.right, other.right), bottom: Math.min(one.bottom, other.bottom)});
    const isSeen = e => e.checkVisibility({visibilityProperty: true}) && !e.closest(".lab-hidden")
        && e.getBoundingClientRect().width > 0;
    const placed = (element, where) => {
        const item = {...box(where), seen: box(where), scrolled: false, shortened: false};
        for (let e = element; e !== explorer.parentElement; e = e.parentElement) {
            const {overflowX, overflowY} = getComputedStyle(e);
            if (overflowX === "visible" && overflowY === "visible" || e.closest("svg")) continue;
            item.seen = part(item.seen, e.getBoundingClientRect());
            item.scrolled ||= overflowY === "auto" && e.matches(".lab-side");
            item.shortened ||= e.matches(".lab-panel-head .widget-html-content");
        }
        return item;
    };
    const controls = [...explorer.querySelectorAll("button, select, input, .noUi-base, .svg-figure, summary")]
        .filter(isSeen);
    const owner = element => controls.findIndex(control => control.contains(element)
        || control.matches(".svg-figure") && control.parentElement.contains(element));
    const read = (element, text, where) => {
        const style = getComputedStyle(element);
        const [dark, light] = [luminance(element.closest("svg") ? style.fill : style.color),
            luminance(ground(element))].sort((a, b) => a - b);
        return {text, size: parseFloat(style.fontSize), contrast: (light + 0.05) / (dark + 0.05),
            owner: owner(element), ...placed(element, where)};
    };
    const found = controls.map(element => ({text: null, owner: owner(element),
        name: element.className.baseVal ?? element.tagName + " " + element.innerText,
        ...placed(element, element.getBoundingClientRect())}));
    const walker = document.createTreeWalker(explorer, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, element = node.parentElement, range = new Range();
        if (!node.data.trim() || element.matches("style, option, .lab-key b") || !isSeen(element)) continue;
        range.selectNodeContents(node);
        const isShortened = element.closest(".lab-panel-head"); // its dots would count as a line
        for (const line of isShortened ? [range.getBoundingClientRect()] : range.getClientRects())
            found.push(read(element, node.data.trim(), line));
    }
    const brush = document.createElement("canvas").getContext("2d");
    for (const field of controls.filter(e => e.matches("select, input[type=text], input[type=number]"))) {
        const style = getComputedStyle(field), area = field.getBoundingClientRect();
        const shown = field.selectedOptions?.[0].label ?? field.value;
        brush.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
        const left = area.left + parseFloat(style.paddingLeft), {width} = brush.measureText(shown);
        const item = read(field, shown, {...box(area), left, right: left + width});
        item.seen.right = Math.min(item.seen.right, area.right - parseFloat(style.paddingRight));
        item.shortened = field.matches(".lab-fold > .widget-text input, .lab-pin input"); // free text
        found.push(item);
    }
    return found;
}"""
)
# Every figure is drawn as large as its place, with no more around it than its margins. bqplot sees to that
# once the figure is on the screen.
SETTLED = """() => [...document.querySelectorAll(".lab-explorer .bqplot")].every(figure => {
    const there = figure.getBoundingClientRect(), svg = figure.querySelector(".svg-figure");
    const drawn = svg.getBoundingClientRect(), plot = svg.querySelector("rect");
    return !figure.checkVisibility({visibilityProperty: true}) || ["width", "height"].every(way =>
        Math.abs(drawn[way] - there[way]) < 1 && Math.abs(drawn[way] - plot.getAttribute(way) - 95) < 50);
})"""
THEMES = ("Light", "Dark")


def overlap(one, other):
    """Whether two texts share more than a pixel each way."""
    return all(
        min(one[end], other[end]) - max(one[begin], other[begin]) > 1
        for begin, end in (("left", "right"), ("top", "bottom"))
    )


def meet(one, other):
    """Whether two things overlap that don't belong to each other."""
    if one["owner"] == other["owner"] != -1 and (one["text"] is None or other["text"] is None):
        return False
    if one["scrolled"] and other["scrolled"]:  # they move together
        return overlap(one, other)
    return overlap(one["seen"], other["seen"])


def complaints(found, least_size):
    """What is wrong with what was read, by kind."""
    texts = [item for item in found if item["text"] is not None]
    sides = [item for item in found if not item["shortened"]]
    heights = [item for item in found if not item["scrolled"]]
    return {
        "cut off at a side": [i for i in sides if is_cut(i, "left", "right")],
        "cut off in height": [i for i in heights if is_cut(i, "top", "bottom")],
        "too small": [text for text in texts if text["size"] < least_size],
        "too pale": [text for text in texts if text["contrast"] < LEAST_CONTRAST],
        "on each other": [pair for pair in combinations(found, 2) if meet(*pair)],
    }


def is_cut(item, begin, end):
    """Whether more than a pixel is missing."""
    seen = item["seen"]
    return not seen[begin] - 1 <= item[begin] <= item[end] <= seen[end] + 1


def check_layout(notebook, least_size=LEAST_SIZE):
    found = notebook.page.evaluate(READ)
    assert sum(item["text"] is not None for item in found) > 30
    assert {kind: items for kind, items in complaints(found, least_size).items() if items} == {}


def check_screen(notebook):
    """The whole explorer is on the screen at once."""
    page = notebook.page.locator(".jp-WindowedPanel-outer").bounding_box()
    box = notebook.page.locator(".lab-explorer").first.bounding_box()
    assert page["y"] - 1 <= box["y"], "the explorer is higher than the screen"
    assert box["y"] + box["height"] <= page["y"] + page["height"] + 1
    assert box["x"] + box["width"] <= page["x"] + page["width"]


@pytest.fixture
def look(picture):
    """Looks at the explorer in these themes, and checks what there is to see."""

    def look_at(notebook, name, size=SCREEN, themes=THEMES):
        page = notebook.page
        page.set_viewport_size(size)
        page.evaluate("() => document.activeElement.blur()")
        page.mouse.move(0, 0)
        explorer = page.locator(".lab-explorer").first
        is_presented = "lab-presenter" in explorer.get_attribute("class")
        shown = page.locator("body").get_attribute("data-jp-theme-name").split()[-1]
        for theme in sorted(themes, key=lambda theme: theme != shown):  # each change of theme takes a while
            if theme != shown:
                notebook.command("apputils:change-theme", {"theme": f"JupyterLab {theme}"})
                page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme}']", state="attached")
                page.wait_for_selector("#jupyterlab-splash", state="detached")  # it can't bear two at once
            explorer.evaluate("e => e.scrollIntoView({block: 'end'})")
            page.wait_for_function(SETTLED)
            explorer.evaluate("e => e.scrollIntoView({block: 'end'})")
            picture(notebook, f"{name}-{theme.lower()}")
            check_layout(notebook, LEAST_PRESENTED if is_presented else LEAST_SIZE)
            if size is not TABLET:
                check_screen(notebook)

    return look_at


def present(notebook):
    """Change to large type, or back."""
    large = notebook.page.locator(".lab-presenter")
    state = "detached" if large.count() else "attached"
    notebook.button("Presenter").click()
    large.wait_for(state=state)


@pytest.fixture
def shown(opened, server):
    """An explorer with these arguments that has trained a little, or to its end, and rests."""

    def open_explorer(arguments="", until="state === 'finished'"):
        notebook = opened(
            server.write("look.ipynb", f"from lab.live import Explorer\n\nExplorer({arguments})")
        )
        notebook.run_all()
        notebook.wait_for(until)
        notebook.button("Pause").click()
        return notebook

    return open_explorer


def test_desk(shown, look):
    """As it is when it opens, then with as many curves as there can be, at all sizes, all folds open."""
    notebook = shown("speed=50")
    look(notebook, "digits")
    notebook.open_fold("runs")
    for number, scale in enumerate(("0.001", "0.1", "1"), 1):
        notebook.button("Pin this run").click()
        pin = notebook.page.locator(f".lab-pin.pinned{number}")
        pin.locator("input").fill(f"the run of group {number} in the first week")
        pin.locator("input").press("Enter")
        notebook.type("weight_scale", scale)
        notebook.wait_for(f"run === {number + 1}")
        notebook.button("Play").click()
        notebook.wait_for("state === 'finished'")
    notebook.page.locator(".lab-key.pinned3").wait_for()
    look(notebook, "runs")
    notebook.open_fold("more")
    notebook.open_fold("share")
    look(notebook, "folds")
    look(notebook, "folds-laptop", LAPTOP)
    look(notebook, "folds-tablet", TABLET)
    for name in ("more", "runs", "share"):
        notebook.page.locator(".lab-folder", has_text=f"▾ {name}").click()
    look(notebook, "runs-tablet", TABLET)
    present(notebook)
    look(notebook, "presenter-runs")
    look(notebook, "presenter-runs-tablet", TABLET)


@pytest.mark.long
def test_run_that_explodes(shown, look):
    """Many decades and many updates find room, and so does an error."""
    notebook = shown(
        "normalization='weightstd', weight_scale=1, optimizer='sgd', learning_rate=0.1, epochs=500",
        until="step > 100",
    )
    notebook.page.locator(".lab-sentence", has_text="diverged").wait_for()
    look(notebook, "explodes")
    look(notebook, "explodes-laptop", LAPTOP)
    present(notebook)
    look(notebook, "presenter-explodes")
    notebook.control("normalization").locator("button", has_text="batch norm").click()
    notebook.type("batch_size", "1")
    notebook.wait_for("state === 'stopped'")
    look(notebook, "presenter-error")
    present(notebook)
    look(notebook, "error")
    look(notebook, "error-tablet", TABLET)


@pytest.mark.long
def test_scenes(shown, look):
    """Each scene with its question, at a desk and for a room."""
    notebook = shown("scene='it vanishes'", until="step > 3")
    for number, name in enumerate(SCENES, 1):
        notebook.page.locator(".lab-head select").select_option(name)
        notebook.wait_for(f"run === {number}")
        notebook.page.locator(".lab-question", has_text=SCENES[name].question).wait_for()
        for _ in range(3):
            notebook.button("Step").click()
        notebook.wait_for("step > 3")
        look(notebook, name, themes=THEMES[:1])
        present(notebook)
        look(notebook, f"presenter-{name}", themes=THEMES[number % 2 :][:1])
        present(notebook)


@pytest.mark.long
def test_cifar10(shown, look):
    """Other data and their longer words."""
    if "LAB_DATA" not in os.environ:
        pytest.skip("machine: LAB_DATA names no folder with CIFAR-10")
    notebook = shown("dataset='cifar10'", until="step > 5")
    look(notebook, "cifar10")
