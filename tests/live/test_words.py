"""What the explorer says: every state, every sentence, and nothing that a browser would take for HTML."""

from html.parser import HTMLParser
from itertools import combinations_with_replacement

import numpy as np
import pytest

from lab.live import words
from lab.live.explorer import MODES
from lab.live.race import Frame, Side
from lab.nn.network import NORMALIZATIONS
from lab.train import Config
from lab.train.loop import Accuracy


def side(normalization="batchnorm", loss=(2.0, 1.0), val=0.5, diverged_at=None):
    accuracies = [Accuracy(1, 0, 0.4, val)] if val is not None else []
    return Side(Config(normalization=normalization), np.array(loss, dtype=float), accuracies, diverged_at)


def frame(**changes):
    shown = {
        "run": 3, "number": 7, "step": 20, "total_steps": 200, "epoch": 1.0, "steps_per_second": 812.4,
        "is_playing": True, "is_done": False, "chosen": side(), "twin": side(None),
    }  # fmt: skip
    return Frame(**{**shown, **changes})


class Tags(HTMLParser):
    """The tags, the attributes of the first one, and the text of a piece of HTML."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], {}, ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.attributes = self.attributes or dict(attributes)
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_every_normalization_has_a_name():
    assert set(words.NORMALIZATIONS) == set(NORMALIZATIONS)
    names = [words.name(Config(normalization=mode)) for mode in NORMALIZATIONS]
    assert len(set(names)) == len(names)
    assert set(MODES) <= set(words.NORMALIZATIONS)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "training"),
        ({"is_playing": False}, "paused"),
        ({"is_done": True}, "finished"),
        ({"is_done": True, "is_playing": False}, "finished"),
        ({"error": "no"}, "stopped"),
        ({"error": "no", "is_done": True}, "stopped"),
    ],
)
def test_states(changes, state):
    shown = Tags(words.status(frame(**changes)))
    assert words.state(frame(**changes)) == state
    assert shown.attributes["data-state"] == state
    assert f"updates/s · {state}" in shown.text


def test_status_tells_where_it_is():
    """Run, frame and step are there for scripts, the same in words for those who read."""
    shown = Tags(words.status(frame()))
    data = {name: value for name, value in shown.attributes.items() if name.startswith("data-")}
    assert data == {"data-run": "3", "data-frame": "7", "data-step": "20", "data-state": "training"}
    assert shown.attributes["role"] == "status"
    assert shown.text.startswith("update 20 of 200 · epoch 1.0 · 812 updates/s · training")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"chosen": None}, "Starting."),
        ({"twin": None}, "Starting."),
        (
            {},
            "Batch norm: loss 1.5, validation accuracy 50%; no normalization: loss 1.5, "
            "validation accuracy 50%.",
        ),
        (
            {"chosen": side(loss=[], val=None), "twin": side(None, val=None)},
            "Batch norm: not started; no normalization: loss 1.5.",
        ),
        (
            {"twin": side(None, diverged_at=2)},
            "Batch norm: loss 1.5, validation accuracy 50%; no normalization: diverged at update 2, its loss "
            "isn't finite.",
        ),
        (
            {"chosen": side(None)},
            "Both networks have no normalization, and their curves lie on each other.",
        ),
        (
            {"chosen": side(None, loss=[2.0, 1.8])},
            "No normalization: loss 1.9, validation accuracy 50%; no normalization: loss 1.5, "
            "validation accuracy 50%.",
        ),
        ({"error": "batch_size 1 can't be"}, "batch_size 1 can't be"),
    ],
)
def test_sentences(changes, sentence):
    assert words.sentence(frame(**changes)) == sentence
    assert sentence in Tags(words.status(frame(**changes))).text


def test_loss_is_the_mean_of_the_last_ten():
    assert "loss 2," in words.sentence(frame(chosen=side(loss=[100.0] * 5 + [1.0, 3.0] * 5)))


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        ({}, "digits · 5×100 ReLU · Adam 0.001"),
        ({"hidden_dims": (20, 10), "activation": "tanh"}, "digits · 20-10 tanh · Adam 0.001"),
        ({"hidden_dims": (), "normalization": None}, "digits · no hidden layer ReLU · Adam 0.001"),
        (
            {"dataset": "cifar10", "optimizer": "sgd", "learning_rate": 0.1},
            "CIFAR-10 · 5×100 ReLU · SGD 0.1",
        ),
    ],
)
def test_setting(fields, setting):
    assert words.setting(Config(**fields)) == setting


def test_setting_with_own_data():
    assert words.setting(Config(), "own data").startswith("own data · ")


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=f()>', "a < b & c"])
def test_status_escapes_html(hostile):
    """An error is text, whatever stands in it: the tags are those of any other error."""
    harmless, shown = (Tags(words.status(frame(error=said, details=said))) for said in ("no", hostile))
    assert shown.tags == harmless.tags == ["div", "div", "div", "details", "summary", "pre"]
    assert shown.text.count(hostile) == 2


def test_all_pairs_have_a_sentence():
    for one, other in combinations_with_replacement(NORMALIZATIONS, 2):
        said = words.sentence(frame(chosen=side(one), twin=side(other)))
        assert said[0].isupper()
        assert said[-1] == "."
