"""What a user sees of a widget and does with it, so that a test holds whatever draws it.

A control is found by the label beside it, a button by its words, a figure by its title. Acting is what the
page reports of somebody who acts: on what can be seen, behind a fold that is opened first, and isn't locked.
"""

import re
from itertools import pairwise

import bqplot
import ipywidgets as widgets

from tests.live import markup
from tests.live.figure import Figure, classes, descendants, names_in_order
from tests.live.stage import until

NONE = "none"  # what a selection has for None
FOLDED = "▸▾"  # signs before the words of a fold's button


class Screen:
    """Reads and moves a widget."""

    def __init__(self, widget):
        self.widget = widget

    def parts(self, kind):
        """All widgets of a kind in it, in the order of the screen, those that are hidden, too."""
        return [part for part in descendants(self.widget) if isinstance(part, kind)]

    # --- words -----------------------------------------------------------------------------------------

    def html(self, name):
        """The HTML that has something of this style class in it, "" before there is any."""
        has_it = re.compile(rf"""class=["'][^"']*\b{name}\b""")
        return next((part.value for part in self.parts(widgets.HTML) if has_it.search(part.value)), "")

    def text(self, name):
        """The text of this style class."""
        found = markup.styled(self.html(name), name)
        return markup.text(found[0]) if found else ""

    @property
    def title(self):
        return markup.text(self.html("lab-title"))

    @property
    def sentence(self):
        """What is said of what can be seen."""
        return self.text("lab-sentence")

    @property
    def details(self):
        """What is said behind a click."""
        return "".join(
            "".join(one.itertext()) for one in markup.read(self.html("lab-sentence")).iter("details")
        )

    @property
    def refusals(self):
        """What is said to have gone wrong."""
        return [markup.text(one) for one in markup.styled(self.html("lab-sentence"), "error")]

    @property
    def status(self):
        return self.text("lab-status")

    @property
    def now(self):
        """run, frame, step and state, as the status line has them; zeros before there is one."""
        data = dict(re.findall(r'data-(\w+)="(\w+)"', self.html("lab-status")))
        numbers = {name: int(data.get(name, 0)) for name in ("run", "frame", "step")}
        return numbers | {"state": data.get("state")}

    def reached(self, **least):
        """Whether the status line shows this state, and at least these numbers."""
        now = self.now
        return all(
            now[name] == value if name == "state" else now[name] >= value for name, value in least.items()
        )

    async def reach(self, **least):
        await until(lambda: self.reached(**least))

    # --- figures ---------------------------------------------------------------------------------------

    @property
    def figures(self):
        """All figures, in their order."""
        boxes = [self.widget, *self.parts(widgets.Box)]
        rules = [part.value for part in self.parts(widgets.HTML) if ".lab-over-" in part.value]  # of a sweep
        names = names_in_order(rules[0], self.html("lab-key")) if rules else ()
        return [
            Figure(box, names)
            for box in boxes
            if any(isinstance(child, bqplot.Figure) for child in box.children)
        ]

    def figure(self, title):
        """The figure whose title starts so."""
        found = [figure for figure in self.figures if figure.title.startswith(title)]
        assert len(found) == 1, f"{title!r} is not one of {[figure.title for figure in self.figures]}"
        return found[0]

    # --- what a user does --------------------------------------------------------------------------------

    def is_visible(self, widget):
        """Whether neither it nor a box around it is hidden."""
        return all(one.layout.display != "none" for one in _path(self.widget, widget))

    def uncover(self, widget):
        """Open the folds that it lies behind, as a user does."""
        path = _path(self.widget, widget)
        for around, inside in pairwise(path):
            if "lab-fold" in classes(inside) and inside.layout.display == "none":
                around.children[around.children.index(inside) - 1].set_state({"value": True})
        assert self.is_visible(widget), f"a user doesn't see {widget}"

    def press(self, words, place=0):
        """Click the button that says so; place: which of them, where there are several."""
        for part in self.parts((widgets.Button, widgets.ToggleButtons)):
            options = getattr(part, "options", ())
            labels = [one[0] if isinstance(one, tuple) else one for one in options] or [part.description]
            if words in labels and place:
                place -= 1
            elif words in labels:
                self.uncover(part)
                assert not part.disabled, f"{words} can't be pressed"
                part.set_state({"index": labels.index(words)}) if options else part.click()
                return
        raise AssertionError(f"there is no button {words}")

    async def rest(self):
        """Pause; from then on everything shows the last frame."""
        self.press("Pause")
        await self.reach(state="paused")

    async def step(self, updates=1):
        """Make so many updates by hand."""
        at = self.now["step"] + updates
        for _ in range(updates):
            self.press("Step")
        await self.reach(step=at)

    def fold(self, words):
        """The button that opens and closes what lies behind these words."""
        (button,) = [
            part for part in self.parts(widgets.ToggleButton) if part.description.strip(FOLDED + " ") == words
        ]
        return button

    @property
    def controls(self):
        """All that can be set, in the order of the screen: a label once for each box where it stands."""
        found = {}
        for box in (self.widget, *self.parts(widgets.Box)):
            for child in box.children:
                if hasattr(child, "disabled") and not isinstance(child, widgets.Button | widgets.Box):
                    label = child.description or child.tooltip or ""
                    found.setdefault((box, label.strip(FOLDED + " ")), []).append(child)
        return [Control(self, box, label, inputs) for (box, label), inputs in found.items()]

    def control(self, label, place=0):
        """What can be set under this label; place: which of them, where there are several."""
        found = [control for control in self.controls if control.label == label]
        assert len(found) > place, f"{label!r} is not one of {[control.label for control in self.controls]}"
        return found[place]


