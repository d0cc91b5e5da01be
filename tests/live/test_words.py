"""What the explorer says: every state, every sentence, and nothing that a browser would take for HTML."""

from itertools import combinations_with_replacement
from types import SimpleNamespace

import numpy as np
import pytest

from lab.live import words
from lab.live.explorer.race import RaceFrame, Side
from lab.nn.layers import NORMALIZATIONS
from lab.train import Config
from lab.train.loop import Accuracy
from tests.live.markup import read, tags, text

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=f()>', "a < b & c"]


def side(
    normalization="batchnorm", loss=(2.0, 1.0), val=0.5, diverged_at=None, own=(), signals=None, **fields
):
    accuracies = [Accuracy(1, 0, 0.4, val)] if val is not None else []
    config = Config(normalization=normalization, **fields)
    return Side(config, np.array(loss, dtype=float), accuracies, diverged_at, signals, own)


def spoken(frame, **refused):
    return words.spoken(frame, words.sentence(frame), **refused)


def frame(**changes):
    shown = {
        "run": 3, "number": 7, "step": 20, "total_steps": 200, "epoch": 1.0, "steps_per_second": 812.4,
        "is_playing": True, "is_done": False, "chosen": side(), "twin": side(None),
    }  # fmt: skip
    return RaceFrame(**{**shown, **changes})


def signals(sizes=(1.0, 1.0, 1.0), silent=(0.1, 0.1, 0.1), is_off=(False, False, False), word="dead"):
    sizes = np.array(sizes, dtype=float)
    return SimpleNamespace(
        sizes=np.stack([sizes / 2, sizes, 2 * sizes], axis=-1),
        silent=np.array(silent), silent_word=word, is_off=np.array(is_off, dtype=bool),
    )  # fmt: skip


# --- names of networks ------------------------------------------------------------------------------------


def test_every_normalization_has_a_name():
    assert set(words.NORMALIZATIONS) == set(NORMALIZATIONS)
    names = [words.name(Config(normalization=mode)) for mode in NORMALIZATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("mode", "own", "name"),
    [
        (None, (), "no normalization"),
        ("batchnorm", (), "batch norm"),
        ("batchnorm", ("batchnorm",), "own batch norm"),
        ("batchnorm+weightstd", ("weightstd",), "own batch norm + weight std."),
        ("batchnorm", ("relu",), "batch norm, own ReLU"),
        ("layernorm", ("layernorm", "affine", "relu"), "own layer norm, own affine layer, ReLU"),
    ],
)
def test_own_code_has_a_name(mode, own, name):
    assert words.name(Config(normalization=mode), own) == name


@pytest.mark.parametrize(
    ("chosen", "twin", "names"),
    [
        ({}, {"normalization": None}, ("batch norm", "no normalization")),
        ({}, {}, ("batch norm", "batch norm, its twin")),
        ({"own": ("batchnorm",)}, {}, ("own batch norm", "batch norm")),
        ({"eps": 1e-5}, {"eps": 1e-8}, ("eps 1e-05", "eps 1e-08")),
        (
            {"noise": True, "seed": 3},
            {"normalization": None, "seed": 4},
            ("batch norm, noise, seed 3", "no normalization, no noise, seed 4"),
        ),
        (
            {"hidden_dims": (20, 10), "activation": "tanh", "optimizer": "sgd", "learning_rate": 0.1},
            {},
            ("20-10, tanh, SGD", "5×100, ReLU, Adam"),
        ),
        (
            {"model": "residual", "placement": "post"},
            {"model": "residual"},
            ("post-norm", "pre-norm"),
        ),
        (
            {"model": "vgg11", "width_factor": 0.25},
            {"hidden_dims": (20,)},
            ("VGG 11, width factor 0.25", "fully connected, 1×20"),
        ),
    ],
)
def test_names_say_what_they_differ_in(chosen, twin, names):
    """At most three settings, in words, and never the same name twice."""
    assert words.names(side(**chosen), side(**twin)) == names


def test_names_of_a_branch():
    assert words.names(side(reg=0.1), side(), is_branched=True) == (
        "batch norm, changed",
        "batch norm, unchanged",
    )


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"weight_scale": 2e-2}, "weight_scale", "weight scale 0.02"),
        ({"reg": 0.5}, "reg", "L2 0.5"),
        ({"normalization": None}, "normalization", "no normalization"),
        ({"noise": True}, "noise", "noise"),
        ({}, "noise", "no noise"),
        ({"hidden_dims": ()}, "hidden_dims", "no hidden layer"),
        ({"hidden_dims": (8, 8)}, "hidden_dims", "2×8"),
        ({"dataset": "cifar10"}, "dataset", "CIFAR-10"),
        ({"dataset": "mine"}, "dataset", "mine"),
        ({}, "train_size", "training samples usual"),
        ({"train_size": 20}, "train_size", "training samples 20"),
        ({"bn_momentum": 0.1}, "bn_momentum", "running momentum 0.1"),
        ({"batch_size": 7}, "batch_size", "batch size 7"),
    ],
)
def test_setting_in_words(fields, field, said):
    assert words.setting(Config(**fields), field) == said


