"""A figure as a user reads it: its title, axes and key, and each curve by whose it is."""

import re

import bqplot
import ipywidgets as widgets
import numpy as np

from lab.plot.colours import ROLES
from tests.live import markup

NOTHING = np.zeros((2, 0))


def classes(widget):
    """The style classes of a widget, as the page gets them."""
    return widget.get_state("_dom_classes")["_dom_classes"]


def descendants(widget):
    """All widgets in a box, in the order of the screen, those that are hidden, too."""
    for child in getattr(widget, "children", ()):
        yield child
        yield from descendants(child)


def send(widget, content):
    """Let a widget hear what the page reports of a click or a drag."""
    data = {"method": "custom", "content": content}
    widget.comm.handle_msg({"content": {"data": data}, "buffers": []})


class Figure:
    """A box with a plot in it, and what stands around the plot.

    Curves of the explorer have a role, which the style sheet and bqplot tell by colour; those of a sweep
    stand in the order of `names`.
    """

    def __init__(self, box, names=()):
        self.box, self.names = box, list(names)
        (self.plot,) = self._parts(bqplot.Figure)

    def _parts(self, kind):
        return [part for part in descendants(self.box) if isinstance(part, kind)]

    def _marks(self, kind):
        return [mark for mark in self.plot.marks if isinstance(mark, kind)]

    # --- around the plot -----------------------------------------------------------------------------

    @property
    def title(self):
        """What was chosen to be seen, or the caption."""
        choices = self._parts(widgets.Dropdown)
        return choices[0].label if choices else markup.text(self._parts(widgets.HTML)[0].value)

    @property
    def offered(self):
        """The titles of all that can be chosen to be seen."""
        return [label for label, _ in self._parts(widgets.Dropdown)[0].options]

    def show(self, title):
        """Choose what is to be seen."""
        self._parts(widgets.Dropdown)[0].set_state({"index": self.offered.index(title)})

    @property
    def layer(self):
        """The field for the layer that is to be seen."""
        return self._parts(widgets.BoundedIntText)[0]

    @property
    def has_layers(self):
        """Whether a layer can be chosen."""
        return self.layer.layout.display != "none"

    def choose_layer(self, number):
        assert self.has_layers, "there is no layer to choose"
        self.layer.set_state({"value": number})

    @property
    def key(self):
        """The HTML that says what curves and marks stand for."""
        return next(part.value for part in self._parts(widgets.HTML) if "lab-hidden" not in classes(part))

    @property
    def keys(self):
        """Whose, in which style and what for each entry of the key."""
        entries = markup.styled(self.key, "lab-key")
        return [
            (entry.get("class").removeprefix("lab-key").strip(), entry[0].get("class"), markup.text(entry))
            for entry in entries
        ]

    @property
    def words(self):
        """The HTML that tells a screen reader what can be seen."""
        return next(part.value for part in self._parts(widgets.HTML) if "lab-hidden" in classes(part))

    # --- axes ------------------------------------------------------------------------------------------

    @property
    def x_axis(self):
        return next(axis for axis in self.plot.axes if axis.side == "bottom")

    @property
    def y_axis(self):
        return next(axis for axis in self.plot.axes if axis.side == "left")

    @property
    def x_span(self):
        return self.x_axis.scale.min, self.x_axis.scale.max

    @property
    def y_span(self):
        return self.y_axis.scale.min, self.y_axis.scale.max

    # --- marks -----------------------------------------------------------------------------------------

    def lines(self, style="solid"):
        """The mark with the curves of all roles in one style: "solid", "dashed", "band", or "guide", which is
        dotted."""
        return next(mark for mark in self._marks(bqplot.Lines) if style == _style(mark))

    def both(self, style="solid"):
        """All x and y that are sent of all roles in one style, (2, roles, points)."""
        mark = self.lines(style)
        return np.array([mark.x, mark.y])

    def row(self, role, style="solid"):
        """All x and y that are sent of a curve, (2, points)."""
        row = self.lines(style).colors.index(ROLES[role])
        both = self.both(style)
        return both[:, row] if both.shape[1] > row else NOTHING

    def curve(self, role, style="solid"):
        """x and y of a curve as it is seen, (2, points): without the point that it rests at; none where it
        lies at x = 0 and was never drawn."""
        both = self.row(role, style)
        if not both.size:
            return both
        moves = np.flatnonzero((both != both[:, -1:]).any(axis=0))
        return both[:, : moves[-1] + 2 if len(moves) else int(both[0, 0] != 0)]

    def has(self, role, style="solid"):
        """Whether such a curve is to be seen."""
        return self.curve(role, style).size > 0

    @property
    def crosses(self):
        return self._scatter("cross")

    @property
    def zeros(self):
        """Where curves leave the figure at its lower edge."""
        return self._scatter("triangle-down")

    def _scatter(self, marker):
        return next(mark for mark in self._marks(bqplot.Scatter) if mark.marker == marker)

    @property
    def points(self):
        """The points that can be clicked or dragged."""
        return next(mark for mark in self._marks(bqplot.Scatter) if mark.marker in ("square", "circle"))

    # --- of a sweep ------------------------------------------------------------------------------------

    @property
    def guide(self):
        """x of the vertical line at the value that is chosen."""
        (line,) = [mark for mark in self._marks(bqplot.Lines) if np.ndim(mark.x) == 1]
        return line.x

    @property
    def grown(self):
        """The mark that holds a line for each name."""
        (lines,) = [mark for mark in self._marks(bqplot.Lines) if np.ndim(mark.x) == 2]
        return lines

    def line(self, name):
        """x and y of a normalization's line, (2, points)."""
        row = self.names.index(name)
        return np.array([self.grown.x[row], self.grown.y[row]])

    def points_of(self, name):
        """x, y and size of a normalization's points, (3, points)."""
        own = slice(self.names.index(name), None, len(self.names))
        return np.array([self.points.x[own], self.points.y[own], self.points.size[own]])

    def means_of(self, name):
        """y of the points that stand for all seeds of a normalization, (values,)."""
        _, y, size = self.points_of(name)
        return y[size == 1]

    def click(self, index, **place):
        """Click a point, as bqplot reports it; place: x and y where it was when it was drawn."""
        place = place or {"x": float(self.points.x[index]), "y": float(self.points.y[index])}
        send(self.points, {"event": "element_click", "data": {**place, "index": index}})


def _style(lines):
    if lines.fill == "inside":
        return "band"
    return "guide" if lines.line_style == "dotted" else lines.line_style


def names_in_order(rules, keys):
    """The words that a key has for curves, in the order in which style rules give these their looks."""
    looks = re.findall(r":nth-of-type\(\d+n \+ \d+\) {(.*?)}", rules)
    said = {
        mark.get("style"): markup.text(entry).split(",")[0]
        for entry in markup.styled(keys, "lab-key")
        for mark in entry.iter("i")
    }
    return [said[look.strip()] for look in looks]
