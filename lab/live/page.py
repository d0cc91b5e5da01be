"""What a widget brings onto the page besides itself: style sheets, the script, an alarm, folds."""

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from lab.files import ASSETS

SCRIPT = "explorer.js"
PATIENCE = 15  # seconds without news while it trains; two updates of own code may take ten
HIDDEN, SHOWN = "none", ""  # values of layout.display


def sheet(styles: Sequence[str]) -> widgets.HTML:
    """A widget that shows nothing: it brings style sheets along, and what the page itself has to do."""
    style = "".join((ASSETS / name).read_text("utf-8") for name in styles)
    script = escape((ASSETS / SCRIPT).read_text("utf-8"))
    return widgets.HTML(f'<style onload="{script}">{style}</style>', layout=widgets.Layout(display=HIDDEN))


def alarm() -> widgets.HTML:
    """A sentence that the script shows where the kernel is silent."""
    said = (
        f"The kernel has said nothing for {PATIENCE} seconds: it is busy with another cell, or gone. "
        "If it is gone, run this cell again."
    )
    return widgets.HTML(
        f'<div class="lab-lost" role="alert" data-seconds="{PATIENCE}" hidden>{escape(said)}</div>'
    )


def fold(label: str, children: Sequence[Any]) -> list[widgets.Widget]:
    """A button that shows and hides what lies behind it, and that; both work by keyboard."""
    content = widgets.VBox(children, layout=widgets.Layout(display=HIDDEN))
    content.add_class("lab-fold")
    button = widgets.ToggleButton(description=f"▸ {label}", layout=widgets.Layout(width="auto"))
    button.add_class("lab-folder")

    def turn(change: Any) -> None:
        content.layout.display = SHOWN if change["new"] else HIDDEN
        button.description = f"{'▾' if change['new'] else '▸'} {label}"

    button.observe(turn, "value")
    return [button, content]