def test_the_run_before_is_named_by_what_was_changed():
    ghost = side(weight_scale=0.5, batch_size=7)
    assert words.before(ghost, side()) == "before: weight scale 0.5, batch size 7"
    assert words.before(side(), side()) == "before: the same"
    assert words.before(side(model="vgg11"), side(hidden_dims=(8,))) == "before: VGG 11"


def test_a_pinned_run_and_its_figures():
    pinned = side("layernorm", loss=[100.0] * 5 + [1.0, 3.0] * 5, val=0.5)
    assert words.pinned(pinned.config) == "layer norm, weight scale 0.02, batch size 50"
    assert words.pinned(Config(model="vgg11")).startswith("VGG 11, batch norm, weight scale")
    assert words.figures(pinned) == "after 15 updates: loss 2, 40% in training, 50% in validation"
    assert words.figures(side(val=None)) == "after 2 updates: loss 1.5"


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({}, "digits · 5×100 ReLU · Adam 0.001"),
        ({"hidden_dims": (20, 10), "activation": "tanh"}, "digits · 20-10 tanh · Adam 0.001"),
        ({"hidden_dims": (), "normalization": None}, "digits · no hidden layer ReLU · Adam 0.001"),
        (
            {"dataset": "cifar10", "optimizer": "sgd", "learning_rate": 0.1},
            "CIFAR-10 · 5×100 ReLU · SGD 0.1",
        ),
        ({"dataset": "own data"}, "own data · 5×100 ReLU · Adam 0.001"),
        ({"model": "residual", "hidden_dims": (50,) * 64}, "digits · residual 64×50 ReLU · Adam 0.001"),
        ({"model": "vgg11", "width_factor": 0.25}, "digits · VGG 11 at width ×0.25 ReLU · Adam 0.001"),
    ],
)
def test_summary(fields, summary):
    assert words.summary(Config(**fields)) == summary


# --- where the run stands -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "training"),
        ({"is_playing": False}, "paused"),
        ({"is_done": True}, "finished"),
        ({"is_done": True, "is_playing": False}, "finished"),
        ({"error": "no"}, "stopped"),
        ({"error": "no", "is_done": True}, "stopped"),
        ({"note": "Loading the data."}, "loading"),
    ],
)
def test_states(changes, state):
    shown = words.status(frame(**changes))
    assert words.state(frame(**changes)) == state
    assert read(shown)[0].attrib["data-state"] == state
    assert f"updates/s · {state}" in text(shown)


def test_status_tells_where_it_is():
    """Run, frame and step are there for scripts, the same in words for those who read."""
    shown = words.status(frame())
    data = {name: value for name, value in read(shown)[0].attrib.items() if name.startswith("data-")}
    assert data == {"data-run": "3", "data-frame": "7", "data-step": "20", "data-state": "training"}
    assert text(shown) == "update 20 of 200 · epoch 1.0 · 812 updates/s · training"


def test_status_is_not_read_aloud():
    """It changes with every frame: a screen reader reads the sentence alone."""
    assert "role" not in read(words.status(frame()))[0].attrib
    assert read(spoken(frame()))[0].attrib["role"] == "status"


def test_status_tells_what_was_changed():
    """The last two changes, and where it was branched."""
    changes = ((3, "L2 0.1"), (5, "learning rate 0.01"), (9, "learning rate 0.02"))
    shown = text(words.status(frame(changes=changes, branched_at=4)))
    assert shown.endswith(
        " · branched at update 4 · learning rate 0.01 from update 5 · learning rate 0.02 from update 9"
    )
    assert "L2" not in shown


