"""All controls alike: shown from outside, locked, and at rest where nothing hears them."""

import threading
from functools import cache

import numpy as np
import pytest

from lab.live.controls import FIELDS, to_config
from lab.nn.layers import CONVENTIONS, LAYERS, NORMALIZATIONS
from lab.nn.models import MODELS
from lab.nn.models.architecture import SHAPING
from lab.train import Config, train
from lab.train.config import unheard
from lab.train.samples import load_data
from tests.live.figure import classes
from tests.live.one_control import BY_NAME, DEFAULTS, by_hand, control_of, shown

ROWS = 100  # of training
PUBLISHED = [model for model in MODELS if "hidden_dims" in unheard(model)]  # with their own channels


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_show_is_not_a_change(field):
    control, heard = control_of(field.name)
    for value in [value for _, value in field.choices] or field.positions:
        control.show(value)
        assert control.value == value
        assert shown(control) in (
            (field.text(value), field.positions.index(value)) if field.positions else (),
            next((label for label, choice in field.choices if choice == value), None),
        )
    assert heard == []


def test_show_keeps_a_number_that_its_text_rounds():
    control, heard = control_of("weight_scale")
    control.show(0.12345678901234567)
    assert control.value == 0.12345678901234567
    assert shown(control)[0] == "0.123456789012"
    assert heard == []


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_disabled_locks_all_inputs(field):
    control, _ = control_of(field.name)
    for is_locked in (True, False):
        control.is_locked = is_locked
        assert [one.disabled for one in control.children[:-1]] == [is_locked] * (len(control.children) - 1)
        assert control.is_locked is is_locked


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_it_bears_its_name(field):
    control, _ = control_of(field.name)
    assert {"lab-control", f"lab-control-{field.name}"} <= set(classes(control))
    assert control.children[0].description == field.label


def test_changes_may_come_from_another_thread():
    control, heard = control_of("weight_scale")
    thread = threading.Thread(target=by_hand, args=(control,), kwargs={"position": 0, "text": "0.5"})
    thread.start()
    thread.join()
    assert heard == [("weight_scale", 1e-4), ("weight_scale", 0.5)]


@pytest.mark.parametrize(
    ("name", "heard", "deaf"),
    [
        ("weight_scale", {}, {"initialization": "he"}),
        ("weight_scale", {}, {"initialization": "xavier"}),
        ("num_groups", {"normalization": "groupnorm+weightstd"}, {"normalization": "batchnorm"}),
        ("eps", {"normalization": "rmsnorm"}, {"normalization": None}),
        ("eps", {}, {"normalization": "weightstd"}),
        ("convention", {}, {"normalization": None}),
        ("convention", {}, {"normalization": "rmsnorm"}),
        ("depth", {}, {"model": "vgg11"}),
        ("width", {"model": "convolutional"}, {"model": "vgg11"}),
        ("width_factor", {"model": "vgg11"}, {"model": "convolutional"}),
        ("placement", {"model": "residual"}, {}),
        ("placement", {"model": "residual"}, {"model": "residual", "normalization": None}),
    ],
)
def test_a_control_that_nothing_hears_rests_and_says_why(name, heard, deaf):
    """It moves as long as one of the two networks hears it; what is locked stays locked."""
    control, _ = control_of(name)
    explanation = control.children[-1]
    usual = explanation.value
    control.hear(Config(**deaf), Config(**deaf))
    assert all(one.disabled for one in control.children[:-1])
    assert control.field.idle(Config(**deaf)) in explanation.value
    control.hear(Config(**deaf), Config(**heard))
    assert not any(one.disabled for one in control.children[:-1])
    assert explanation.value == usual
    control.is_locked = True
    control.hear(Config(**deaf))
    control.hear(Config(**heard))
    assert all(one.disabled for one in control.children[:-1])


