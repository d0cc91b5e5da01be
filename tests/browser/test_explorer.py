"""The explorer in JupyterLab, moved by hand."""

import json
import re

import numpy as np
import pytest

from tests.browser.jupyter import CHOSEN, SOLID, focus

pytestmark = pytest.mark.browser


def test_lesson_trains(opened):
    """The first lesson as it is handed out: run, the curves move to the end, and Play starts again."""
    notebook = opened("00_explorer.ipynb")
    notebook.run_all()
    notebook.wait_for("step > 20")
    assert notebook.status[0] == 1  # no control moves when it is put on the screen
    notebook.speed()
    notebook.page.keyboard.press("End")
    notebook.wait_for("state === 'finished' && step === 200")
    first = notebook.wait_for_rest()
    assert min(path.count("L") for path in first) > 100
    notebook.button("Play").click()
    notebook.wait_for_paths_other_than(first[0])
    notebook.wait_for("run === 2 && state === 'finished'")
    assert notebook.wait_for_rest() == first  # the same seed


def test_controls_by_keyboard(explorer):
    """Arrow keys, a typed number and a chosen button each start another run, and other curves."""
    explorer.wait_for("step > 10")
    explorer.button("Pause").click()
    explorer.wait_for("state === 'paused'")
    keyboard = explorer.page.keyboard

    def press(control, key):
        explorer.slider(control)
        keyboard.press(key)

    def choose(label):
        focus(explorer.control("normalization").locator("button", has_text=label).first)
        keyboard.press("Space")

    for change, shown in (
        (lambda: press("weight_scale", "ArrowLeft"), ("weight_scale", "0.016")),
        (lambda: press("batch_size", "ArrowLeft"), ("batch_size", "20")),
        (lambda: explorer.type("weight_scale", "0.0123"), ("weight_scale", "0.0123")),
        (lambda: choose("layer norm"), None),
        (lambda: choose("none"), None),
    ):
        before, (run, *_) = explorer.curves(), explorer.status
        change()
        assert explorer.wait_for_run(run) == run + 1
        if shown:
            assert explorer.number(shown[0]) == shown[1]
        explorer.wait_for_paths_other_than(before[0])
    explorer.button("Play").click()
    explorer.wait_for("step > 10")
    explorer.button("Pause").click()
    explorer.wait_for("state === 'paused'")
    explorer.wait_for_curves(1)  # the same network twice: the curves lie on each other


@pytest.mark.long
def test_a_number_that_cannot_be(explorer):
    """It says why, the number before comes back, and training goes on."""
    explorer.wait_for("step > 5")
    explorer.type("batch_size", "7.5")
    said = explorer.page.locator(".lab-sentence .error")
    said.wait_for()
    assert said.inner_text() == "batch size must be a whole number between 1 and 500, not 7.5"
    assert explorer.number("batch_size") == "50"
    run, _, step, _ = explorer.status
    explorer.wait_for(f"run === {run} && step > {step}")


@pytest.mark.long
def test_drag_ends_at_the_last_position(explorer):
    """Many changes in a row: the last one is trained, and nothing queues up."""
    explorer.slider("weight_scale")
    for _ in range(40):
        explorer.page.keyboard.press("ArrowLeft")
    explorer.wait_for("run > 1 && step > 20")
    assert explorer.number("weight_scale") == "0.0001"
    run, *_ = explorer.status
    assert run <= 41
    explorer.wait_for(f"run > {run} || step > 60")
    assert explorer.status[0] == run


def test_pause_step_back_reset_play(explorer):
    """Pause holds, Step makes one update, Back takes one back, Reset starts anew, Play goes on."""
    explorer.wait_for("step > 10")
    explorer.button("Pause").click()
    explorer.wait_for("state === 'paused'")
    held, curves = explorer.status, explorer.wait_for_rest()
    explorer.page.wait_for_timeout(400)  # eight frames
    assert (explorer.status, explorer.curves()) == (held, curves)

    run, _, step, _ = held
    for presses in (1, 2, 3):
        explorer.button("Step").click()
        explorer.wait_for(f"step >= {step + presses}")
        explorer.page.wait_for_timeout(150)
        assert explorer.status[2:] == (step + presses, "paused")
    assert explorer.wait_for_rest() != curves
    for presses in (1, 2, 3):
        explorer.button("Back").click()
        explorer.wait_for(f"step === {step + 3 - presses}")
    assert explorer.wait_for_rest() == curves

    explorer.button("Reset").click()
    explorer.wait_for_run(run)
    assert explorer.status[2:] == (1, "paused")

    explorer.button("Play").click()
    explorer.wait_for("state === 'training' && step > 5")
    assert explorer.status[0] == run + 1


