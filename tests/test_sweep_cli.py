"""The command `lab sweep`."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from lab import Config, Run
from lab.cli import app

QUICK = ["--quiet", "--workers", "1", "epochs=1", "train_size=100", "hidden_dims=[10]"]


@pytest.fixture
def lab(tmp_path):
    """Runs `lab sweep` with these arguments into tmp_path/runs."""

    def run(*arguments):
        given = {argument.partition("=")[0] for argument in arguments}
        usual = [argument for argument in QUICK if argument.partition("=")[0] not in given]
        return CliRunner().invoke(app, ["sweep", "--folder", str(tmp_path / "runs"), *usual, *arguments])

    return run


@pytest.fixture
def points(lab, tmp_path):
    """The values of a field over the points that these arguments describe."""

    def swept(name, *arguments):
        result = lab(*arguments, "--csv", str(tmp_path / "table.csv"))
        assert result.exit_code == 0, result.output
        table = pd.read_csv(tmp_path / "table.csv")
        assert table["file"].map(os.path.exists).all()
        return [getattr(Config.from_share(share), name) for share in table["share"]]

    return swept


def test_sweep_prints_a_table_the_best_run_and_where_they_are(lab, tmp_path):
    result = lab("weight_scale=0.01,0.1", "normalization=batchnorm,none", "--csv", str(tmp_path / "t.csv"))
    assert result.exit_code == 0, result.output
    head, *rows, best, last = result.output.splitlines()
    assert head.split()[:3] == ["weight_scale", "normalization", "loss"]
    assert [row.split()[:2] for row in rows] == [
        [scale, mode] for scale in ("0.01", "0.1") for mode in ("batchnorm", "none")
    ]
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["normalization"].tolist() == ["batchnorm", "none"] * 2
    first = table.loc[table["best_val_acc"].idxmax()]
    assert f"{first['best_val_acc']:.1%}" in best
    assert best.endswith(first["share"])
    assert last.startswith("4 runs")
    assert str(tmp_path / "runs") in last
    assert Run.load(first["file"]).config == Config.from_share(first["share"])


def test_a_second_call_trains_what_the_first_didn_t(lab, tmp_path):
    lab("reg=0,0.1")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    assert lab("reg=0,0.1,1").output.splitlines()[-1].startswith("3 runs")
    after = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    assert len(before) == 2
    assert len(after) == 3
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("assignment", "values"),
    [
        ("weight_scale=1e-3,0.5", (1e-3, 0.5)),
        ("weight_scale=log:1e-2:1:3", (0.01, 0.1, 1)),
        ("weight_scale=log:1e-4:1:4", (0.0001, 0.00215443, 0.0464159, 1)),
        ("weight_scale=lin:0.1:0.3:3", (0.1, 0.2, 0.3)),
        ("batch_size=lin:10:30:3", (10, 20, 30)),
        ("bn_momentum=none,0.5", (None, 0.5)),
        ("hidden_dims=[5,6],[7]", ((5, 6), (7,))),
        ("hidden_dims=[[5,6],[7]]", ((5, 6), (7,))),
        ('schedule_config={},{"factor":0.5,"every":2}', ({}, {"factor": 0.5, "every": 2})),
        ("augmentation=null,none", None),
    ],
)
def test_values_are_lists_ranges_or_json(assignment, values, points, lab):
    if values is None:
        assert "twice" in lab(assignment).output
    else:
        name = assignment.partition("=")[0]
        assert tuple(points(name, assignment, "schedule=step")) == values


def test_one_value_is_fixed_even_if_it_is_a_list(points):
    assert points("hidden_dims", "hidden_dims=[7,8]", "reg=0,1") == [(7, 8), (7, 8)]


def test_it_starts_from_a_shared_string(points):
    base = Config(normalization="layernorm")
    assert points("normalization", "--config", base.share(), "reg=0,1") == ["layernorm"] * 2


def test_a_run_that_diverged_is_in_the_table(lab):
    result = lab("learning_rate=0.01,1e30", "optimizer=sgd", "epochs=3", "normalization=none")
    assert result.exit_code == 0, result.output
    head, healthy, diverged = (row.split() for row in result.output.splitlines()[:3])
    assert (healthy[0], diverged[0]) == ("0.01", "1e+30")
    assert len(healthy) == len(head) - 1  # no diverged_at
    assert len(diverged) == len(head) - 1  # no loss
    assert diverged[-1].isdigit()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["epoch=1,2"], "no 'epoch'"),
        (["reg"], "'reg' sets no field"),
        (["reg=0"], "No field has several values"),
        (["reg="], "reg must be a number"),
        (["reg=0,0.0"], "twice"),
        (["reg=0,x"], "reg must be a number from 0 on, not 'x'"),
        (["normalization=batch,none"], "normalization must be one of"),
        (["weight_scale=log:0:1:3"], "'log:0:1:3' is no range"),
        (["weight_scale=lin:0:1"], "'lin:0:1' is no range"),
        (["weight_scale=lin:0:1:1"], "'lin:0:1:1' is no range"),
        (["weight_scale=lin:0:1:2:3"], "is no range"),
        (["batch_size=50,500"], "batch_size is 500, but there are only 100"),
        (["--config", "missing.json", "reg=0,1"], "missing.json can't be read"),
        (["reg=0,1", "--scheduler", "tcp://here:1"], "give one of the two"),
        (["reg=0,1", "--csv", "/missing/table.csv"], "/missing/table.csv can't be written"),
    ],
)
def test_sweep_refuses_in_one_sentence(arguments, message, lab):
    result = lab(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_folder_that_can_t_be_written_is_said_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["sweep", *QUICK, "reg=0,1", "--folder", str(tmp_path / "file")])
    assert result.exit_code == 1
    assert "can't be written: File exists" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "stop",
    [
        lambda pid: os.killpg(pid, signal.SIGINT),  # as a terminal sends it: to all processes
        lambda pid: os.kill(pid, signal.SIGTERM),
    ],
    ids=["Ctrl-C", "SIGTERM"],
)
@pytest.mark.long
def test_a_sweep_that_is_stopped_leaves_the_finished_runs_and_the_same_command_goes_on(tmp_path, stop):
    """One of two workers is idle then, the other trains: neither says a word, and both end."""
    command = [
        sys.executable, "-c", "from lab.cli import main; main()", "sweep", "--folder", str(tmp_path / "runs"),
        "train_size=120", "hidden_dims=[10]", "reg=0,0.1", "epochs=1,1000", "--workers", "2",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(list(tmp_path.glob("runs/*.json"))) < 2 and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.1)  # the bar follows the file
    children = psutil.Process(process.pid).children()
    stop(process.pid)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    *bar, sentence = said.strip().splitlines()
    assert sentence.startswith(f"interrupted; 2 of 4 runs are finished, in {tmp_path / 'runs'}")
    assert "2/4" in bar[-1]
    assert "Traceback" not in said
    assert "Warning" not in said
    assert psutil.wait_procs(children, timeout=60)[1] == []
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    assert len(before) == 2
    subprocess.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL, timeout=120)
    after = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    assert len(after) == 4
    assert before.items() <= after.items()