def test_why_it_rests_is_said_in_words():
    said = {BY_NAME[name].idle(Config(**to_config({**DEFAULTS, "model": model, "normalization": mode})))
            for name in BY_NAME for model in MODELS for mode in NORMALIZATIONS
            if not (model in PUBLISHED and "groupnorm" in (mode or ""))}  # fmt: skip
    assert {"", "Without effect on a VGG 11 network.", "Without effect on RMS norm."} < said
    assert all(sentence.startswith("Without effect") and sentence[-1] == "." for sentence in said - {""})
    assert all("_" not in sentence and len(sentence) <= 60 for sentence in said)


@cache
def digits():
    """The samples of all these networks, which are read once."""
    return load_data(Config(train_size=ROWS))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("weight_scale", (0.01, 0.1)),
        ("num_groups", (2, 5)),
        ("eps", (1e-5, 0.1)),
        ("convention", ("course", "unbiased")),
    ],
)
@pytest.mark.parametrize("model", [{}, {"model": "convolutional"}, {"model": "residual"}], ids=str)
def test_what_rests_changes_nothing(name, values, model):
    """And what doesn't rest does: the networks that are made with two of its values differ, or don't."""
    modes = [{"normalization": mode} for mode in NORMALIZATIONS if "+" not in (mode or "")]
    for changes in {}, {"initialization": "he"}, *modes:
        config = Config(hidden_dims=(10, 10), epochs=1, train_size=ROWS, **model, **changes)
        if changes.get("normalization") == "weightstd" and name == "convention":
            values = ("course", "official")
        first, second = (train(config.replace(**{name: value}), digits()).loss for value in values)
        assert np.array_equal(first, second) == bool(BY_NAME[name].idle(config)), changes


@pytest.mark.parametrize("model", MODELS)
def test_a_model_hears_its_own_shape_alone(model):
    """Its fields come back with it; those of the others are at their defaults meanwhile."""
    chosen = {**DEFAULTS, "depth": 3, "width": 20, "placement": "post", "width_factor": 0.25}
    changes = to_config({**chosen, "model": model}, "model")
    assert set(changes) == {"model", *SHAPING}
    config = Config(**changes)
    for name, value in {"hidden_dims": (20,) * 3, "placement": "post", "width_factor": 0.25}.items():
        default = getattr(Config(), name)
        assert getattr(config, name) == (default if name in unheard(model) else value)


def test_vgg_chosen_by_hand_is_small():
    """At full width an update takes seconds."""
    assert Config(**to_config({**DEFAULTS, "model": "vgg11"})).width_factor < 0.2


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_conventions_are_offered_where_they_are_heard(normalization):
    kinds = (normalization or "").split("+")
    heard = {name for kind in kinds if kind for name in LAYERS[kind].conventions}
    control, calls = control_of("convention")
    (selection, _) = control.children
    control.hear(Config(normalization=normalization), Config(normalization=None))
    assert {value for _, value in selection.options} == (heard or set(CONVENTIONS))
    assert selection.value == "course"
    assert calls == []


def test_a_convention_that_is_not_heard_comes_back():
    """Meanwhile the first is taken, and shown; no change of options is a change by hand."""
    control, calls = control_of("convention", "official")
    control.hear(Config(normalization="batchnorm"))
    assert (control.value, shown(control)) == ("official", "course")
    control.hear(Config(normalization="weightstd"))
    assert (control.value, shown(control)) == ("official", "official weight std.")
    assert calls == []
    control.hear(Config(normalization="batchnorm"))
    by_hand(control, index=1)
    assert calls == [("convention", "pytorch")]


def test_a_decimal_comma_is_a_point():
    """In numbers that have decimals; of a whole one nobody knows whether it was meant for thousands."""
    assert BY_NAME["weight_scale"].number("0,02") == 0.02
    assert BY_NAME["learning_rate"].number("1,5e-3") == 1.5e-3
    for name, text in ("train_size", "1,000"), ("weight_scale", "0,0,2"), ("weight_scale", "0,0.2"):
        with pytest.raises(ValueError, match=f"must be .*, not {text}"):
            BY_NAME[name].number(text)
