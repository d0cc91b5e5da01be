"""Configurations: validation in words, JSON and shared strings."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import Config
from lab.nn.layers import ACTIVATIONS, NORMALIZATIONS
from lab.train.config import AUGMENTATIONS, PREPROCESSINGS

configs = st.builds(
    Config,
    dataset=st.sampled_from(["digits", "cifar10"]),
    train_size=st.none() | st.integers(1, 5000),
    preprocessing=st.sampled_from(PREPROCESSINGS),
    augmentation=st.sampled_from(AUGMENTATIONS),
    hidden_dims=st.lists(st.sampled_from([10, 50, 100]), max_size=6).map(tuple),
    activation=st.sampled_from(ACTIVATIONS),
    normalization=st.sampled_from(NORMALIZATIONS),
    noise=st.none() | st.just(True) | st.just({"n_mu": 1.0}),
    weight_scale=st.floats(1e-4, 1),
    optimizer=st.just("adam"),
    optim_config=st.just({}) | st.just({"beta1": 0.5}),
    schedule=st.just("cosine"),
    schedule_config=st.just({}) | st.just({"final": 1e-5}),
    batch_size=st.integers(2, 500),
    seed=st.integers(0, 2**32),
    data_seed=st.none() | st.integers(0, 9),
)


@given(configs)
def test_json_and_shared_strings_give_the_same_configuration_back(config):
    assert Config.from_json(config.to_json()) == config
    assert Config.from_share(config.share()) == config
    assert hash(Config.from_share(config.share())) == hash(config)


def test_a_shared_string_is_short_and_can_be_pasted():
    text = Config(weight_scale=0.1, normalization="layernorm").share()
    assert text.startswith("nl1:")
    assert len(text) < 100
    assert set(text[4:]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nl2:abc", "starts with 'nl1:'"),
        (Config(weight_scale=0.1).share()[:-6], "incomplete or changed"),
        ("nl1:%%%", "incomplete or changed"),
        ("nl1:", "incomplete or changed"),
    ],
)
def test_a_damaged_shared_string_is_refused_in_words(text, message):
    with pytest.raises(ValueError, match=message):
        Config.from_share(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "isn't the JSON|not the JSON"),
        ("[1]", "an object"),
        ('{"epoch": 3}', "no 'epoch'; it has: dataset"),
    ],
)
def test_json_that_is_no_configuration_is_refused_in_words(text, message):
    with pytest.raises(ValueError, match=message):
        Config.from_json(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"normalization": "batch"}, "normalization must be one of None, batchnorm, .*'batch'"),
        ({"activation": "gelu"}, "activation must be one of relu"),
        ({"optimizer": "adamw"}, "optimizer must be one of sgd"),
        (
            {"optimizer": "sgd", "optim_config": {"beta1": 0.9}},
            "optim_config has no 'beta1'; it has: nothing",
        ),
        ({"optim_config": {"beta3": 0.9}}, "optim_config has no 'beta3'; it has: beta1, beta2, epsilon"),
        ({"optim_config": {"beta1": "0.9"}}, r"optim_config\['beta1'\] must be a number"),
        (
            {"schedule": "step", "schedule_config": {"gamma": 1}},
            "schedule_config has no 'gamma'; .*every, factor",
        ),
        ({"schedule": "linear"}, "schedule must be one of constant, step, cosine, cyclic, warmup"),
        ({"sampling": "random"}, "sampling must be one of epoch, with_replacement"),
        ({"preprocessing": "pca"}, "preprocessing must be one of"),
        ({"augmentation": "rotate"}, "augmentation must be one of"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 on, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"batch_size": 1}, "batch_size 1 can't be batch-normalized: the variance of one row is zero"),
        ({"hidden_dims": 5}, "hidden_dims must be a list of whole numbers, not 5"),
        ({"hidden_dims": [5, "a"]}, "each of hidden_dims must be a whole number from 1 on, not 'a'"),
        ({"optim_config": None}, "optim_config must be a dict of settings by name, not None"),
        ({"optim_config": {"beta1": 2}}, r"optim_config\['beta1'\] must be a number from 0 to 0.99"),
        (
            {"schedule": "step", "schedule_config": {"every": 0}},
            r"schedule_config\['every'\] must be .* from 1 on",
        ),
        (
            {"schedule": "warmup", "schedule_config": {"rise": 0.5}},
            r"schedule_config\['rise'\] must be a number from 1 on, not 0.5",
        ),
        ({"epochs": 0}, "epochs must be a whole number from 1 on"),
        ({"train_size": 0}, "train_size must be a whole number from 1 on"),
        ({"seed": -1}, "seed must be a whole number from 0 on"),
        ({"seed": None}, "seed must be a whole number"),
        ({"weight_scale": -1.0}, "weight_scale must be a number from 0 on, not -1.0"),
        ({"weight_scale": float("nan")}, "weight_scale must be a number from 0 on, not nan"),
        ({"weight_scale": "0.1"}, "weight_scale must be a number from 0 on, not '0.1'"),
        ({"learning_rate": -1e-3}, "learning_rate must be a number from 0 on, not -0.001"),
        ({"learning_rate": float("inf")}, "learning_rate must be a number"),
        ({"reg": -1.0}, "reg must be a number from 0 on"),
        ({"dropout_keep_ratio": 0.0}, "dropout_keep_ratio must be a number above 0 to 1"),
        ({"bn_momentum": 1.5}, "bn_momentum must be a number from 0 to 1"),
        ({"hidden_dims": (100, 0)}, "each of hidden_dims must be a whole number from 1 on"),
        (
            {"normalization": "groupnorm", "num_groups": 7},
            "num_groups must divide the 100 units",
        ),
        ({"noise": 0.5}, "noise must be True, None or its sizes by name, not 0.5"),
        ({"noise": {"mu": 1}}, "noise has no 'mu'; it has: n_mu"),
        ({"convention": "keras"}, "convention must be one of course, pytorch"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64"),
        ({"backend": "torch"}, "backend must be one of numpy, cupy, auto"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        Config(**fields)


def test_a_field_that_does_not_exist_is_refused_by_replace():
    with pytest.raises(ValueError, match="no 'weightscale'; it has: dataset"):
        Config().replace(weightscale=0.1)


def test_numpy_s_numbers_become_plain_ones():
    config = Config(
        seed=np.int64(3),
        weight_scale=np.float32(0.5),
        hidden_dims=np.array([5, 5]),
        learning_rate=np.float64(0.1),
    )
    assert config == Config(seed=3, weight_scale=0.5, hidden_dims=(5, 5), learning_rate=0.1)
    assert Config.from_share(config.share()) == Config.from_json(config.to_json()) == config


def test_a_configuration_does_not_change():
    settings = {"beta1": 0.5}
    config = Config(optim_config=settings)
    settings["beta1"] = 0.1
    assert config.optim_config == {"beta1": 0.5}
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 3


def test_the_fields_are_those_that_saved_results_speak_of():
    names = [f.name for f in dataclasses.fields(Config)]
    assert names == [
        "dataset", "train_size", "val_size", "preprocessing", "augmentation", "model", "hidden_dims",
        "placement", "width_factor", "activation", "normalization", "num_groups", "noise", "initialization",
        "weight_scale", "optimizer", "optim_config", "learning_rate", "schedule", "schedule_config",
        "batch_size", "sampling", "epochs", "reg", "dropout_keep_ratio", "eps", "bn_momentum", "convention",
        "seed", "data_seed", "dtype", "backend",
    ]  # fmt: skip
