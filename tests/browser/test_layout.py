"""The explorer on a projector: nothing overlaps, nothing is cut off, and every text can be read."""

import os
from itertools import combinations

import pytest

from tests.browser.jupyter import SCREEN

pytestmark = pytest.mark.browser

LEAST_SIZE = 14  # px of text
LEAST_CONTRAST = 4.5  # of text against its ground, WCAG 2 level AA

ARGUMENTS = {
    "digits": "",
    "cifar10": "dataset='cifar10'",
    "explodes": "normalization='weightstd', weight_scale=1, optimizer='sgd', learning_rate=0.1, epochs=500",
}

# Everything in the explorer that is read: where it is, how large, in which colour.
TEXTS = """() => {
    const selector = [".lab-title", ".lab-subtitle", ".lab-caption", ".lab-key", ".widget-label",
        ".widget-readout", "button", ".lab-status .numbers", ".lab-status .error", "summary",
        ".bqplot text"].join(",");
    const rgb = colour => (colour.match(/[\\d.]+/g) ?? [0, 0, 0]).slice(0, 3).map(Number);
    const luminance = colour => {
        const [r, g, b] = rgb(colour).map(c => c / 255).map(
            c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent") return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const explorer = document.querySelector(".lab-explorer");
    const box = element => {
        const {left, top, right, bottom} = element.getBoundingClientRect();
        return {left, top, right, bottom};
    };
    return [...explorer.querySelectorAll(selector)]
        .filter(e => e.textContent.trim() && e.checkVisibility() && box(e).right > box(e).left)
        .map(e => {
            const style = getComputedStyle(e);
            const [dark, light] = [luminance(e.closest("svg") ? style.fill : style.color),
                luminance(ground(e))].sort((a, b) => a - b);
            return {text: e.textContent.trim(), size: parseFloat(style.fontSize),
                contrast: (light + 0.05) / (dark + 0.05), ...box(e),
                frame: box(e.closest("svg") ?? explorer), overflows: e.scrollWidth > e.clientWidth + 1
                    && style.overflow !== "visible"};
        });
}"""


def overlap(one, other):
    """Whether two texts share more than a pixel each way."""
    return all(
        min(one[end], other[end]) - max(one[begin], other[begin]) > 1
        for begin, end in (("left", "right"), ("top", "bottom"))
    )


def check_layout(notebook):
    explorer = notebook.page.locator(".lab-explorer").first
    explorer.evaluate("element => element.scrollIntoView({block: 'end'})")
    texts = notebook.page.evaluate(TEXTS)
    assert len(texts) > 30
    for text in texts:
        frame = text["frame"]
        assert frame["left"] - 1 <= text["left"] <= text["right"] <= frame["right"] + 1, text
        assert frame["top"] - 1 <= text["top"] <= text["bottom"] <= frame["bottom"] + 1, text
        assert not text["overflows"], text
        assert text["size"] >= LEAST_SIZE, text
        assert text["contrast"] >= LEAST_CONTRAST, text
    assert [(a["text"], b["text"]) for a, b in combinations(texts, 2) if overlap(a, b)] == []
    page, box = notebook.page.locator(".jp-WindowedPanel-outer").bounding_box(), explorer.bounding_box()
    assert page["y"] - 1 <= box["y"], "the explorer doesn't fit on the screen"
    assert box["y"] + box["height"] <= page["y"] + page["height"] + 1
    assert box["x"] + box["width"] <= SCREEN["width"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_layout(opened, server, picture, theme, name):
    """At 1280×720 the whole explorer is on the screen, with many decades, and with an error."""
    if name == "cifar10" and "LAB_DATA" not in os.environ:
        pytest.skip("machine: LAB_DATA names no folder with CIFAR-10")
    cell = f"from lab.live import Explorer\n\nExplorer({ARGUMENTS[name]})"
    notebook = opened(server.write(f"{name}.ipynb", cell), dark=theme == "dark")
    notebook.run_all()
    notebook.slider("updates per frame")
    notebook.page.keyboard.press("End")
    notebook.wait_for("state === 'finished' || step > 500")
    notebook.page.evaluate("() => document.activeElement.blur()")
    picture(notebook, f"{name}-{theme}")
    check_layout(notebook)
    if name == "digits":  # what an error adds finds its place too
        notebook.slider("batch size")
        notebook.page.keyboard.press("Home")
        notebook.wait_for("state === 'stopped'")
        picture(notebook, f"error-{theme}")
        check_layout(notebook)
