"""The command `lab`: train and bench."""

import json

import pytest
from typer.testing import CliRunner

from lab import Config, Run
from lab.bench import course_style, w1
from lab.cli import app

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
        (["--config", "nl1:zzz"], "incomplete or changed"),
        (["--config", "missing.json"], "missing.json can't be read: No such file"),
        (["train_size=99999"], "train_size must be 1 to"),
        (["dataset=imagenet"], "imagenet"),
        (["--save", "run.txt", *QUICK[2:]], "saved as .json or .csv"),
    ],
)
def test_train_refuses_in_one_sentence(arguments, message):
    result = lab("train", "--quiet", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_train_says_where_a_run_diverged():
    result = lab(*QUICK, "normalization=none", "optimizer=sgd", "learning_rate=1e30", "epochs=5")
    assert result.exit_code == 0
    assert "the run diverged" in result.output


def test_bench_prints_ratios_and_writes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(w1, "EPOCHS", 1)
    monkeypatch.setattr(w1, "NORMALIZATIONS", ("batchnorm",))
    result = lab("bench", "w1", "--rounds", "1", "--json", str(tmp_path / "w1.json"))
    assert result.exit_code == 0, result.output
    stored = json.loads((tmp_path / "w1.json").read_text())
    assert stored["normalizations"]["batchnorm"]["lab / course"] > 0
    assert "lab / course" in result.output
    assert "OPENBLAS_CORETYPE" in result.output


def test_bench_refuses_an_unknown_workload():
    result = lab("bench", "w9")
    assert result.exit_code == 1
    assert "there are: w1" in result.output


@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm", None])
def test_the_bench_s_peer_does_the_same_work(normalization):
    """Its loss and gradients are the lab's: the ratio compares like with like."""
    import numpy as np

    from lab import FullyConnectedNet

    theirs = course_style.CourseNet([8, 6], 5, 3, normalization, 0.5, seed=0, reg=0.1)
    ours = FullyConnectedNet([8, 6], 5, 3, normalization=normalization, dtype=np.float64, reg=0.1)
    ours.params = theirs.params
    X, y = np.random.default_rng(0).normal(size=(9, 5)), np.arange(9) % 3
    loss, gradients = ours.loss(X, y)
    their_loss, their_gradients = theirs.loss(X, y)
    assert their_loss == pytest.approx(loss, rel=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(their_gradients[name], gradient, atol=1e-5)
