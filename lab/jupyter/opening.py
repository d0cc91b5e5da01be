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

from lab.files import LESSONS, ROOT
from lab.jupyter import copies

FIRST_LESSON = "00_explorer.ipynb"
PORTS = range(8888, 8988)

KERNEL_FIRST = "--ServerApp.jpserver_extensions=lab.jupyter.server=True"
AT_ONCE = "--ServerApp.kernel_websocket_connection_class=lab.jupyter.server.PromptConnection"

NO_LANGUAGE_SERVERS = "--LanguageServerManager.autodetect=False"  # looking for them starts npm, which logs
NO_FORMGRADER = "--ServerApp.jpserver_extensions=nbgrader.server_extensions.formgrader=False"

# What Jupyter, IPython and matplotlib keep for a user, beside the lessons, not all over the home folder.
PLACES = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "IPYTHONDIR": "ipython",
    "MPLCONFIGDIR": "matplotlib",
}

# Without these JupyterLab asks on its first screen whether it may fetch news, and looks for updates.
QUIET = {"fetchNews": "false", "checkForUpdates": False}
NOTIFICATIONS = "@jupyterlab/apputils-extension:notification"


class CannotOpen(Exception):
    """Why JupyterLab was not started, in one sentence with the remedy."""


def open_notebook(
    notebook: Path | None = None, port: int | None = None, browser: bool = True, fresh: bool = False
) -> int:
    """Become JupyterLab with `notebook` open (the first lesson by default), on `port` or on a free one.

    A lesson is opened as the learner's own copy. fresh: bring the original of this lesson back first, by
    default those of all; what was edited stays, under another name.

    Returns JupyterLab's exit code where the process can't be replaced (Windows), else not at all. Raises
    CannotOpen for a missing notebook, a port that is taken, a folder that can't be written, or where
    JupyterLab isn't installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise CannotOpen("JupyterLab isn't installed here. Start the lab by `python3 start.py lab`.")
    own = copies.own_folder()
    path = find_notebook(notebook or Path(FIRST_LESSON), own)
    port = find_port(port)
    if path.parent in (LESSONS, own):
        path = own / path.name
        names = copies.names() if notebook is None else [path.name]
        try:
            for sentence in copies.bring(own, names if fresh else []):
                print(sentence)
        except OSError as error:
            raise CannotOpen(f"{error.filename or own} can't be written: {error.strerror}.") from None
    elif fresh:
        raise CannotOpen(f"{path} is no lesson, so there is no original to bring back.")
    switch_news_off(Path(sys.prefix))
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        print(f"{path} can't be written: it runs, but changes aren't saved. Copy it and use --notebook.")
    print(f"JupyterLab opens {path} on port {port}. To stop it, press Ctrl-C twice.", flush=True)
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={path.parent}",
        f"--LabApp.default_url=/lab/tree/{quote(path.name)}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--Application.log_level=ERROR",
        NO_LANGUAGE_SERVERS,
        AT_ONCE,
        KERNEL_FIRST,
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    for name, place in PLACES.items():
        os.environ.setdefault(name, str(own / ".jupyter" / place))
    os.chdir(path.parent)  # where nbgrader looks for its course
    if not is_course(path.parent):
        command.append(NO_FORMGRADER)
    if os.name == "nt":  # where exec returns to the prompt at once
        return subprocess.call(command)
    os.execv(command[0], command)


def find_notebook(notebook: Path, own: Path) -> Path:
    """The notebook's full path; a relative one counts from here, or names a lesson or another one of ours."""
    for path in (Path.cwd() / notebook, own / notebook, LESSONS / notebook, ROOT / notebook):
        if path.is_file():
            return path.resolve()
    there = ", ".join(copies.names()) or "none"
    raise CannotOpen(f"There is no notebook {notebook}. The lessons are: {there}.")


def is_course(folder: Path) -> bool:
    """Whether nbgrader finds a course, here or in Jupyter's settings: its formgrader warns without one."""
    from jupyter_core.paths import jupyter_config_path

    places = [folder, *map(Path, jupyter_config_path())]
    return any((place / "nbgrader_config.py").is_file() for place in places)


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
