"""What can't be gets one sentence: what was wrong, where, and what is allowed."""

import base64
import json
import re
import zlib

import numpy as np
import pytest
from typer.testing import CliRunner

from lab import (
    Config,
    FullyConnectedNet,
    Solver,
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    groupnorm_backward,
    groupnorm_forward,
    layernorm_backward,
    layernorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
    train,
)
from lab.cli import app
from lab.nn import (
    dropout_backward,
    dropout_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    noise_backward,
    noise_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)
from lab.train.run import Run

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
Y = np.arange(40) % 3
ONES, ZEROS = np.ones(6), np.zeros(6)
DATA = {"X_train": X, "y_train": Y, "X_val": X, "y_val": Y}
FORWARD = {
    "batchnorm": lambda x, **p: batchnorm_forward(x, ONES, ZEROS, {"mode": "train", **p}),
    "layernorm": lambda x, **p: layernorm_forward(x, ONES, ZEROS, p),
    "groupnorm": lambda x, **p: groupnorm_forward(x, ONES, ZEROS, {"num_groups": 2, **p}),
    "affine": lambda x: affine_forward(x, np.ones((6, 6)), np.zeros(6)),
    "relu": relu_forward,
    "leaky_relu": leaky_relu_forward,
    "sigmoid": sigmoid_forward,
    "tanh": tanh_forward,
    "dropout": lambda x: dropout_forward(x, {"mode": "train", "p": 0.5}),
    "noise": lambda x: noise_forward(x, {"mode": "train"}),
}
BACKWARD = {
    "batchnorm": [batchnorm_backward, batchnorm_backward_alt],
    "layernorm": [layernorm_backward],
    "groupnorm": [groupnorm_backward],
    "affine": [affine_backward],
    "relu": [relu_backward],
    "leaky_relu": [leaky_relu_backward],
    "sigmoid": [sigmoid_backward],
    "tanh": [tanh_backward],
    "dropout": [dropout_backward],
    "noise": [noise_backward],
}


def refused(said, call, *arguments, **named):
    """The call raises ValueError with one line that says so."""
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("shape", [(39, 6), (1, 6), (40, 5)], ids=str)
@pytest.mark.parametrize("kind", BACKWARD)
def test_a_dout_of_another_size(kind, shape):
    cache = FORWARD[kind](X)[1]
    for backward in BACKWARD[kind]:
        backward(np.ones((40, 6), np.float32), cache)
        refused("dout must have shape (40, 6), not ", backward, np.ones(shape, np.float32), cache)


@pytest.mark.parametrize("kind", FORWARD)
def test_a_list_for_an_array(kind):
    refused("must be an array, not list: np.array makes one", FORWARD[kind], X.tolist())
    for backward in BACKWARD[kind]:
        said = "dout must be an array, not list"
        refused(said, backward, np.ones((40, 6)).tolist(), FORWARD[kind](X)[1])


@pytest.mark.parametrize("eps", [-1, np.nan, np.inf, "1e-5"])
@pytest.mark.parametrize("kind", ["batchnorm", "layernorm", "groupnorm"])
def test_an_eps_that_is_none(kind, eps):
    refused(f"eps must be a number from 0 on, not {eps!r}", FORWARD[kind], X, eps=eps)


def test_other_arguments_of_layers():
    refused("momentum must be a number from 0 to 1, not 5", FORWARD["batchnorm"], X, momentum=5)
    refused("gamma must be an array, not list", batchnorm_forward, X, [1.0] * 6, ZEROS, {"mode": "train"})
    refused("b must have shape (4,), not (3,)", affine_forward, X, np.ones((6, 4)), np.zeros(3))
    for labels in np.full(40, -1), np.full(40, 6):
        refused("y must hold labels 0 to 5, not ", softmax_loss, X, labels)
    refused("y must be 40 integer labels, one for each row of x, not float64", softmax_loss, X, Y * 1.0)
    refused("y must be 40 integer labels", softmax_loss, X, Y[:5])


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_data_that_is_not_finite(part, hole):
    data = {**DATA, f"X_{part}": X.copy()}
    data[f"X_{part}"][3, 2] = hole
    said = f"X_{part} must be finite numbers, and its row 3 holds nan or inf"
    net = FullyConnectedNet([5], input_dim=6, num_classes=3)
    refused(said, Solver, net, data, batch_size=10, verbose=False)
    refused(said, train, Config(hidden_dims=(5,), batch_size=10), data)


