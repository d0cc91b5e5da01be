"""pyproject.toml, the locks, environment.yml, the pre-commit hooks and start.py agree on the versions."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
RUNTIME = PYPROJECT["project"]["dependencies"] + EXTRAS["live"] + EXTRAS["fast"] + EXTRAS["course"]
BUILD = PYPROJECT["build-system"]["requires"]
INTERPRETERS = ["3.11", "3.12", "3.13"]

ENTRY = re.compile(r"^(?P<name>\S+)==(?P<version>\S+)( ; (?P<marker>.*\S))? \\$")


def specifiers(lines):
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one.specifier for one in requirements}


def read_lock(name):
    """Each entry of a lock, (package, version, marker), with its hashes."""
    entries = {}
    for line in (ROOT / name).read_text().splitlines():
        if entry := ENTRY.match(line):
            hashes = entries[canonicalize_name(entry["name"]), entry["version"], entry["marker"]] = set()
        else:
            hashes.add(re.fullmatch(r"    --hash=sha256:([0-9a-f]{64})( \\)?", line)[1])
    return entries


def test_environment_yml_equals_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    conda = specifiers(lines)
    assert conda.pop("python") == SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert conda.pop("pip") == SpecifierSet()
    assert conda == specifiers(RUNTIME)
    assert environment["channels"] == ["conda-forge"]
    assert environment["dependencies"][len(lines) :] == [{"pip": ["-e ."]}]


def test_numpy_is_the_only_hard_requirement():
    assert list(specifiers(PYPROJECT["project"]["dependencies"])) == ["numpy"]


def test_ipykernel_is_the_one_whose_sliders_do_not_freeze():
    assert str(specifiers(EXTRAS["live"])["ipykernel"]) == "==7.3.0"


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", RUNTIME + BUILD),
        ("requirements-dev.lock", RUNTIME + BUILD + EXTRAS["dev"]),
    ],
)
@pytest.mark.parametrize("python", INTERPRETERS)
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_lock_satisfies_pyproject(lock, wanted, python, platform):
    here = {"python_version": python, "python_full_version": python + ".9", "sys_platform": platform}
    locked = {}
    for (name, version, marker), hashes in read_lock(lock).items():
        assert hashes
        if marker is None or Marker(marker).evaluate(here):
            assert name not in locked, f"{name} is locked twice"
            locked[name] = version
    for name, specifier in specifiers(wanted).items():
        assert locked[name] in specifier, f"{name} {locked[name]} is locked, {specifier} is asked for"


def test_the_development_lock_holds_the_other_one():
    assert read_lock("requirements.lock").items() <= read_lock("requirements-dev.lock").items()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_no_address(lock):
    assert not re.search(r"://|^\s*-[-a-z]* |@", (ROOT / lock).read_text(), re.M)


def test_the_locks_hold_the_build_back_end():
    assert PYPROJECT["dependency-groups"]["build"] == BUILD


def test_start_takes_the_same_pythons():
    tree = ast.parse((ROOT / "start.py").read_text())
    versions = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "VERSIONS"
    )
    assert sorted(versions) == INTERPRETERS
    supported = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert [minor for minor in range(20) if f"3.{minor}.0" in supported] == [11, 12, 13]


def test_hooks_have_the_locked_versions():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    locked = {f"{name}=={version}" for name, version, _ in read_lock("requirements-dev.lock")}
    asked = {line for hook in hooks for line in hook["additional_dependencies"]}
    assert asked
    assert asked <= locked
