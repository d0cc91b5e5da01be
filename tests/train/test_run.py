"""Runs: what is kept, on disk whole or not at all."""

import csv
import json

import numpy as np
import pytest

import lab
from lab import Config, FullyConnectedNet, Run, train

SMALL = Config(train_size=200, val_size=60, hidden_dims=(20,), batch_size=20, epochs=3, weight_scale=0.1)


@pytest.fixture(scope="module")
def run():
    return train(SMALL)


def test_a_run_knows_its_curves_and_where_accuracy_was_measured(run):
    assert run.config == SMALL
    assert run.loss.shape == (30,)
    assert run.acc_update.tolist() == [1, 10, 20, 30]
    assert run.acc_epoch.tolist() == [0, 1, 2, 3]
    assert run.train_acc.shape == run.val_acc.shape == (4,)
    assert run.val_acc[-1] > run.val_acc[0]
    assert run.diverged_at is None
    assert run.versions["lab"] == lab.__version__
    assert run.versions["numpy"] == np.__version__


def test_the_package_train_is_also_the_function(run):
    assert callable(lab.train)
    np.testing.assert_array_equal(lab.train(SMALL).loss, run.loss)
    assert lab.train.Config is Config


def test_json_gives_the_run_back(run, tmp_path):
    back = Run.load(run.save(tmp_path / "runs" / "one.json"))
    for name, value in vars(run).items():
        np.testing.assert_array_equal(getattr(back, name), value)


def test_a_population_is_saved_with_what_its_members_differ_in(tmp_path):
    population = train(SMALL.replace(normalization=None, optimizer="sgd"), weight_scale=[0.1, 1e20])
    assert population.loss.shape == (30, 2) or population.diverged_at[1] is not None
    assert population.members == {"weight_scale": [0.1, 1e20]}
    back = Run.load(population.save(tmp_path / "two.json"))
    np.testing.assert_array_equal(np.isfinite(back.loss), np.isfinite(population.loss))
    np.testing.assert_array_equal(back.val_acc, population.val_acc)
    assert back.diverged_at == population.diverged_at
    json.loads((tmp_path / "two.json").read_text(), parse_constant=pytest.fail)  # NaN isn't JSON
    rows = list(csv.DictReader(population.save(tmp_path / "two.csv").open()))
    assert [row["weight_scale"] for row in rows[:1] + rows[-1:]] == ["0.1", "1e+20"]
    assert len(rows) == population.loss.size


def test_csv_has_a_row_an_update_and_accuracies_where_they_were_measured(run, tmp_path):
    rows = list(csv.DictReader(run.save(tmp_path / "one.csv").open()))
    assert [float(row["loss"]) for row in rows] == run.loss.tolist()
    measured = {int(row["update"]): float(row["val_acc"]) for row in rows if row["val_acc"]}
    assert measured == dict(zip(run.acc_update.tolist(), run.val_acc.tolist(), strict=True))


def test_an_interrupted_save_leaves_the_old_file(run, tmp_path, monkeypatch):
    path = run.save(tmp_path / "one.json")
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        run.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "doesn't hold a run that can be read"),
        ("[]", "doesn't hold"),
        ("x", "doesn't hold"),
        ('{"format": 0}', "its format is another one"),
    ],
)
def test_a_file_that_is_no_run_is_refused_by_name(content, message, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        Run.load(path)


def test_another_ending_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.json or \.csv, not as 'run.txt'"):
        run.save(tmp_path / "run.txt")


@pytest.mark.parametrize("config", [{"epochs": 3}, {}])
def test_a_dict_is_not_a_configuration(config):
    with pytest.raises(ValueError, match="train takes a Config, not dict"):
        train(config)


def test_a_run_of_somebody_elses_network_has_no_members_and_can_be_saved(tmp_path):
    run = train(SMALL.replace(epochs=1), net=FullyConnectedNet)
    assert run.members == {}
    np.testing.assert_array_equal(Run.load(run.save(tmp_path / "run.json")).loss, run.loss)
    with pytest.raises(ValueError, match="leave net or weight_scale out"):
        train(SMALL, net=FullyConnectedNet, weight_scale=[0.1, 0.2])
