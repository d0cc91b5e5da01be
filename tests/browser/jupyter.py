"""A JupyterLab server of its own, and a notebook in a real browser as one who uses it sees it."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

from lab.files import LESSONS
from lab.jupyter.opening import AT_ONCE, NOTIFICATIONS, QUIET

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no address outside of this machine
)  # fmt: skip
READY = """() => {
    const notebook = window.jupyterapp?.shell?.currentWidget;
    return notebook?.sessionContext?.isReady && notebook.context.isReady && notebook.content?.activeCell;
}"""
# JupyterLab asks a kernel for its widgets over a comm of its own, which a slow kernel closes when the page
# has forgotten it. (Comms of the kernel, which are the explorer's, have names without hyphens.)
OWN_COMM = re.compile(r"Comm not found for comm id \w{8}-\w{4}-")
NEEDS_DATA = "needs-cifar10"  # tag of a cell
# The marks of a figure, and in each of them whose curve it is: the order of lab/live/panel.py.
SOLID, CHOSEN, TWIN = (
    ".svg-figure > g > g > g:nth-of-type(4)",
    ".curve:nth-of-type(6)",
    ".curve:nth-of-type(5)",
)
# JavaScript: the luminance of a colour (WCAG 2), and the colour of the ground that an element stands on.
COLOURS = """
    const rgb = colour => (colour.match(/[\\d.]+/g) ?? [0, 0, 0]).slice(0, 3).map(Number);
    const luminance = colour => {
        const [r, g, b] = rgb(colour).map(c => c / 255).map(
            c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent") return colour;
        }
        return "rgb(255, 255, 255)";
    };
"""
SCREEN = {"width": 1280, "height": 720}  # of a projector


class Server:
    """JupyterLab on a folder, with settings, workspaces and runtime files in `folder`.

    `notebooks` is what it shows, by default a copy of the lessons; `home` is where it is started.
    """

    def __init__(self, folder: Path, notebooks: Path | None = None, home: Path | None = None):
        self.notebooks, self.token = notebooks or folder / "notebooks", secrets.token_hex(8)
        if notebooks is None:
            self.notebooks.mkdir()
            for path in LESSONS.glob("*.ipynb"):
                self._copy(path)
        settings = folder / "settings"
        settings.mkdir()
        (settings / "overrides.json").write_text(json.dumps({NOTIFICATIONS: QUIET}))
        with socket.socket() as free:  # far from 8888, where other tests start servers at the same time
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        places = {
            **{f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")},
            "IPYTHONDIR": str(folder / "ipython"),
            "LAB_CACHE": str(folder / "cache"),
        }
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            f"--ServerApp.root_dir={self.notebooks}",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.log_level=ERROR",
            f"--IdentityProvider.token={self.token}",
            AT_ONCE,
            "--LabApp.expose_app_in_browser=True",
            f"--LabApp.workspaces_dir={folder / 'workspaces'}",
            f"--LabApp.app_settings_dir={settings}",
        ]
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            command, env=os.environ | places, stdout=self.log, stderr=subprocess.STDOUT, cwd=home
        )

    def request(self, path, method="GET"):
        """JSON of the server's own interface."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.address}/api/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def is_up(self):
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            return bool(self.request("status"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def wait_until_up(self):
        for _ in range(600):
            if self.is_up():
                return
            time.sleep(0.1)
        raise AssertionError("JupyterLab didn't start within a minute")

    def end_kernels(self):
        for session in self.request("sessions"):
            self.request(f"sessions/{session['id']}", "DELETE")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)  # with its kernels, on a busy machine
        self.log.close()

    def _copy(self, path):
        """A lesson, without the cells that would fetch a large data set which isn't on this machine."""
        notebook = nbformat.read(path, as_version=4)
        if "LAB_DATA" not in os.environ:
            notebook.cells = [c for c in notebook.cells if NEEDS_DATA not in c.metadata.get("tags", ())]
        nbformat.write(notebook, self.notebooks / path.name)

    def write(self, name, *cells):
        """A notebook of these code cells; its path on the server."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.notebooks / name)
        return name


@contextmanager
def chromium():
    """The browser; skips the test where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, NAMES)), playwright.chromium.executable_path)
        if not Path(path).exists():
            pytest.skip(
                "no Chromium: install it (Debian: apt-get install chromium; "
                f"elsewhere: {Path(sys.executable).name} -m playwright install chromium)"
            )
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def focus(element):
    """Give an element the focus, once it is on the screen: a hidden one would leave it where it is."""
    element.wait_for()
    element.focus()


