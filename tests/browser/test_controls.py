"""Every control of the explorer in JupyterLab, by keyboard alone, in a column as narrow as the explorer's."""

import json

import pytest

from lab.live.controls import FIELDS, from_config
from lab.train import Config
from tests.browser.jupyter import focus

pytestmark = pytest.mark.browser

LEAST_SIZE = 14  # px of text
COLUMN = """
import json
import ipywidgets as widgets
from lab.files import ASSETS
from lab.live.controls import FIELDS, Control, from_config
from lab.train import Config

heard = widgets.Textarea().add_class("heard")

def hear(*said):
    heard.value += json.dumps(said) + "\\n"

values = from_config(Config())
style = widgets.HTML(f"<style>{(ASSETS / 'controls.css').read_text()}</style>")
controls = [Control(field, values[field.name], hear, hear) for field in FIELDS]
widgets.HBox([widgets.VBox([style, *controls], layout=widgets.Layout(width="320px")), heard])
"""


class Column:
    """A notebook that shows all controls, one below the other, and what they call."""

    def __init__(self, notebook):
        self.notebook, self.page, self.calls = notebook, notebook.page, 0
        notebook.run_cells()
        self.page.wait_for_selector(f".lab-control-{FIELDS[-1].name}")

    def focus(self):
        """What has the focus: its tag, and the label of its control."""
        return self.page.evaluate(
            """() => {
                const {activeElement: element} = document;
                const label = element.labels?.[0] ?? element.closest(".lab-control").querySelector("label");
                return [element.localName, label.textContent];
            }"""
        )

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def enter(self, text):
        """Type into the field that has the focus."""
        self.press("Control+a")
        self.page.keyboard.type(text)
        self.press("Enter")

    def must_call(self, *said):
        """Wait for one call more, and compare it."""
        self.calls += 1
        self.page.wait_for_function(
            "calls => document.querySelector('.heard textarea').value.split('\\n').length > calls",
            arg=self.calls,
        )
        calls = self.page.locator(".heard textarea").input_value().splitlines()
        assert (len(calls), json.loads(calls[-1])) == (self.calls, list(said))

    def must_show(self, field, value):
        """Wait until number field and slider show a position."""
        shown = [field.text(value), str(float(field.positions.index(value)))]
        self.page.wait_for_function(
            """([name, shown]) => {
                const control = document.querySelector(`.lab-control-${name}`);
                const {value} = control.querySelector("input");
                return shown[0] === value && shown[1] === control.querySelector(".noUi-handle").ariaValueNow;
            }""",
            arg=[field.name, shown],
        )


@pytest.fixture
def column(opened, server):
    return Column(opened(server.write("controls.ipynb", COLUMN)))


def check_number(column, field, value):
    least, most = field.limits
    other = least if value == most else most
    assert column.focus() == ["input", field.label]
    column.enter("-7")
    kind = "a whole number " if field.whole else ""
    allowed = f"{kind}between {field.text(least)} and {field.text(most)}"
    column.must_call(f"{field.label} must be {allowed}, not -7")
    column.must_show(field, value)
    column.enter(field.text(other))
    column.must_call(field.name, other)
    column.must_show(field, other)
    column.press("Tab")
    assert column.focus() == ["div", field.label]
    key, there = ("ArrowLeft", -2) if other == most else ("ArrowRight", 1)
    column.press(key)
    column.must_call(field.name, field.positions[there])
    column.must_show(field, field.positions[there])


def check_buttons(column, field, value):
    for i, (label, choice) in enumerate(field.choices):
        column.press(*["Tab"] * (i > 0))
        assert column.focus() == ["button", field.label]
        column.press("Space")
        if choice != value:
            column.must_call(field.name, choice)
            value = choice
        assert column.page.locator(f".lab-control-{field.name} .mod-active").inner_text() == label


@pytest.mark.long
def test_every_control_by_keyboard(column, picture):
    """Tab goes through all of them; a number, an arrow key or the space bar changes each, once."""
    values = from_config(Config())
    focus(column.page.locator(".lab-control input").first)
    for i, field in enumerate(FIELDS):
        column.press(*["Tab"] * (i > 0))
        check = check_number if field.positions else check_buttons
        check(column, field, values[field.name])
        if i % 5 == 2:
            picture(column.notebook, f"controls-{i}")
    texts = column.page.locator(".lab-control").locator("label, input, button, span")
    sizes = texts.evaluate_all(
        "all => all.filter(e => e.checkVisibility()).map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= LEAST_SIZE
    wide = column.page.locator(".lab-control, .lab-control :is(label, button, input, span)").evaluate_all(
        "all => all.filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML)"
    )
    assert wide == []
