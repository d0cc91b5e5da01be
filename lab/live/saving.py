"""What can be taken out of the explorer: curves as a table, figures as pictures, and a link to save them."""

import csv as table
import io
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import Any

from lab.nn.validation import require_choice

COLUMNS = ("run", "update", "epoch", "loss", "train_accuracy", "val_accuracy")
TYPES = {".csv": "text/csv;charset=utf-8", ".png": "image/png", ".svg": "image/svg+xml"}
FORMS = ("png", "svg")
DOTS_AN_INCH = 200  # of a PNG: 1600 × 900 pixels


def csv(runs: Sequence[tuple]) -> str:
    """The curves of runs as a tidy table, one row an update; epoch and accuracies where they were measured.

    runs: as `lab.plot.race.draw` takes them. A name that stands there twice is numbered.
    """
    text, used = io.StringIO(), Counter[str]()
    rows = table.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for name, _, side in runs:
        used[name] += 1
        run = name if used[name] == 1 else f"{name} ({used[name]})"
        measured = {accuracy.update: accuracy[1:] for accuracy in side.accuracies}
        for update, loss in enumerate(side.loss, start=1):
            epoch, train, val = measured.get(update, ("", "", ""))
            rows.writerow([run, update, epoch, float(loss), train, val])
    return text.getvalue()


def picture(runs: Sequence[tuple], kind: str, form: str) -> bytes:
    """A figure of `lab.plot.race.draw` as "png" or "svg". Raises ValueError for another form or kind."""
    from lab.plot.race import draw  # matplotlib takes a moment, and few need it

    require_choice("form", form, FORMS)
    return _file(draw(runs, kind), form, DOTS_AN_INCH)


def last_picture(runs: Sequence[tuple], sentence: str) -> bytes:
    """What stays of an explorer where nothing can train: a PNG of `lab.plot.race.draw_both`."""
    from lab.plot.race import draw_both

    return _file(draw_both(runs, sentence), "png", DOTS_AN_INCH / 2)


def sweep_picture(
    label: str, values: Any, results: Any, names: dict[str, str], sentence: str, once: Any = ()
) -> bytes:
    """What stays of a sweep: a PNG of `lab.plot.sweep.draw`."""
    from lab.plot.sweep import draw

    return _file(draw(label, values, results, names, sentence, once), "png", DOTS_AN_INCH / 2)


def _file(figure: Any, form: str, dots: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=dots, facecolor="white")
    return file.getvalue()


def link(filename: str, content: str | bytes) -> str:
    """HTML of a link that saves the content under this name; it needs no server.

    filename: ends in .csv, .png or .svg. Raises ValueError for another ending.
    """
    ending = PurePath(filename).suffix
    require_choice("the ending of a file", ending, TYPES)
    packed = b64encode(content.encode() if isinstance(content, str) else content).decode()
    name = escape(filename)
    return (
        f'<a class="lab-save" download="{name}" href="data:{TYPES[ending]};base64,{packed}">Save {name}</a>'
    )
