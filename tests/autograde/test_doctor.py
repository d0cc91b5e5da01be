"""The doctor: what is missing is named with its remedy."""

import json
import subprocess

import pytest

import autograde.jail.bubblewrap
from autograde import doctor
from autograde.course import Course, init


@pytest.fixture
def folder(tmp_path):
    return init(tmp_path / "course", assignment="normalization").folder


@pytest.fixture(autouse=True)
def well(monkeypatch):
    """A machine where all is well, and quick to ask."""
    said = "\n".join(f"    nbgrader.server_extensions.{name} enabled" for name in doctor.EXTENSIONS)
    answer = subprocess.CompletedProcess([], 0, said, "")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    monkeypatch.setattr(autograde.jail.bubblewrap, "trouble", lambda: None)
    return answer


def found(folder):
    return dict(doctor.examine(folder))


def setting(folder, old, new):
    text = (folder / "course.toml").read_text()
    assert old in text
    (folder / "course.toml").write_text(text.replace(old, new))


def test_a_healthy_machine(folder, tmp_path):
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange").chmod(0o777)
    setting(folder, "# root = ", f"root = {json.dumps(str(tmp_path / 'exchange'))} # ")
    release = folder / "release" / "normalization"
    release.mkdir(parents=True)
    (release / "normalization.ipynb").touch()
    assert [name for name, problem in found(folder).items() if problem] == []


def test_the_jail(folder, monkeypatch):
    monkeypatch.setattr(autograde.jail.bubblewrap, "trouble", lambda: "bubblewrap isn't here: install it.")
    assert found(folder)["jail"] == "bubblewrap isn't here: install it."
    setting(folder, "jail = true", "jail = false")
    assert "student code runs with your rights" in found(folder)["jail"]


def test_permissions(folder):
    folder.chmod(0o777)
    assert "chmod o-rwx" in found(folder)["course folder"]
    (folder / "secret").chmod(0o644)
    assert "chmod 600" in found(folder)["course folder"]


def test_no_course_at_all(tmp_path):
    said = found(tmp_path)
    assert "lab course init" in said["course folder"]
    assert "jail" in said, "the machine is looked at all the same"


def test_the_release(folder):
    assert found(folder)["release: the next step is lab course release"] is None
    setting(folder, "eps = 1e-05", "eps = 0.001")
    assert "another variant" in found(folder)["release: the next step is lab course release"]


def test_the_exchange(folder, tmp_path):
    setting(folder, "# root = ", f"root = {json.dumps(str(tmp_path / 'hub'))} # ")
    assert "collect with --from" in found(folder)["exchange"]
    (tmp_path / "hub").mkdir(mode=0o755)
    assert "chmod 777" in found(folder)["exchange"]


def test_versions(folder, monkeypatch):
    def version(name):
        if name == "latex2mathml":
            raise doctor.PackageNotFoundError(name)
        return "0.6.0"

    monkeypatch.setattr(doctor, "version", version)
    said = found(folder)["versions"]
    assert "nbgrader is 0.6.0" in said
    assert "latex2mathml is missing" in said
    assert "pip install" in said


def test_extensions(folder, well):
    well.stdout = well.stdout.replace("formgrader enabled", "formgrader disabled")
    assert found(folder)["JupyterLab extensions"].startswith("formgrader of nbgrader are off; run: jupyter")


def test_the_secret_is_not_shown(folder):
    assert Course.read(folder).secret.hex() not in json.dumps(found(folder))