# --- sentences ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"chosen": None}, "Starting."),
        ({"twin": None}, "Starting."),
        (
            {},
            "Batch norm: loss 1.5, validation accuracy 50%. No normalization: loss 1.5, "
            "validation accuracy 50%.",
        ),
        (
            {"chosen": side(loss=[], val=None), "twin": side(None, val=None)},
            "Batch norm: not started. No normalization: loss 1.5.",
        ),
        (
            {"twin": side(None, diverged_at=2)},
            "Batch norm: loss 1.5, validation accuracy 50%. No normalization: diverged at update 2, its loss "
            "isn't finite.",
        ),
        (
            {"chosen": side(None)},
            "No normalization: both networks are the same, and their curves lie on each other.",
        ),
        (
            {"chosen": side(), "twin": side(), "branched_at": 9},
            "Batch norm, changed: both networks are the same, and their curves lie on each other. Change the "
            "learning rate or L2, and they part.",
        ),
        (
            {"chosen": side(None, loss=[2.0, 1.8])},
            "No normalization: loss 1.9, validation accuracy 50%. No normalization, its twin: loss 1.5, "
            "validation accuracy 50%.",
        ),
        (
            {"twin": side(None, signals=signals(sizes=(1.0, 1e-2, 3e-5)))},
            "Batch norm: loss 1.5, validation accuracy 50%. No normalization: loss 1.5, validation accuracy "
            "50%; its activations vanish, to 3e-05 in layer 3.",
        ),
        ({"error": "batch_size 1 can't be"}, "batch_size 1 can't be"),
        ({"note": "Loading the data."}, "Loading the data."),
        ({"note": "Loading the data.", "chosen": None}, "Loading the data."),
    ],
)
def test_sentences(changes, sentence):
    assert words.sentence(frame(**changes)) == sentence
    assert text(spoken(frame(**changes))).startswith(sentence)


def test_loss_is_the_mean_of_the_last_ten():
    assert "loss 2," in words.sentence(frame(chosen=side(loss=[100.0] * 5 + [1.0, 3.0] * 5)))


def test_a_loss_with_its_penalty_is_called_so():
    decaying = side(reg=0.1)
    assert " with its L2 penalty, " in words.sentence(frame(chosen=decaying))
    assert words.figures(decaying).count("with its L2 penalty") == 1
    assert "penalty" not in words.sentence(frame())


@pytest.mark.parametrize(
    ("seen", "remark"),
    [
        ({}, ""),
        ({"sizes": (1, 1, 9e-4)}, "its activations vanish, to 9e-04 in layer 3"),
        ({"sizes": (1, 1, 2e4)}, "its activations explode, to 2e+04 in layer 3"),
        ({"sizes": (1e-5, 1e5, 1)}, ""),
        ({"silent": (0.1, 0.6, 0.55)}, "60% of its layer 2 is dead"),
        ({"silent": (0.1, 0.49, 0.4)}, ""),
        ({"silent": (0.9, 0.2, 0.5), "word": "saturated"}, "90% of its layer 1 is saturated"),
        ({"is_off": (0, 1, 0)}, "its batch norm is off in layer 2"),
        ({"is_off": (1, 1, 1)}, "its batch norm is off in layers 1 to 3"),
        ({"is_off": (1, 0, 1)}, "its batch norm is off in layers 1 and 3"),
        ({"is_off": (0, 1, 1), "sizes": (1, 1, 1e-9)}, "its batch norm is off in layers 2 to 3"),
        ({"sizes": (1, 1, np.nan), "silent": (0.0, 0.0, 1.0)}, "100% of its layer 3 is dead"),
        ({"sizes": (1, 1, np.nan), "silent": (0.0, 0.0, np.nan)}, ""),
    ],
)
def test_the_most_striking_thing_is_said(seen, remark):
    assert words.remark(side(signals=signals(**seen))) == remark


def test_nothing_is_said_of_what_was_not_seen():
    assert words.remark(side()) == ""
    nothing = signals(sizes=np.zeros(0), silent=np.zeros(0), is_off=np.zeros(0))
    assert words.remark(side(signals=nothing)) == ""


def test_why_an_input_was_not_taken_comes_first():
    shown = spoken(frame(), refused="depth must be between 1 and 20, not 0")
    assert text(shown).startswith("depth must be between 1 and 20, not 0 Batch norm: loss 1.5")
    assert tags(shown) == ["div", "span"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_html_in_an_error_is_text(hostile):
    """An error is text, whatever stands in it: the tags are those of any other error."""
    harmless, shown = (spoken(frame(error=said, details=said), refused=said) for said in ("no", hostile))
    assert tags(shown) == tags(harmless) == ["div", "span", "span", "details", "summary", "pre"]
    assert "".join(read(shown).itertext()).count(hostile) == 3


@pytest.mark.parametrize("hostile", HOSTILE)
def test_html_in_a_sentence_is_text(hostile):
    """A name comes from whoever wrote the code or the data."""
    shown = spoken(frame(chosen=side(own=(hostile,))))
    assert tags(shown) == ["div"]
    assert hostile in text(shown)
    shown = words.status(frame(changes=((1, hostile),)))
    assert tags(shown) == ["div"]
    assert hostile in text(shown)


def test_all_pairs_have_a_sentence():
    for one, other in combinations_with_replacement(NORMALIZATIONS, 2):
        said = words.sentence(frame(chosen=side(one), twin=side(other)))
        assert said[0].isupper()
        assert said[-1] == "."