class Lab:
    """A page with JupyterLab. What goes wrong behind the screen gathers in `complaints`."""

    def __init__(self, page, server: Server):
        self.page, self.server = page, server
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.page.on("request", self._must_stay_here)
        self.page.on("websocket", self._must_stay_here)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("console", self._must_be_quiet)

    def open(self):
        """Go there, and wait until JupyterLab has put itself in order."""
        self.page.goto(f"{self.server.address}/lab?token={self.server.token}")
        self.page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def _must_stay_here(self, request):
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            self.complaints.append(f"request that leaves the machine: {request.url}")

    def _must_be_quiet(self, message):
        if message.type == "error" and not OWN_COMM.match(message.text):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def command(self, name, arguments=None):
        """Start a command of JupyterLab; some promise what never comes, so nobody waits for it."""
        self.page.evaluate(
            "([name, given]) => { void window.jupyterapp.commands.execute(name, given ?? {}) }",
            [name, arguments],
        )

    def change_theme(self, name):
        self.command("apputils:change-theme", {"theme": name})
        self.page.wait_for_selector(f"body[data-jp-theme-name='{name}']", state="attached")

    def close(self):
        self.page.close()


class Notebook(Lab):
    """A notebook in JupyterLab."""

    def __init__(self, page, server: Server, name: str, dark=False):
        super().__init__(page, server)
        self.address = f"{server.address}/lab/tree/{name}?reset&token={server.token}"
        self.theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self._load()

    def _load(self):
        """The page afresh: a new connection to the kernel, and a count of the cells that it begins."""
        self.page.goto(self.address)
        self.page.wait_for_function(READY)
        self.wait_for_kernel()
        self.page.evaluate(
            """() => {
                window.cellsBegun = 0;
                window.jupyterapp.shell.currentWidget.sessionContext.iopubMessage.connect((_, message) => {
                    window.cellsBegun += message.header.msg_type === "execute_input";
                });
            }"""
        )
        self.command("application:set-mode", {"mode": "single-document"})
        self.command("application:toggle-left-area")
        self.change_theme(self.theme)

    def wait_for_kernel(self):
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
        )

    def restart_kernel(self):
        """Restart the kernel without its question; returns when the new one has answered.

        The status alone would not do: a late message of the old kernel may say "idle" while it restarts.
        """
        self.page.evaluate(
            """() => {
                const {sessionContext} = window.jupyterapp.shell.currentWidget;
                window.hasRestarted = false;
                void sessionContext.restartKernel().then(() => { window.hasRestarted = true });
            }"""
        )
        self.page.wait_for_function("() => window.hasRestarted")
        self.wait_for_kernel()

    def run_cells(self):
        """Start all cells; returns when the kernel has begun with the first one.

        Now and then, on a busy machine, JupyterLab loses its connection to the kernel: then all begins anew.
        """
        from playwright.sync_api import TimeoutError as Unanswered

        for remedy in (lambda: None, self.begin_anew, self.begin_anew):
            remedy()
            begun = self.page.evaluate("() => window.cellsBegun")
            self.command("notebook:run-all-cells")
            try:
                self.page.wait_for_function("n => window.cellsBegun > n", arg=begun, timeout=30_000)
            except Unanswered:
                continue
            return
        shown = self.page.locator("body").inner_text()[:500]
        raise AssertionError(f"JupyterLab doesn't run the cells; it shows {shown!r}")

    def begin_anew(self):
        """Another kernel in a fresh page."""
        self.page.goto("about:blank")
        self.server.end_kernels()
        self._load()

    def run_all(self):
        """Run all cells; the explorer of the first one is there and trains when this returns."""
        self.run_cells()
        self.wait_for_run(0)
        self.page.wait_for_selector(".lab-explorer .bqplot path.line", state="attached")
        self.page.evaluate(  # back from the last cell, where JupyterLab hides what is far away
            """() => {
                const {content} = window.jupyterapp.shell.currentWidget;
                content.activeCellIndex = content.widgets.findIndex(cell => cell.model.type === "code");
            }"""
        )
        self.page.locator(".lab-explorer").first.scroll_into_view_if_needed()

    # --- the explorer ------------------------------------------------------------------------------

    @property
    def status(self):
        """(run, frame, step, state) as the first explorer shows them."""
        shown = self.page.locator(".lab-status").first.evaluate("line => ({...line.dataset})")
        return int(shown["run"]), int(shown["frame"]), int(shown["step"]), shown["state"]

    def wait_for(self, condition):
        """Wait for a JavaScript condition on `run`, `frame`, `step` and `state`."""
        from playwright.sync_api import TimeoutError as Unanswered

        try:
            self.page.wait_for_function(
                """condition => {
                    const line = document.querySelector(".lab-status");
                    if (!line) return false;
                    const {run, frame, step, state} = line.dataset;
                    return Function("run", "frame", "step", "state", `return ${condition}`)(
                        +run, +frame, +step, state);
                }""",
                arg=condition,
                polling=20,
            )
        except Unanswered:
            raise AssertionError(f"no {condition}; {self._shown()}, {self.complaints}") from None

    def _shown(self):
        """What the page shows, for the message of a test that failed."""
        lines = self.page.locator(".lab-status").evaluate_all("all => all.map(line => ({...line.dataset}))")
        outputs = self.page.locator(".jp-OutputArea-output").evaluate_all("all => all.map(e => e.innerText)")
        return f"explorers: {lines}, outputs: {[text[:300] for text in outputs]}"

    def wait_for_run(self, after):
        """Wait for a run beyond this one; its number."""
        self.wait_for(f"run > {after}")
        return self.status[0]

    def curves(self):
        """The paths of the loss of the chosen network and of its twin."""
        panel = self.page.locator(".lab-explorer").first.locator(".lab-panel").first
        return [panel.locator(f"{SOLID} {curve} path.line").get_attribute("d") for curve in (CHOSEN, TWIN)]

    def wait_until(self, holds):
        """Wait until this is true: a frame comes onto the screen bit by bit, the curves after its number."""
        until = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < until, "it didn't become true within a minute"
            self.page.wait_for_timeout(50)

    def wait_for_curves(self, number):
        """Wait until so many different curves are drawn: one where the networks do the same, else two."""
        self.wait_until(lambda: len(set(self.curves())) == number)

    def wait_for_rest(self):
        """Wait until all is drawn, where nothing trains; the curves."""
        drawn = []
        self.wait_until(lambda: drawn.append(self.curves()) or drawn[-5:] == 5 * drawn[-1:])
        return drawn[-1]

    def wait_for_paths_other_than(self, path):
        """Wait until the loss of the chosen network is drawn otherwise."""
        self.page.wait_for_function(
            "([curve, path]) => document.querySelector(curve).getAttribute('d') !== path",
            arg=[f".lab-panel {SOLID} {CHOSEN} path.line", path],
        )

    def heap(self):
        """Bytes that the page's scripts hold, once the garbage is gone."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        used = session.send("Runtime.getHeapUsage")["usedSize"]
        session.detach()
        return used

    def button(self, name):
        return self.page.locator(".lab-explorer button", has_text=name).first

    def control(self, name):
        """What belongs to the control of this field of the configuration."""
        return self.page.locator(f".lab-explorer .lab-control-{name}").first

    def speed(self):
        """Focus the handle of the slider for updates per frame."""
        focus(self.page.locator(".lab-head .noUi-handle").first)

    def open_fold(self, name):
        """Show what lies behind the fold whose label begins so."""
        self.page.locator(".lab-explorer .lab-folder", has_text=f"▸ {name}").first.click()

    def slider(self, name):
        """Focus the handle of the slider of this field: now arrow keys move it."""
        focus(self.control(name).locator(".noUi-handle"))

    def number(self, name):
        """What stands in the number field beside the slider."""
        return self.control(name).locator("input[type=text]").input_value()

    def type(self, name, text):
        """Type into a number field, and press Enter."""
        field = self.control(name).locator("input[type=text]")
        field.fill(text)
        field.press("Enter")
