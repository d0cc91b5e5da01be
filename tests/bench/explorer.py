"""How live the explorer is, measured in a real browser: python tests/bench/explorer.py

Latency runs from the key press on a slider to the animation frame after the curve of the new run
was put in place, both by the page's own clock. Messages are those that arrive by the kernel's socket.
"""

import argparse
import json
import os
import sys
import time
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import numpy as np

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

import tests.conftest  # noqa: E402, F401 — names the folder with the data sets
from tests.browser.jupyter import CHOSEN, SCREEN, SOLID, Notebook, Server, chromium  # noqa: E402

CONTROLS = ("weight_scale", "batch_size", "normalization")
CURVE = f".lab-panel {SOLID} {CHOSEN} path.line"  # the first is the loss of the chosen network

# Notes the times (ms) of key presses, and of redrawn frames with where the chosen network's curve ends.
WATCH = """curve => {
    const line = document.querySelector(curve);
    window.presses = [];
    window.redraws = [];
    window.addEventListener("keydown", () => window.presses.push(performance.now()), true);
    let waits = false;
    new MutationObserver(() => {
        if (waits) return;
        waits = true;
        requestAnimationFrame(() => {
            waits = false;
            const end = line.getAttribute("d").split(/[ML]/).at(-1).split(",")[0];
            window.redraws.push([performance.now(), +end]);
        });
    }).observe(line, {attributeFilter: ["d"]});
}"""

# What WATCH has noted, once all that has arrived is on the screen.
DRAWN = """() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(
    () => resolve([window.presses[0], window.redraws]))))"""

# Updates of both networks a second with nothing else to do, in the kernel of a paused explorer.
ALONE = """
import time
from lab.train import Training
race = explorer.race
pair = [Training.from_config(config, race._data) for config in (race.config, race._twin(race.config))]
began, steps = time.perf_counter(), 0
while time.perf_counter() - began < 3:
    for training in pair:
        next(iter(training))
    steps += 1
print("alone", steps / (time.perf_counter() - began))
"""


@contextmanager
def explorer(browser, server, arguments):
    """A notebook with an explorer that trains, and is watched; the second cell is ALONE."""
    cell = f"from lab.live import Explorer\n\nexplorer = Explorer({arguments})\nexplorer"
    page = browser.new_page(viewport=SCREEN)
    messages = count_messages(page)
    notebook = Notebook(page, server, server.write("bench.ipynb", cell, ALONE))
    notebook.command("notebook:run-cell-and-select-next")
    notebook.wait_for("run > 0")
    notebook.page.wait_for_selector(".bqplot path.line", state="attached")
    notebook.page.evaluate(WATCH, CURVE)
    yield notebook, messages
    notebook.close()
    server.end_kernels()


def latencies(notebook, control, presses, ready):
    """Milliseconds from a key press to the new run's first frame; pressed when `ready`, one at a time."""
    measured = []
    for i in range(presses):
        run = notebook.status[0]
        notebook.wait_for(ready)
        if control == "normalization":
            notebook.control(control).locator("button", has_text=("layer norm", "batch norm")[i % 2]).focus()
        else:
            notebook.slider(control)
        shown = notebook.page.evaluate("() => { window.presses = []; return window.redraws.at(-1) }")
        key = "Enter" if control == "normalization" else ("ArrowRight", "ArrowLeft")[i % 2]
        notebook.page.keyboard.press(key)
        notebook.wait_for_run(run)
        began, redraws = notebook.page.evaluate(DRAWN)
        reached = shown[1]
        for moment, end in redraws:
            if moment > began and end < reached:
                measured.append(moment - began)
                break
            reached = end if moment > began else reached
        else:
            raise AssertionError("a key press was followed by no new curve")
    return measured


def count_messages(page):
    """A list that grows by one for each comm message from the kernel."""
    messages = []

    def note(payload):
        if isinstance(payload, bytes):  # v1.kernel.websocket.jupyter.org: how many offsets, offsets, parts
            count = int.from_bytes(payload[:8], "little")
            offsets = [int.from_bytes(payload[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
            header = json.loads(payload[offsets[1] : offsets[2]])
            if header["msg_type"] == "comm_msg":
                messages.append(header)

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    return messages


def control_rows(browser, server, presses):
    """Latencies of each main control, while training and from rest, and on photographs."""
    training, finished = "state === 'training' && step > 20", "state === 'finished'"
    cases = [(control, "training", training, "epochs=1000") for control in CONTROLS]
    cases += [(CONTROLS[0], "finished", finished, "epochs=1")]
    if "LAB_DATA" in os.environ:
        cases += [(CONTROLS[0], "training on CIFAR-10", training, "dataset='cifar10', epochs=1000")]
    for control, state, ready, arguments in cases:
        with explorer(browser, server, arguments) as (notebook, _):
            times = latencies(notebook, control, presses, ready)
        yield f"{control}, {state}: key to curve, median", f"{median(times):.0f} ms"
        yield f"{control}, {state}: key to curve, 95th percentile", f"{quantiles(times, n=20)[-1]:.0f} ms"


def training_rows(browser, server, seconds=15):
    """Frames, messages and the kernel's time, with all four figures, at different speeds."""
    for speed in (2, 20, 50):
        with explorer(browser, server, f"epochs=10_000, speed={speed}") as (notebook, messages):

            def counts(notebook=notebook, messages=messages):
                redraws, now = notebook.page.evaluate("() => [window.redraws.length, performance.now()]")
                _, frame, step, _ = notebook.status
                return np.array([redraws, frame, len(messages), step, now / 1000])

            before = counts()
            notebook.page.wait_for_timeout(1000 * seconds)
            redraws, frames, sent, steps, passed = counts() - before
            yield f"speed {speed}: redrawn frames a second", f"{redraws / passed:.1f}"
            yield f"speed {speed}: messages a frame", f"{sent / frames:.2f}"
            if speed > 2:
                notebook.button("Pause").click()
                notebook.wait_for("state === 'paused'")
                notebook.page.evaluate(
                    "() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1 }"
                )
                notebook.command("notebook:run-cell")
                said = notebook.page.locator(".jp-OutputArea-output pre", has_text="alone").inner_text()
                share = steps / passed / float(said.split()[-1])
                yield f"speed {speed}: share of the time that trains", f"{share:.0%}"


def memory_rows(browser, server, minutes):
    """What the page's scripts hold over a long run, and whether its frames still come as fast."""
    with explorer(browser, server, "epochs=10_000_000, speed=20") as (notebook, _):
        notebook.page.wait_for_timeout(20_000)  # once every part has been drawn
        for minute in range(minutes + 1):
            notebook.page.evaluate("() => { window.redraws = [] }")
            heap, frames = notebook.heap(), notebook.status[1]
            notebook.page.wait_for_timeout(5_000)
            passed = (notebook.status[1] - frames) / 5
            if minute in (0, minutes // 2, minutes):
                yield f"minute {minute}: heap of the page", f"{heap / 2**20:.1f} MB"
                yield f"minute {minute}: frames a second", f"{passed:.1f}"
            notebook.page.wait_for_timeout(55_000 * (minute < minutes))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=30)
    parser.add_argument("--minutes", type=int, default=10, help="of the long run")
    arguments = parser.parse_args()
    presses = arguments.presses
    with TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            while not server.is_up():
                time.sleep(0.1)
            with chromium() as browser:
                for what, value in chain(
                    control_rows(browser, server, presses),
                    training_rows(browser, server),
                    memory_rows(browser, server, arguments.minutes) if arguments.minutes else (),
                ):
                    print(f"{what:<70} {value:>8}", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
