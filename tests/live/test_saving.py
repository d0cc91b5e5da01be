"""What is saved can be read again: tables by pandas, pictures by their own formats, links by a browser."""

import base64
import io
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from lab.live import saving
from lab.train.loop import Accuracy
from tests.live.stage import CONFIG

SIDE = SimpleNamespace(
    loss=np.array([2.5, 1.0 / 3, np.nan], dtype=np.float64),
    accuracies=[Accuracy(1, 0, 0.25, 0.5), Accuracy(3, 1, 0.75, 0.625)],
    config=CONFIG,
)
RUNS = [
    ("batch norm", "chosen", SIDE),
    ("none", "twin", SimpleNamespace(loss=[1.0], accuracies=[], config=CONFIG)),
]


def read(text):
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=["", "nan"])


def test_table():
    """One row an update; epoch and accuracies stand where they were measured."""
    table = read(saving.csv(RUNS))
    assert list(table.columns) == ["run", "update", "epoch", "loss", "train_accuracy", "val_accuracy"]
    assert list(table["run"]) == ["batch norm"] * 3 + ["none"]
    assert list(table["update"]) == [1, 2, 3, 1]
    blank = np.nan
    np.testing.assert_array_equal(table["loss"], [2.5, 1.0 / 3, blank, 1.0])
    np.testing.assert_array_equal(table["epoch"], [0, blank, 1, blank])
    np.testing.assert_array_equal(table["train_accuracy"], [0.25, blank, 0.75, blank])
    np.testing.assert_array_equal(table["val_accuracy"], [0.5, blank, 0.625, blank])


@pytest.mark.parametrize("name", ['a, "b"', "two\nlines", "x;y", "Grüße", "a'b"])
def test_names_come_back_as_they_are(name):
    table = read(saving.csv([(name, "pinned", SIDE)]))
    assert list(table["run"]) == [name] * 3


def test_runs_of_the_same_name_can_be_told_apart():
    table = read(
        saving.csv([("a", "pinned", SIDE), ("a", "pinned", SIDE), ("b", "twin", SIDE), ("a", "ghost", SIDE)])
    )
    assert list(table["run"].unique()) == ["a", "a (2)", "b", "a (3)"]


def test_a_table_of_nothing_has_its_head():
    assert saving.csv([]) == "run,update,epoch,loss,train_accuracy,val_accuracy\n"


@pytest.mark.parametrize("kind", ["loss", "accuracy"])
def test_pictures(kind):
    png = saving.picture(RUNS, kind, "png")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(png[at : at + 4]) for at in (16, 20)] == [1600, 900]
    assert ElementTree.fromstring(saving.picture(RUNS, kind, "svg")).tag == "{http://www.w3.org/2000/svg}svg"


def test_kinds_differ():
    assert saving.picture(RUNS, "loss", "png") != saving.picture(RUNS, "accuracy", "png")


def test_other_forms_are_refused():
    with pytest.raises(ValueError, match="form must be one of png, svg, not 'pdf'"):
        saving.picture(RUNS, "loss", "pdf")
    with pytest.raises(ValueError, match=r"the ending of a file must be one of .csv, .png, .svg, not '.exe'"):
        saving.link("curves.exe", b"")


@pytest.mark.parametrize(
    ("filename", "content", "kind"),
    [
        ("curves.csv", "run,loss\nGrüße,1\n", "text/csv;charset=utf-8"),
        ("loss.png", bytes(range(256)), "image/png"),
        ('my "<loss>" & me.svg', "<svg/>", "image/svg+xml"),
    ],
)
def test_link_holds_the_file(filename, content, kind):
    """Under its name, whole, and as one tag whatever the name holds."""
    html = ElementTree.fromstring(saving.link(filename, content))
    assert (html.tag, len(html)) == ("a", 0)
    assert html.get("download") == filename
    assert html.text == f"Save {filename}"
    head, packed = re.fullmatch(r"data:(.*);base64,(.*)", html.get("href")).groups()
    assert head == kind
    assert base64.b64decode(packed) == (content.encode() if isinstance(content, str) else content)