def test_keyboard_alone(explorer):
    """Tab goes from button to button, Space and Enter press them, and JupyterLab takes no key for itself."""
    keyboard = explorer.page.keyboard
    focus(explorer.button("Play"))
    keyboard.press("Tab")
    keyboard.press("Enter")
    explorer.wait_for("state === 'paused'")
    step = explorer.status[2]
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Space")
    explorer.wait_for(f"step === {step + 1}")
    keyboard.press("Shift+Tab")
    keyboard.press("Space")
    explorer.wait_for(f"step === {step}")
    for key in "ddabx":  # in a notebook: delete the cell, new cells, cut
        keyboard.press(key)
    view = explorer.page.locator(".lab-panel-head select").nth(1)
    focus(view)
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    assert view.evaluate("list => list.selectedIndex") == 2
    focus(explorer.page.locator(".lab-folder").first)
    keyboard.press("Space")
    explorer.slider("learning_rate")
    keyboard.press("ArrowRight")
    explorer.wait_for("run === 2")
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    assert explorer.page.evaluate(cells) == 1


@pytest.mark.long
def test_kernel_restart(explorer):
    """After a restart the old figures stay, and a sentence says so; run the cell again, and they train."""
    explorer.wait_for("step > 5")
    explorer.slider("weight_scale")
    explorer.page.keyboard.press("ArrowLeft")
    explorer.wait_for("run === 2")
    lost = explorer.page.locator(".lab-lost")
    assert lost.is_hidden()
    lost.evaluate("line => { line.dataset.seconds = 1 }")
    explorer.restart_kernel()
    lost.wait_for()  # its status still says that it trains
    assert lost.inner_text().endswith("If it is gone, run this cell again.")
    explorer.run_all()
    assert lost.is_hidden()
    explorer.wait_for("run === 1 && step > 10")
    explorer.slider("weight_scale")
    explorer.page.keyboard.press("ArrowLeft")
    explorer.wait_for("run === 2")


@pytest.mark.long
def test_a_saved_notebook_shows_the_last_picture(opened, server, picture):
    """Hidden beside the live explorer, seen where there is no kernel; and it is in the file."""
    name = server.write("saved.ipynb", "from lab.live import Explorer\n\nExplorer(epochs=1, speed=50)")
    notebook = opened(name)
    notebook.run_all()
    notebook.wait_for("state === 'finished'")
    last = notebook.page.locator('.jp-OutputArea img[width="961"]')
    notebook.page.wait_for_function(
        """() => document.querySelector('.jp-OutputArea img[width="961"]')?.src.length > 10_000"""
    )
    assert last.is_hidden()
    notebook.command("docmanager:save")
    notebook.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    outputs = json.loads((server.notebooks / name).read_text())["cells"][0]["outputs"]
    assert len(outputs[0]["data"]["image/png"]) > 10_000
    assert "".join(outputs[1]["data"]["text/plain"]) == "Explorer: run this cell, and it is live"
    notebook.begin_anew()
    last.wait_for()
    picture(notebook, "saved")


@pytest.mark.long
def test_cell_run_again(opened, server):
    """Running a cell again leaves one explorer that lives; the one before it has stopped."""
    cells = (
        "from lab.live import Explorer\n\nmade = globals().get('made', [])\n"
        "made.append(Explorer(epochs=1000))\nmade[-1]",
        "before = [explorer.race._task is not None for explorer in made]\nprint('alive:', before)",
    )
    notebook = opened(server.write("again.ipynb", *cells))
    notebook.run_all()
    notebook.page.get_by_text("alive: [True]").wait_for()
    notebook.run_cells()
    notebook.page.get_by_text("alive: [False, True]").wait_for()
    notebook.page.wait_for_function("() => document.querySelectorAll('.lab-explorer').length === 1")
    notebook.wait_for("run === 1 && step > 10")


@pytest.mark.long
def test_batch_of_one(explorer):
    """A batch of one says why it can't be, keeps the curves, and the next position trains."""
    explorer.wait_for("step > 10")
    explorer.slider("batch_size")
    explorer.page.keyboard.press("Home")
    explorer.wait_for("state === 'stopped'")
    said = explorer.page.locator(".lab-sentence .error", has_text="batch_size 1 can't be batch-normalized")
    said.wait_for()
    run, _, step, _ = explorer.status
    assert all(len(path) > 100 for path in explorer.curves())
    explorer.page.keyboard.press("ArrowRight")
    explorer.wait_for(f"run > {run} && step > {min(step, 20)}")
    said.wait_for(state="detached")


