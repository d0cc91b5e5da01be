"""What earlier versions left: the names of a sweep's files, finished runs, shared strings. They must last.

`kept/` was written by the version that is said in its runs: never write it anew. A field that Config gets
later belongs in `LATER_FIELDS` of lab/train/sweep.py.
"""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from lab import Config
from lab.train import sweep

module = sys.modules["lab.train.sweep"]  # `lab.train.sweep` is the function

KEPT = Path(__file__).parent / "kept"
NAMES = json.loads((KEPT / "names.json").read_text())  # of configurations with all the fields of that time
BASE = Config(
    train_size=20, val_size=10, hidden_dims=(2,), batch_size=10, epochs=1, weight_scale=0.1,
    optim_config={"beta1": 0.8}, data_seed=3,
)  # fmt: skip
GRID = {"normalization": [None, "batchnorm"], "reg": [0, 0.1]}


def without_training(_):
    raise AssertionError("a finished run is trained again")


def test_a_sweep_finds_what_an_earlier_version_has_finished(tmp_path, monkeypatch):
    folder = shutil.copytree(KEPT / "runs", tmp_path / "runs")
    monkeypatch.setattr(module, "_train", without_training)
    table = sweep(GRID, BASE, folder, workers=1, progress=False)
    expected = pd.read_csv(KEPT / "table.csv", dtype={"diverged_at": "Int64"})
    table["file"] = [Path(file).name for file in table["file"]]
    pd.testing.assert_frame_equal(table, expected)
    assert sorted(file.name for file in folder.iterdir()) == sorted(expected["file"])


@pytest.mark.parametrize("kept", NAMES, ids=lambda kept: kept["name"])
def test_names_and_shared_strings_last(kept):
    config = Config.from_json(json.dumps(kept["config"]))
    assert module._digest(config) == kept["name"]
    assert Config.from_share(kept["share"]) == config


def test_each_field_of_that_time_and_each_later_one_has_its_default_still():
    """Files and shared strings without a field mean its default. A later field is in the table."""
    then = NAMES[0]["config"]  # the default configuration
    assert json.loads(Config().to_json()) == then | module.LATER_FIELDS
    assert not then.keys() & module.LATER_FIELDS.keys()


def test_a_later_field_names_another_file_only_where_it_is_not_as_it_was_before(monkeypatch):
    def named(**later):
        fields = json.loads(BASE.to_json()) | later
        return module._digest(SimpleNamespace(to_json=lambda: json.dumps(fields)))

    assert named(depth_factor=1.0) != named()
    monkeypatch.setitem(module.LATER_FIELDS, "depth_factor", 1.0)
    monkeypatch.setitem(module.LATER_FIELDS, "widths", [])
    assert named(depth_factor=1, widths=[]) == named(depth_factor=1.0) == named() == module._digest(BASE)
    others = [{"depth_factor": 2.0}, {"widths": [1]}, {"depth_factor": 2.0, "widths": [1]}]
    assert len({named(), *(named(**other) for other in others)}) == 4
