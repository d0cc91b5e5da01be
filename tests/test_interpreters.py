"""Installed with numpy alone, the core trains on each Python from 3.11 to 3.13 that this machine has."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13")

TRAIN = """
import numpy as np, lab
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 20)).astype("float32")
y = (X[:, 0] > 0).astype(int)
net = lab.FullyConnectedNet(
    [16], input_dim=20, num_classes=2, normalization="batchnorm", weight_scale=0.1, seed=0
)
data = dict(X_train=X[:150], y_train=y[:150], X_val=X[150:], y_val=y[150:])
solver = lab.Solver(
    net, data, num_epochs=5, batch_size=25, update_rule="adam", optim_config={"learning_rate": 1e-2},
    verbose=False,
)
solver.train()
assert solver.val_acc_history[-1] > 0.7, solver.val_acc_history
print(lab.__file__)
"""


def find_interpreters():
    """Every Python of VERSIONS, (path, version): this one, and those of PATH, pyenv and Windows' launcher."""
    names = [f"python{version}" for version in VERSIONS]
    folders = os.environ["PATH"].split(os.pathsep)
    folders += map(str, (Path.home() / ".pyenv" / "versions").glob("*/bin"))
    found = [shutil.which(name, path=folder) for folder in folders for name in names]
    if launcher := shutil.which("py"):
        listed = subprocess.run([launcher, "-0p"], capture_output=True, text=True).stdout
        found += re.findall(r"\S:\\.*python\.exe", listed)
    tell = "import os, sys; print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable))"
    told = {}
    for python in filter(None, [sys.executable, *found]):
        answer = subprocess.run([python, "-c", tell], capture_output=True, text=True)
        if answer.stdout.startswith(VERSIONS):
            version, path = answer.stdout.strip().split(" ", 1)
            told[path] = version
    return sorted(told.items(), key=lambda item: (item[1], item[0]))


INTERPRETERS = find_interpreters()


@pytest.mark.parametrize(("python", "version"), INTERPRETERS, ids=[version for _, version in INTERPRETERS])
@pytest.mark.long
def test_core_installs_and_trains(python, version, wheel, tmp_path):
    lock = (ROOT / "requirements.lock").read_text()
    core = re.findall(r"^numpy==.*?(?=^\S|\Z)", lock, re.M | re.S)
    (tmp_path / "core.lock").write_text("".join(core))
    run([python, "-m", "venv", "--without-pip", "venv"], tmp_path)
    bin_ = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", bin_ / "python", "install", "--no-deps", "--quiet"]
    run([*pip, "--require-hashes", "-r", "core.lock"], tmp_path)
    run([*pip, "--no-index", wheel], tmp_path)
    where = run([bin_ / "python", "-I", "-W", "error", "-c", TRAIN], tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path)  # the wheel was tried, not this folder
    assert f"python{version}" in where or os.name == "nt"


def run(command, folder):
    answer = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout
