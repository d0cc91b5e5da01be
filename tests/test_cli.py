"""The command `lab`: train."""

import pytest
from typer.testing import CliRunner

from lab import Config, Run
from lab.cli import app
from lab.nn.backend import array_module, probe_cupy
from lab.nn.models import MODELS

QUICK = ["train", "--quiet", "epochs=1", "train_size=100", "hidden_dims=[10]"]


def lab(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_train_says_how_it_went_and_saves(tmp_path):
    result = lab(*QUICK, "normalization=layernorm", "--save", str(tmp_path / "run.json"))
    assert result.exit_code == 0, result.output
    run = Run.load(tmp_path / "run.json")
    assert run.config == Config(epochs=1, train_size=100, hidden_dims=(10,), normalization="layernorm")
    last = result.output.splitlines()[-2]
    assert last.startswith("epoch   1  update      2")
    assert f"validation accuracy {run.val_acc[-1]:6.1%}" in last
    assert run.config.share() in result.output


@pytest.mark.parametrize(
    "fields",
    [["model=residual", "placement=post"], ["model=convolutional"]],
    ids=" ".join,
)
def test_train_any_architecture(fields):
    result = lab(*QUICK, *fields)
    assert result.exit_code == 0, result.output
    shared = next(word for word in result.output.split() if word.startswith("nl1:"))
    assert Config.from_share(shared) == Config(
        epochs=1, train_size=100, hidden_dims=(10,), **dict(field.split("=") for field in fields)
    )


def test_train_starts_from_a_shared_string_or_a_file(tmp_path):
    config = Config(epochs=1, train_size=120, hidden_dims=(7,), normalization=None)
    file = tmp_path / "config.json"
    file.write_text(config.to_json())
    for start in (config.share(), str(file)):
        result = lab("train", "--quiet", "--config", start, "normalization=batchnorm")
        assert config.replace(normalization="batchnorm").share() in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["epoch=1"], "no 'epoch'"),
        (["epochs"], "'epochs' sets no field"),
        (["normalization=batch"], "normalization must be one of"),
        (["model=vgg"], f"model must be one of {', '.join(MODELS)}, not 'vgg'"),
        (["model=vgg11"], "VGG 11 takes images of at least 32×32 pixels"),
        (["model=vgg11", "hidden_dims=[5]"], "a VGG 11 network has no hidden_dims"),
        (["placement=post"], "a fully connected network has no placement"),
        (["--config", "nl1:zzz"], "incomplete or changed"),
        (["--config", "missing.json"], "missing.json can't be read: No such file"),
        (["train_size=99999"], "train_size must be 1 to"),
        (["dataset=imagenet"], "imagenet"),
        (["--save", "run.txt", *QUICK[2:]], "saved as .json or .csv"),
        (["--device", "gpu"], "--device must be cpu, cuda, auto, not gpu"),
    ],
)
def test_train_refuses_in_one_sentence(arguments, message):
    result = lab("train", "--quiet", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_the_device_is_a_field_of_the_configuration():
    result = lab(*QUICK, "--device", "auto")
    assert result.exit_code == 0, result.output
    _, reason = array_module("auto")
    assert f"with {reason}" in result.output
    shared = next(word for word in result.output.split() if word.startswith("nl1:"))
    assert Config.from_share(shared).backend == "auto"


@pytest.mark.skipif(probe_cupy()[0] is not None, reason="machine: there is a GPU")
@pytest.mark.parametrize("command", [QUICK, ["sweep", "reg=0,0.1", "--quiet"]])
def test_a_gpu_that_is_not_there_is_refused_in_one_sentence(command):
    result = lab(*command, "--device", "cuda")
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert "normalization-lab[cuda]" in result.output


def test_train_says_where_a_run_diverged():
    result = lab(
        *QUICK[:2], *QUICK[3:], "normalization=none", "optimizer=sgd", "learning_rate=1e30", "epochs=5"
    )
    assert result.exit_code == 0
    assert "the run diverged" in result.output
