"""`lab open`: the port, the notebook and the settings it starts JupyterLab with; and a server for real."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from lab import jupyter

LAB = Path(sys.executable).with_name("lab")


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "a lesson.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def command(monkeypatch, tmp_path):
    """What would be started, in place of starting it."""
    started = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.extend(command))
    monkeypatch.setattr(os, "chdir", lambda folder: started.append(f"in {folder}"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return started


def test_server_for_real(notebook, tmp_path):
    port = jupyter.find_port(None)
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    server = subprocess.Popen(
        [LAB, "open", "--notebook", notebook, "--port", str(port), "--no-browser"],
        env=os.environ | folders,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        token = wait_for_token(server, tmp_path / "RUNTIME")

        def get(path):
            address = f"http://127.0.0.1:{port}{path}?token={token}"
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.read().decode()

        assert json.loads(get("/api/status"))["kernels"] == 0
        assert get("/lab/tree/a%20lesson.ipynb").startswith("<!doctype html>")
        settings = json.loads(get("/lab/api/settings/" + jupyter.NOTIFICATIONS))
        defaults = settings["schema"]["properties"]
        assert {name: defaults[name]["default"] for name in jupyter.QUIET} == jupyter.QUIET
        again = subprocess.run(
            [LAB, "open", "--notebook", notebook, "--port", str(port)], capture_output=True, text=True
        )
        assert (again.returncode, again.stderr.count("\n")) == (1, 1)
        assert again.stderr.startswith(f"Port {port} is taken by another program")
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=20)
    assert said.startswith(f"JupyterLab opens a lesson.ipynb on port {port}.")
    assert f"http://localhost:{port}/lab/tree/a%20lesson.ipynb?token={token}" in said


def wait_for_token(server, runtime):
    """The token of the server; it writes the file that holds it once it listens."""
    for _ in range(600):
        for file in runtime.glob("jpserver-*.json"):
            if text := file.read_text():
                return json.loads(text)["token"]
        assert server.poll() is None, server.stdout.read()
        time.sleep(0.1)
    raise AssertionError("JupyterLab didn't start within a minute")


def test_first_notebook_opens_by_default(command):
    jupyter.open_notebook()
    assert command[:4] == [f"in {jupyter.PROJECT}", sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={jupyter.PROJECT}" in command
    assert "--LabApp.default_url=/lab/tree/notebooks/00_explorer.ipynb" in command
    assert "--no-browser" not in command


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_for_root(command, notebook, monkeypatch, user, allowed):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    jupyter.open_notebook(notebook, browser=False)
    assert ("--allow-root" in command) is allowed
    assert "--no-browser" in command


def test_read_only_notebook_is_said(command, notebook, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: path != notebook.parent)
    jupyter.open_notebook(notebook)
    assert capsys.readouterr().out.startswith("a lesson.ipynb can't be written: it runs, but")
    assert command


def test_taken_port(taken_port, command, notebook):
    with pytest.raises(jupyter.CannotOpen, match=f"^Port {taken_port} is taken .* --port"):
        jupyter.open_notebook(notebook, taken_port)
    assert not command


def test_port_taken_by_ipv6_alone():
    with socket.socket(socket.AF_INET6) as server:
        try:
            server.bind(("::1", 0))
        except OSError:
            pytest.skip("machine: no IPv6")
        server.listen()
        if not any(family == socket.AF_INET6 for family, *_ in socket.getaddrinfo("localhost", 0)):
            pytest.skip("machine: localhost has no IPv6 address")
        assert not jupyter.is_free(server.getsockname()[1])


def test_free_port_is_the_next_one(taken_port, monkeypatch):
    monkeypatch.setattr(jupyter, "PORTS", range(taken_port, taken_port + 1))
    with pytest.raises(jupyter.CannotOpen, match="all taken"):
        jupyter.find_port(None)
    monkeypatch.setattr(jupyter, "PORTS", range(taken_port, taken_port + 20))
    assert taken_port < jupyter.find_port(None) < taken_port + 20


def test_missing_notebook_names_those_there_are(monkeypatch, notebook):
    monkeypatch.setattr(jupyter, "FIRST_NOTEBOOK", notebook.with_name("first.ipynb"))
    with pytest.raises(jupyter.CannotOpen, match=r"no notebook .*first.ipynb\. .* there are: a lesson.ipynb"):
        jupyter.find_notebook(None)


def test_without_jupyterlab(monkeypatch):
    monkeypatch.setattr(jupyter.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(jupyter.CannotOpen, match=r"python3 start.py lab"):
        jupyter.open_notebook()


def overrides(folder):
    return folder / "share" / "jupyter" / "lab" / "settings" / "overrides.json"


def test_overrides_are_merged(tmp_path):
    file = overrides(tmp_path)
    file.parent.mkdir(parents=True)
    theirs = {"theme": {"dark": True}, jupyter.NOTIFICATIONS: {"fetchNews": "true", "other": 1}}
    file.write_text(json.dumps(theirs))
    jupyter.switch_news_off(tmp_path)
    assert json.loads(file.read_text()) == {
        "theme": {"dark": True},
        jupyter.NOTIFICATIONS: {"fetchNews": "true", "other": 1, "checkForUpdates": False},
    }
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("content", ["{ // a comment\n}", "no settings"])
def test_overrides_that_cannot_be_read_stay(tmp_path, content):
    file = overrides(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text(content)
    jupyter.switch_news_off(tmp_path)
    assert file.read_text() == content


def test_overrides_in_a_read_only_environment(tmp_path):
    (tmp_path / "share").touch()  # a file where the folder would be: nothing can be written
    jupyter.switch_news_off(tmp_path)