def test_words_of_older_courses():
    refused(
        "FullyConnectedNet has no dropout: write dropout_keep_ratio=", FullyConnectedNet, [5], dropout=0.5
    )
    said = 'FullyConnectedNet has no use_batchnorm: write normalization="batchnorm"'
    refused(said, FullyConnectedNet, [5], use_batchnorm=True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"learning_rate": [0.1, 0.2]}, "learning_rate must be a number from 0 on, not (0.1, 0.2)"),
        ({"learning_rate": 10**400}, "learning_rate must be a number from 0 on, not 1000"),
        ({"epochs": 10**400}, "epochs must be a whole number from 1 on, not 1000"),
        ({"seed": 10**5000}, "seed must be a whole number from 0 on, not a number of thousands of digits"),
        ({"hidden_dims": [1] * 1_000_000}, "hidden_dims may have 1000 layers, not 1000000"),
        ({"normalization": "x" * 10**6}, "normalization must be one of None, batchnorm"),
    ],
)
def test_configurations(fields, said):
    refused(said, Config, **fields)


def shared(text):
    return "nl1:" + base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"hidden_dims": [1] * 1_000_000}), "holds more than 20000 letters: too many"),
        (" " * 50_000_000, "holds more than 20000 letters: too many"),
        ("[" * 19_000, "this is not the JSON of a configuration: "),
        ('{"epochs":' + "9" * 10_000 + "}", "this is not the JSON of a configuration: "),
        (json.dumps({"hidden_dims": [1] * 2000}), "hidden_dims may have 1000 layers, not 2000"),
    ],
    ids=["a million layers", "spaces", "brackets", "digits", "two thousand layers"],
)
def test_shared_strings_that_nobody_shared(text, said):
    refused(said, Config.from_share, shared(text))


def test_the_deepest_network_can_be_shared():
    config = Config(hidden_dims=(1000,) * 1000)
    assert Config.from_share(config.share()) == config


@pytest.fixture(scope="module")
def stored():
    return json.loads(train(Config(hidden_dims=(5,), epochs=1)).to_json())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: run["config"].update(architecture="vgg11"), "a configuration has no 'architecture'"),
        (lambda run: run["config"].update(batch_size="x"), "batch_size must be a whole number"),
        (lambda run: run.update(loss="x"), "could not convert string to float: 'x'"),
        (lambda run: run.update(train_acc=[[1]]), "train_acc has another length than acc_update"),
        (lambda run: run.update(config="x"), "the JSON of a configuration is an object"),
        (lambda run: run.update(novelty=1), "unexpected keyword argument 'novelty'"),
    ],
)
@pytest.mark.parametrize("version", ["", "99.0"])
def test_saved_runs(stored, change, said, version, tmp_path):
    """The sentence names the file, what is wrong in it, and the newer version that wrote it."""
    run, path = json.loads(json.dumps(stored)), tmp_path / "run.json"
    change(run)
    if version:
        run["versions"]["lab"] = version
    path.write_text(json.dumps(run))
    by = "(it was saved by version 99.0 of the lab, this is " if version else ": "
    refused(f"{path} doesn't hold a run that can be read", Run.load, path)
    refused(said, Run.load, path)
    refused(by, Run.load, path)


def test_the_command_line(tmp_path):
    def failed(*arguments):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        return result.output

    said = "reg stands there twice, as 0,1 and as 2,3: give it once"
    assert said in failed("sweep", "reg=0,1", "reg=2,3")
    assert "epochs stands there twice" in failed("train", "epochs=1", "epochs=2")
    path = tmp_path / "config.json"
    path.write_text('{"architecture": "vgg11"}')
    said = f"{path} holds no configuration that this version knows: a configuration has no 'architecture'"
    assert said in failed("train", "--config", str(path)).replace("\n", "")