class Control:
    """A field, a slider, choices, or several of them that show the same thing, under one label."""

    def __init__(self, screen, box, label, inputs):
        self.screen, self.box, self.label, self.inputs = screen, box, label, inputs

    def _input(self, *kinds):
        return next(one for one in self.inputs if isinstance(one, kinds))

    def _send(self, widget, **state):
        self.screen.uncover(widget)
        assert not widget.disabled, f"{self.label} can't be moved"
        widget.set_state(state)

    @property
    def value(self):
        """What stands there: a number or a text, or what the chosen label stands for."""
        first = self.inputs[0]
        if isinstance(first, widgets.Text) and len(self.inputs) > 1:  # a number, with a slider below
            return _number(first.value)
        return None if first.value == NONE else first.value

    @value.setter
    def value(self, value):
        """Type it, choose it or move there."""
        first = self.inputs[0]
        if hasattr(first, "options"):
            self._send(
                first, index=[one for _, one in _options(first)].index(NONE if value is None else value)
            )
        elif isinstance(first, widgets.Text):
            self._send(first, value="" if value is None else str(value))
        else:
            self._send(first, value=value)

    @property
    def text(self):
        """What stands in the field."""
        return self._input(widgets.Text).value

    @property
    def position(self):
        """Where the slider stands."""
        return self._input(widgets.IntSlider).value

    def slide(self, position):
        """Move the slider, of a number that may also be typed."""
        self._send(self._input(widgets.IntSlider), value=position)

    @property
    def labels(self):
        """The words that can be chosen."""
        return [label for label, _ in _options(self.inputs[0])]

    @property
    def choices(self):
        """What these words stand for."""
        return [value for _, value in _options(self.inputs[0])]

    @property
    def explanation(self):
        """What is said below it."""
        said = [child.value for child in self.box.children if isinstance(child, widgets.HTML)]
        return markup.text(said[0]) if said else ""

    @property
    def is_disabled(self):
        return all(one.disabled for one in self.inputs)

    @property
    def is_locked(self):
        """Whether it can't be moved though it would have an effect."""
        return self.is_disabled and "Without effect" not in self.explanation

    @property
    def is_visible(self):
        return self.screen.is_visible(self.inputs[0])


def _path(root, widget):
    """From the root to the widget, through the boxes around it."""
    if root is widget:
        return [root]
    for child in getattr(root, "children", ()):
        if below := _path(child, widget):
            return [root, *below]
    return []


def _options(selection):
    return [one if isinstance(one, tuple) else (one, one) for one in selection.options]


def _number(text):
    """As it is read; None for a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return None
