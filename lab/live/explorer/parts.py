"""The explorer's buttons: its first row, and what lies behind its folds (runs, sharing and saving).

Each function makes widgets as attributes of `parts`, and returns the box that they are in.
"""

from types import SimpleNamespace
from typing import Any

import ipywidgets as widgets

from lab.live.explorer.scenes import SCENES
from lab.live.page import HIDDEN, fold
from lab.train import Config

SPEEDS = (1, 2, 5, 10, 20, 50)  # updates from frame to frame
TEN_SECONDS = 0  # in place of None, which to a selection means that nothing is selected
PINS = ("pinned1", "pinned2", "pinned3")
SAVED = {
    "curves as CSV": ("csv", ""), "loss as PNG": ("png", "loss"), "loss as SVG": ("svg", "loss"),
    "accuracy as PNG": ("png", "accuracy"), "accuracy as SVG": ("svg", "accuracy"),
}  # fmt: skip


def head_row(parts: Any, speed: int | None, scene: Any) -> widgets.Box:
    """The wishes, the pace, the scenes, large type. speed: see `Race`."""
    wishes = {
        "play": ("Play", "play", "train until the end"),
        "pause": ("Pause", "pause", "stop here; what was reached stays"),
        "back": ("Back", "step-backward", "one update back"),
        "step": ("Step", "step-forward", "one update of both networks"),
        "reset": ("Reset", "undo", "back to the first weights"),
    }
    parts.wishes = {
        wish: widgets.Button(description=label, icon=icon, tooltip=tooltip)
        for wish, (label, icon, tooltip) in wishes.items()
    }
    speeds = sorted({*SPEEDS, speed or 1})
    parts.speed = widgets.SelectionSlider(
        options=[("a run in 10 s", TEN_SECONDS), *((f"{one} a frame", one) for one in speeds)],
        value=speed or TEN_SECONDS, description="pace",
    )  # fmt: skip
    parts.scene = widgets.Dropdown(
        options=[("choose a scene", ""), *((name, name) for name in SCENES)],
        value=scene.name if scene else "", tooltip="scene",
    )  # fmt: skip
    parts.presenter = widgets.ToggleButton(description="Presenter", tooltip="large type, for a room")
    head = widgets.Box([*parts.wishes.values(), parts.speed, parts.scene, parts.presenter])
    head.add_class("lab-head")
    return head


def runs_fold(parts: Any) -> list[widgets.Widget]:
    """Pin, name and compare runs; branch; go back."""
    parts.pin = widgets.Button(description="Pin this run", icon="thumb-tack", tooltip="its curves stay")
    parts.branch = widgets.Button(
        description="Branch", icon="code-fork",
        tooltip="the run as it is goes on as the twin; change the learning rate or L2, and see",
    )  # fmt: skip
    parts.update = widgets.BoundedIntText(1, min=1, max=10**9, description="update")
    parts.go_back = widgets.Button(description="Go back there", tooltip="back to just after this update")
    parts.pins = []
    for role in PINS:
        name = widgets.Text(continuous_update=False, tooltip="name of the run")
        figures = widgets.HTML()
        again = widgets.Button(description="Open", tooltip="train with its settings")
        remove = widgets.Button(description="Remove", tooltip="take its curves away")
        box = widgets.VBox(
            [name, figures, widgets.HBox([again, remove])], layout=widgets.Layout(display=HIDDEN)
        )
        box.add_class("lab-pin")
        box.add_class(role)
        parts.pins.append(SimpleNamespace(name=name, figures=figures, again=again, remove=remove, box=box))
    return fold(
        "runs: pin, branch, go back",
        [
            widgets.HBox([parts.pin, parts.branch]),
            widgets.HBox([parts.update, parts.go_back]),
            *(pin.box for pin in parts.pins),
        ],
    )


def share_fold(parts: Any, config: Config) -> list[widgets.Widget]:
    """Copy, paste and save."""
    parts.share = widgets.Text(config.share(), description="share", continuous_update=False)
    parts.copy = widgets.HTML(copy_button(config.share()))
    parts.saved = widgets.Dropdown(options=list(SAVED), tooltip="what to save")
    parts.save = widgets.Button(description="Save", icon="download", tooltip="make the file")
    parts.link = widgets.HTML()
    note = widgets.HTML("<span>Paste a string from somebody else and press Enter: it opens.</span>")
    return fold(
        "share and save",
        [parts.share, parts.copy, note, widgets.HBox([parts.saved, parts.save]), parts.link],
    )


def copy_button(text: str) -> str:
    return (
        f'<button class="jupyter-button lab-copy" onclick="navigator.clipboard.writeText(\'{text}\')">'
        "Copy the string</button>"
    )
