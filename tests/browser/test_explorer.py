"""The explorer in JupyterLab, moved by hand."""

import re

import pytest

pytestmark = pytest.mark.browser


def test_lesson_trains(opened):
    """The first lesson as it is handed out: run, the curves move to the end, and Play starts again."""
    notebook = opened("00_explorer.ipynb")
    notebook.run_all()
    before = notebook.curves()
    notebook.wait_for("step > 20")
    assert notebook.curves() != before
    assert notebook.status[0] == 1  # no control moves when it is put on the screen
    notebook.slider("updates per frame")
    notebook.page.keyboard.press("End")
    notebook.wait_for("state === 'finished' && step === 200")
    notebook.button("Play").click()
    notebook.wait_for("run === 2 && state === 'finished'")


@pytest.mark.parametrize(
    ("slider", "key", "shown"),
    [
        ("weight scale", "ArrowLeft", "0.016"),
        ("batch size", "ArrowLeft", "20"),
        ("normalization", "ArrowRight", "layer norm"),
        ("normalization", "ArrowLeft", "none"),
    ],
)
def test_slider_by_keyboard(explorer, slider, key, shown):
    """One press of an arrow key starts another run, and other curves."""
    explorer.wait_for("step > 10")
    explorer.button("Pause").click()
    explorer.wait_for("state === 'paused'")
    before, (run, *_) = explorer.curves(), explorer.status
    explorer.slider(slider)
    explorer.page.keyboard.press(key)
    assert explorer.wait_for_run(run) == run + 1
    explorer.page.wait_for_function(
        "before => document.querySelector('.bqplot path.line').getAttribute('d') !== before", arg=before[0]
    )
    after = explorer.curves()
    assert len(after) == len(before) == 2
    assert after[0] != before[0]
    assert after[1] != before[1]
    assert explorer.readout(slider) == shown
    explorer.button("Play").click()
    explorer.wait_for(f"run === {run + 1} && step > 10")
    if shown == "none":  # the same network twice: the curves lie on each other
        assert len(set(explorer.curves())) == 1


def test_drag_ends_at_the_last_position(explorer):
    """Many changes in a row: the last one is trained, and nothing queues up."""
    explorer.slider("weight scale")
    for _ in range(40):
        explorer.page.keyboard.press("ArrowLeft")
    explorer.wait_for("run > 1 && step > 20")
    assert explorer.readout("weight scale") == "0.0001"
    run, *_ = explorer.status
    assert run <= 41
    explorer.wait_for(f"run > {run} || step > 60")
    assert explorer.status[0] == run


def test_pause_step_reset_play(explorer):
    """Pause holds, step makes one update, reset goes back to the beginning, play goes on."""
    explorer.wait_for("step > 10")
    explorer.button("Pause").click()
    explorer.wait_for("state === 'paused'")
    held, curves = explorer.status, explorer.curves()
    explorer.page.wait_for_timeout(400)  # eight frames
    assert (explorer.status, explorer.curves()) == (held, curves)

    run, _, step, _ = held
    for presses in (1, 2, 3):
        explorer.button("Step").click()
        explorer.wait_for(f"step >= {step + presses}")
        explorer.page.wait_for_timeout(150)
        assert explorer.status[2:] == (step + presses, "paused")
    assert explorer.curves() != curves

    explorer.button("Reset").click()
    explorer.wait_for_run(run)
    assert explorer.status[2:] == (1, "paused")

    explorer.button("Play").click()
    explorer.wait_for("state === 'training' && step > 5")
    assert explorer.status[0] == run + 1


def test_buttons_by_keyboard(explorer):
    """Tab goes from button to button, Space and Enter press them."""
    keyboard = explorer.page.keyboard
    explorer.button("Play").focus()
    keyboard.press("Tab")
    keyboard.press("Enter")
    explorer.wait_for("state === 'paused'")
    step = explorer.status[2]
    keyboard.press("Tab")
    keyboard.press("Space")
    explorer.wait_for(f"step === {step + 1}")
    keyboard.press("Tab")
    keyboard.press("Enter")
    explorer.wait_for("run === 2 && step === 1")
    for _ in range(3):
        keyboard.press("Shift+Tab")
    keyboard.press("Space")
    explorer.wait_for("state === 'training'")


def test_kernel_restart(explorer):
    """After a restart the old figures stay; run the cell again, and the new ones train."""
    explorer.wait_for("step > 5")
    explorer.slider("weight scale")
    explorer.page.keyboard.press("ArrowLeft")
    explorer.wait_for("run === 2")
    explorer.restart_kernel()
    explorer.run_all()
    explorer.wait_for("run === 1 && step > 10")
    explorer.slider("weight scale")
    explorer.page.keyboard.press("ArrowLeft")
    explorer.wait_for("run === 2")


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
    notebook.command("notebook:run-all-cells")
    notebook.page.get_by_text("alive: [False, True]").wait_for()
    notebook.page.wait_for_function("() => document.querySelectorAll('.lab-explorer').length === 1")
    notebook.wait_for("run === 1 && step > 10")


def test_batch_of_one(explorer):
    """A batch of one says why it can't be, keeps the curves, and the next position trains."""
    explorer.wait_for("step > 10")
    explorer.slider("batch size")
    explorer.page.keyboard.press("Home")
    explorer.wait_for("state === 'stopped'")
    line = explorer.page.locator(".lab-status .error")
    assert line.inner_text().startswith("batch_size 1 can't be batch-normalized")
    run, _, step, _ = explorer.status
    assert all(len(path) > 100 for path in explorer.curves())
    explorer.page.keyboard.press("ArrowRight")
    explorer.wait_for(f"run > {run} && step > {min(step, 20)}")
    assert line.count() == 0


def test_own_code_that_crashes(opened, server):
    """The error of a student's pair names its line, with the traceback one click away."""
    cell = """
from lab.live import Explorer

def my_forward(x, gamma, beta, bn_param):
    return x @ gamma_typo

Explorer(layers={"batchnorm": (my_forward, my_forward)})
"""
    notebook = opened(server.write("own.ipynb", cell))
    notebook.command("notebook:run-all-cells")
    notebook.wait_for("state === 'stopped'")
    line = notebook.page.locator(".lab-status .error").inner_text()
    assert re.search(r"NameError: .*'gamma_typo'.* \(line 4 of my_forward: return x @ gamma_typo\)", line)
    traceback = notebook.page.locator(".lab-status pre")
    assert not traceback.is_visible()
    notebook.page.get_by_text("more", exact=True).click()
    assert traceback.is_visible()
    assert "Traceback" in traceback.inner_text()


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
