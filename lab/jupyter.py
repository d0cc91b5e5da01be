"""Starts JupyterLab on a notebook of the lab."""

import errno
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

PROJECT = Path(__file__).resolve().parent.parent
FIRST_NOTEBOOK = PROJECT / "notebooks" / "00_explorer.ipynb"
PORTS = range(8888, 8988)

AT_ONCE = "--ServerApp.kernel_websocket_connection_class=lab.connection.PromptConnection"

# Without these JupyterLab asks on its first screen whether it may fetch news, and looks for updates.
QUIET = {"fetchNews": "false", "checkForUpdates": False}
NOTIFICATIONS = "@jupyterlab/apputils-extension:notification"


class CannotOpen(Exception):
    """Why JupyterLab was not started, in one sentence with the remedy."""


def open_notebook(notebook: Path | None = None, port: int | None = None, browser: bool = True) -> int:
    """Become JupyterLab with `notebook` open (the first one by default), on `port` or on a free one.

    Returns JupyterLab's exit code where the process can't be replaced (Windows), else not at all.
    Raises CannotOpen for a missing notebook, a port that is taken, or where JupyterLab isn't installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise CannotOpen("JupyterLab isn't installed here. Start the lab by `python3 start.py lab`.")
    notebook = find_notebook(notebook)
    port = find_port(port)
    switch_news_off(Path(sys.prefix))
    root = PROJECT if notebook.is_relative_to(PROJECT) else notebook.parent
    path = notebook.relative_to(root).as_posix()
    if not (os.access(notebook, os.W_OK) and os.access(notebook.parent, os.W_OK)):
        print(f"{path} can't be written: it runs, but changes aren't saved. Copy it and use --notebook.")
    print(f"JupyterLab opens {path} on port {port}. To stop it, press Ctrl-C twice.", flush=True)
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{quote(path)}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.log_level=ERROR",
        AT_ONCE,
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    os.chdir(root)  # where nbgrader looks for its course
    if os.name == "nt":  # where exec returns to the prompt at once
        return subprocess.call(command)
    os.execv(command[0], command)


def find_notebook(notebook: Path | None) -> Path:
    """The notebook's full path; a relative one counts from here or from the project."""
    if notebook is None:
        notebook = FIRST_NOTEBOOK
    for path in (Path.cwd() / notebook, PROJECT / notebook):
        if path.is_file():
            return path.resolve()
    there = ", ".join(path.name for path in sorted(FIRST_NOTEBOOK.parent.glob("*.ipynb"))) or "none"
    raise CannotOpen(f"There is no notebook {notebook}. In {FIRST_NOTEBOOK.parent} there are: {there}.")


def find_port(port: int | None) -> int:
    """`port` if it is free; without one, the first free port from 8888 on."""
    if port is None:
        for port in PORTS:
            if is_free(port):
                return port
        raise CannotOpen(
            f"The ports {PORTS[0]} to {PORTS[-1]} are all taken. Choose another one with --port."
        )
    if is_free(port):
        return port
    raise CannotOpen(
        f"Port {port} is taken by another program, or not allowed. "
        "Choose another one with --port, or leave --port out and a free one is found."
    )


def is_free(port: int) -> bool:
    """Whether a server can listen on `port` of this machine, by IPv4 and IPv6 where both are there."""
    for family, kind, protocol, _, address in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
        try:
            with socket.socket(family, kind, protocol) as probe:
                if os.name != "nt":  # a port that was left a moment ago is free, as it is for JupyterLab
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                return False
    return True


def switch_news_off(environment: Path) -> None:
    """Put QUIET into the environment's overrides.json; what stands there already wins."""
    overrides = environment / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    try:
        settings = json.loads(overrides.read_text("utf-8")) if overrides.exists() else {}
        wanted = settings | {NOTIFICATIONS: QUIET | settings.get(NOTIFICATIONS, {})}
        if settings != wanted:
            overrides.parent.mkdir(parents=True, exist_ok=True)
            new = overrides.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(wanted, indent=2), "utf-8")
            new.replace(overrides)
    except (OSError, ValueError):
        return  # a read-only environment or settings we can't read: then the prompt shows, and no more
