"""Controls: what each can be set to, one call a change, and sentences for what can't be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.data.catalogue import CATALOGUE
from lab.live.controls import FIELDS, from_config, to_config
from lab.nn.initialization import INITIALIZATIONS
from lab.nn.layers import ACTIVATIONS, CONVENTIONS, NORMALIZATIONS
from lab.nn.models import MODELS
from lab.nn.models.architecture import PLACEMENTS
from lab.nn.optim import OPTIMIZERS
from lab.train import Config
from lab.train.config import unheard
from tests.live.one_control import BY_NAME, DEFAULTS, by_hand, control_of, shown

NUMBERS = [field for field in FIELDS if field.positions]
CHOICES = [field for field in FIELDS if field.choices]
PUBLISHED = [model for model in MODELS if "hidden_dims" in unheard(model)]  # with their own channels
HEARING = {"placement": "residual", "width_factor": "vgg11"}  # models that hear what the default one doesn't

# --- the table ---------------------------------------------------------------------------------------


def test_the_main_controls_come_first():
    names = [field.name for field in FIELDS]
    assert names[:3] == ["weight_scale", "batch_size", "normalization"]
    assert [field.name for field in FIELDS if field.is_main] == names[:3]
    assert len(set(names)) == len({field.label for field in FIELDS}) == len(FIELDS) == 23


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_explains_itself(field):
    assert 20 < len(field.explanation) <= 60
    assert field.explanation[0].isupper()
    assert field.explanation[-1] == "."
    assert "_" not in field.label + field.explanation
    assert bool(field.positions) != bool(field.choices)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("normalization", NORMALIZATIONS),
        ("activation", ACTIVATIONS),
        ("initialization", INITIALIZATIONS),
        ("optimizer", OPTIMIZERS),
        ("model", MODELS),
        ("placement", PLACEMENTS),
        ("convention", CONVENTIONS),
        ("dataset", CATALOGUE),
    ],
)
def test_all_that_the_lab_has_can_be_chosen(name, values):
    assert {value for _, value in BY_NAME[name].choices} == set(values)
    assert len({label for label, _ in BY_NAME[name].choices}) == len(values)


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_positions_rise_and_hold_the_default(field):
    numbers = [position for position in field.positions if position is not None]
    assert numbers == sorted(set(numbers))
    assert DEFAULTS[field.name] in field.positions
    assert all(field.number(field.text(position)) == position for position in field.positions)
    assert field.whole == all(isinstance(number, int) for number in numbers)


def test_weight_scales_are_ten_a_decade():
    positions = BY_NAME["weight_scale"].positions
    assert len(positions) == 41
    assert (positions[0], positions[-1]) == (1e-4, 1.0)
    assert {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1} <= set(positions)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_position_makes_a_configuration(field):
    """No slider leads where the configuration refuses, but for what depends on another control."""
    values = [value for _, value in field.choices] or field.positions
    for value in values:
        if (field.name, value) == ("batch_size", 1):  # which batch norm refuses, in words
            continue
        model = HEARING.get(field.name, "fully_connected")
        config = Config(**to_config({**DEFAULTS, "model": model, field.name: value}))
        assert from_config(config)[field.name] == value


def _values(field):
    if field.choices:
        return st.sampled_from([value for _, value in field.choices])
    between = st.integers(*field.limits) if field.whole else st.floats(*field.limits)
    return st.sampled_from(field.positions) | between


@given(st.fixed_dictionaries({field.name: _values(field) for field in FIELDS}), st.data())
def test_values_and_configurations_are_the_same_thing(values, data):
    width = values["width"]
    divisors = [groups for groups in range(1, width + 1) if width % groups == 0]
    values |= {"num_groups": data.draw(st.sampled_from(divisors)), "batch_size": max(2, values["batch_size"])}
    if values["model"] in PUBLISHED:
        values["num_groups"] = 1
    config = Config(**to_config(values))
    shown, controls = from_config(config), {"hidden_dims": ("depth", "width")}
    deaf = {control for name in unheard(config.model) for control in controls.get(name, (name,))}
    assert {name: shown[name] for name in values if name not in deaf} == {
        name: value for name, value in values.items() if name not in deaf
    }
    assert Config(**to_config(from_config(config))) == config


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ("depth", {"hidden_dims": (30, 30)}),
        ("width", {"hidden_dims": (30, 30)}),
        ("noise", {"noise": True}),
        ("reg", {"reg": 0.0}),
    ],
)
def test_a_change_touches_its_own_fields_alone(changed, fields):
    """So that what no control shows, such as layers of different sizes, stays until its control is moved."""
    assert to_config({**DEFAULTS, "depth": 2, "width": 30, "noise": True}, changed) == fields


@pytest.mark.parametrize(("sizes", "shown"), [((), (0, 100)), ((20, 10), (2, 20))])
def test_depth_and_width_of_unusual_networks(sizes, shown):
    values = from_config(Config(hidden_dims=sizes, normalization=None))
    assert (values["depth"], values["width"]) == shown


# --- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", NUMBERS, ids=lambda field: field.name)
def test_slider_changes_once(field):
    control, heard = control_of(field.name)
    at = field.positions.index(DEFAULTS[field.name])
    there = at - 1 if at else 1
    by_hand(control, position=there)
    value = field.positions[there]
    assert heard == [(field.name, value)]
    assert control.value == value
    assert shown(control) == (field.text(value), there)
    by_hand(control, position=there)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("name", "typed", "value", "text", "nearest"),
    [
        ("weight_scale", "0.0213", 0.0213, "0.0213", 0.02),
        ("weight_scale", " 3e-3 ", 0.003, "0.003", 0.0032),
        ("weight_scale", "1", 1.0, "1", 1.0),
        ("learning_rate", "1e-05", 1e-5, "1e-5", 1e-5),
        ("eps", "0.000001", 1e-6, "1e-6", 1e-6),
        ("reg", "1e-9", 1e-9, "1e-9", 0.0),
        ("batch_size", "47", 47, "47", 50),
        ("batch_size", "64.0", 64, "64", 50),
        ("train_size", "usual", None, "usual", None),
        ("train_size", "", None, "usual", None),
        ("train_size", "11", 11, "11", 10),
    ],
)
def test_any_number_in_range_may_be_typed(name, typed, value, text, nearest):
    """The slider then stands at the nearest position, and that is no second change."""
    control, heard = control_of(name, BY_NAME[name].positions[3])
    by_hand(control, text=typed)
    assert heard == [(name, value)]
    assert type(heard[0][1]) is type(value)
    assert shown(control) == (text, BY_NAME[name].positions.index(nearest))


def test_the_same_number_in_other_words_is_no_change():
    control, heard = control_of("weight_scale")
    by_hand(control, text="2e-2")
    assert heard == []
    assert shown(control)[0] == "0.02"


def test_slider_leaves_a_number_between_positions():
    control, heard = control_of("weight_scale", 0.021)
    at = shown(control)[1]
    by_hand(control, position=at)  # it stands there already
    assert (heard, control.value) == ([], 0.021)
    by_hand(control, position=at + 1)
    by_hand(control, position=at)
    assert heard == [("weight_scale", 0.025), ("weight_scale", 0.02)]


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("weight_scale", "7", "weight scale must be between 0.0001 and 1, not 7"),
        ("weight_scale", "-0.1", "weight scale must be between 0.0001 and 1, not -0.1"),
        ("weight_scale", "", "weight scale must be between 0.0001 and 1, not empty"),
        ("weight_scale", "0,0,2", "weight scale must be between 0.0001 and 1, not 0,0,2"),
        ("eps", "nan", "eps must be between 1e-12 and 0.1, not nan"),
        ("reg", "inf", "L2 must be between 0 and 10, not inf"),
        ("batch_size", "2.5", "batch size must be a whole number between 1 and 500, not 2.5"),
        ("batch_size", "1e400", "batch size must be a whole number between 1 and 500, not 1e400"),
        ("seed", "x" * 99, f"seed must be a whole number between 0 and 99, not {'x' * 20}"),
        ("train_size", "all", "training samples must be a whole number between 10 and 50000, not all"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(name, typed, sentence):
    control, heard = control_of(name)
    before = shown(control)
    by_hand(control, text=typed)
    assert heard == [sentence]
    assert (control.value, shown(control)) == (DEFAULTS[name], before)


@pytest.mark.parametrize(
    ("name", "value", "text", "range_in_words"),
    [
        ("weight_scale", 1e-6, "1e-6", "1e-6 to 1"),
        ("weight_scale", 3.0, "3", "0.0001 to 3"),
        ("depth", 0, "0", "0 to 100"),
        ("train_size", 5, "5", "5 to 50000"),
    ],
)
def test_a_number_out_of_range_joins(name, value, text, range_in_words):
    """Both at the start and later; then the slider has one position more, and all of them still work."""
    for late in (False, True):
        control, heard = control_of(name, *(() if late else (value,)))
        if late:
            control.show(value)
        assert shown(control)[0] == text
        assert range_in_words in control.children[-1].value
        assert control.field.positions[shown(control)[1]] == value
        slider = control.children[1]
        assert slider.max == len(BY_NAME[name].positions)
        by_hand(control, position=slider.max // 2)
        by_hand(control, text=text)
        assert [said for _, said in heard] == [control.field.positions[slider.max // 2], value]


# --- choices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", CHOICES, ids=lambda field: field.name)
def test_each_choice_changes_once(field):
    control, heard = control_of(field.name)
    control.show(field.choices[-1][1])
    for index in range(len(field.choices)):
        by_hand(control, index=index)
        by_hand(control, index=index)
    assert heard == [(field.name, value) for _, value in field.choices]
    assert control.value == field.choices[-1][1]


def test_a_choice_that_is_not_there_joins():
    for late in (False, True):
        control, heard = control_of("dataset", *(() if late else ("own data",)))
        if late:
            control.show("own data")
        assert (control.value, shown(control)) == ("own data", "own data")
        assert heard == []
        by_hand(control, index=2)
        assert heard == [("dataset", "cifar10")]