OWN = """
from lab import batchnorm_backward_alt, batchnorm_forward
from lab.live import Explorer

def right(x, gamma, beta, bn_param):
    return batchnorm_forward(x, gamma, beta, bn_param)

def of_a_wrong_sign(dout, cache):
    dx, dgamma, dbeta = batchnorm_backward_alt(dout, cache)
    return -dx, dgamma, dbeta

def crashing(x, gamma, beta, bn_param):
    return x @ gamma_typo
"""


@pytest.mark.parametrize(("backward", "curves"), [("batchnorm_backward_alt", 1), ("of_a_wrong_sign", 2)])
@pytest.mark.product(every=2)
def test_own_code(opened, server, backward, curves):
    """A right pair trains as the lab's does, so their curves are one; a wrong one trains wrongly."""
    own = f'Explorer(layers={{"batchnorm": (right, {backward})}})'
    notebook = opened(server.write("own.ipynb", f"{OWN}\n{own}"))
    notebook.run_all()
    notebook.wait_for("step > 10")
    notebook.button("Pause").click()
    notebook.wait_for("state === 'paused'")
    notebook.wait_for_curves(curves)
    assert notebook.page.locator(".lab-title").inner_text() == "Own batch norm against batch norm"


@pytest.mark.long
def test_own_code_that_crashes(opened, server):
    """The error of a student's pair names its line, with the traceback one click away."""
    notebook = opened(
        server.write(
            "crash.ipynb", f'{OWN}\nExplorer(layers={{"batchnorm": (crashing, batchnorm_backward_alt)}})'
        )
    )
    notebook.run_cells()
    notebook.wait_for("state === 'stopped'")
    line = notebook.page.locator(".lab-sentence .error").inner_text()
    assert re.search(r"NameError: .*'gamma_typo'.* \(line 12 of crashing: return x @ gamma_typo\)", line)
    traceback = notebook.page.locator(".lab-sentence pre")
    assert not traceback.is_visible()
    notebook.page.get_by_text("more", exact=True).click()
    assert traceback.is_visible()
    assert "Traceback" in traceback.inner_text()


@pytest.mark.long
def test_scenes(explorer):
    """A scene brings its networks, its figures and its question; a slider then moves both networks."""
    explorer.page.locator(".lab-head select").select_option("batch norm is off at the start")
    explorer.wait_for("run === 2 && step > 3")
    assert explorer.page.locator(".lab-question b").inner_text().endswith("?")
    assert explorer.number("weight_scale") == "0.0001"
    explorer.page.locator(".lab-panel svg path.element").first.wait_for(state="attached")  # the crosses
    explorer.slider("weight_scale")
    explorer.page.keyboard.press("End")
    explorer.wait_for("run === 3 && step > 3")
    assert explorer.page.locator(".lab-question b").count() == 1


@pytest.mark.long
def test_share_string(opened, server):
    """What is copied from one explorer opens in another; a broken string is told from a good one."""
    cell = "from lab.live import Explorer\n\nExplorer(weight_scale=0.07, normalization='layernorm')"
    notebook = opened(server.write("share.ipynb", cell, "Explorer()"))
    notebook.run_all()
    first, second = (notebook.page.locator(".lab-explorer").nth(i) for i in range(2))
    for one in (first, second):
        one.locator(".lab-folder", has_text="share").click()
    notebook.wait_for("step > 3")
    shared = first.get_by_label("share").input_value()
    assert shared.startswith("nl1:")
    field = second.get_by_label("share")
    field.fill(shared)
    field.press("Enter")
    second.locator(".lab-title", has_text="Layer norm").wait_for()
    assert second.locator(".lab-control-weight_scale input[type=text]").input_value() == "0.07"
    field.fill(shared[:-3])
    field.press("Enter")
    second.locator(".lab-sentence .error", has_text="incomplete or changed").wait_for()
    assert field.input_value() == shared


@pytest.mark.long
def test_changes_while_it_runs(explorer):
    """The learning rate changes without a new run; a branch runs against what it was; Back undoes."""
    explorer.wait_for("step > 5")
    explorer.button("Pause").click()
    explorer.open_fold("more")
    explorer.page.get_by_label("learning rate and L2 change the run that goes on").check()
    explorer.type("learning_rate", "0.05")
    status = explorer.page.locator(".lab-status")
    status.locator("text=learning rate 0.05 from update").wait_for()
    assert explorer.status[0] == 1
    explorer.open_fold("runs")
    explorer.page.locator(".lab-fold button", has_text="Branch").click()
    explorer.page.locator(".lab-title", has_text="changed against").wait_for()
    step = explorer.status[2]
    explorer.type("learning_rate", "0.2")
    for _ in range(5):
        explorer.button("Step").click()
    explorer.wait_for(f"step === {step + 5}")
    explorer.wait_for_curves(2)
    explorer.page.get_by_label("update", exact=True).fill("3")
    explorer.page.get_by_label("update", exact=True).press("Enter")
    explorer.page.locator("button", has_text="Go back there").click()
    explorer.wait_for("step === 3 && run === 1")
    explorer.page.locator(".lab-title", has_text="against no normalization").wait_for()
    assert explorer.number("learning_rate") == "0.001"


@pytest.mark.long
def test_pinned_runs(explorer):
    """A run is pinned, named, opened again and removed; its curve stays on the screen meanwhile."""
    explorer.wait_for("step > 20")
    explorer.button("Pause").click()
    explorer.wait_for("state === 'paused'")
    explorer.open_fold("runs")
    explorer.button("Pin this run").click()
    pin = explorer.page.locator(".lab-pin.pinned1")
    pin.wait_for()
    assert "validation" in pin.inner_text()
    pin.locator("input").fill("the first one")
    pin.locator("input").press("Enter")
    explorer.page.locator(".lab-key.pinned1", has_text="the first one").wait_for()
    chosen = explorer.curves()[0]
    explorer.type("weight_scale", "0.3")
    explorer.wait_for("run === 2")
    explorer.wait_for_paths_other_than(chosen)
    panel = explorer.page.locator(".lab-panel").first
    pinned = panel.locator(f"{SOLID} .curve:nth-of-type(2) path.line")
    explorer.wait_until(lambda: pinned.get_attribute("d").count("L") == chosen.count("L"))
    pin.locator("button", has_text="Open").click()
    explorer.wait_for("run === 3")
    assert explorer.number("weight_scale") == "0.02"
    pin.locator("button", has_text="Remove").click()
    pin.wait_for(state="hidden")


def test_theme_switch(explorer):
    """Texts and curves follow the theme at once, and training goes on."""
    from playwright.sync_api import expect

    line = explorer.page.locator(f".lab-panel {SOLID} {CHOSEN} path.line").first
    for theme, colour in (("Dark", "rgb(86, 180, 233)"), ("Light", "rgb(0, 114, 178)")):
        explorer.command("apputils:change-theme", {"theme": f"JupyterLab {theme}"})
        explorer.page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme}']", state="attached")
        step = explorer.status[2]
        explorer.wait_for(f"step > {step}")
        expect(line).to_have_css("stroke", colour, timeout=60_000)


@pytest.mark.long
def test_long_run(opened, server, request):
    """The page's memory stays flat, and the frames go on coming; --soak 600 for ten minutes."""
    seconds = request.config.getoption("--soak", default=30)
    notebook = opened(server.write("long.ipynb", "from lab.live import Explorer\n\nExplorer(epochs=10**6)"))
    notebook.run_all()
    notebook.wait_for("step > 200")
    heaps, frames = [], []
    for _ in range(5):
        heaps.append(notebook.heap())
        frames.append(notebook.status[1])
        notebook.page.wait_for_timeout(1000 * seconds / 5)
    assert min(np.diff(frames)) > 2 * seconds / 5  # at the very least: other tests may share the machine
    assert heaps[-1] < 1.15 * heaps[1], heaps


@pytest.mark.long
def test_two_explorers(opened, server):
    """Two explorers on one page: a pause of the first leaves the second one alone."""
    cell = "from lab.live import Explorer\n\nExplorer(epochs=1000)"
    notebook = opened(server.write("two.ipynb", cell, cell))
    notebook.run_all()
    notebook.page.wait_for_function("() => document.querySelectorAll('.lab-status[data-step]').length === 2")
    notebook.button("Pause").click()
    notebook.wait_for("state === 'paused'")
    second = notebook.page.locator(".lab-status").nth(1)
    step = int(second.get_attribute("data-step"))
    notebook.page.wait_for_function(
        "step => +document.querySelectorAll('.lab-status')[1].dataset.step > step + 10", arg=step
    )
    assert notebook.status[3] == "paused"
