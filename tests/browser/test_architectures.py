"""Every architecture trains live in JupyterLab, with own layers in it: all views, back and branch."""

import pytest

from lab.live.explorer.views import VIEWS
from tests.browser.jupyter import CHOSEN, SOLID

pytestmark = pytest.mark.browser

OWN = """
import numpy as np
from lab.live import Explorer

rng = np.random.default_rng(0)
y = rng.integers(4, size=200)
X = rng.normal(size=(200, 3, 32, 32)) + np.cos(y[:, None] * np.arange(32) / 2)[:, None, None]

def relu(x):
    return np.maximum(x, 0), x > 0

def relu_backward(dout, is_positive):
    return dout * is_positive

def plain(config):
    return config.replace(normalization=None)

Explorer(layers={"relu": (relu, relu_backward)}, twin=plain, initialization="he", seed=1, %s)
"""
ARCHITECTURES = {
    "fully connected": ("hidden_dims=(100,) * 5", "digits · 5×100 ReLU", 5),
    "residual": ("model='residual', hidden_dims=(50,) * 64", "digits · residual 64×50 ReLU", 64),
    "convolutional": (
        "model='convolutional', hidden_dims=(16,) * 3", "digits · convolutional 3×16 ReLU", 3
    ),
    "VGG 11": (
        "model='vgg11', width_factor=1 / 16, data=(X, y), batch_size=10",
        "own data · VGG 11 at width ×0.0625 ReLU", 8,
    ),
}  # fmt: skip
POINTS = "path => new Set(path.getAttribute('d').match(/-?[\\d.]+,-?[\\d.]+/g)).size"


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.long
def test_architecture(opened, server, picture, name):
    arguments, summary, layers = ARCHITECTURES[name]
    notebook = opened(server.write("architecture.ipynb", OWN % arguments))
    notebook.run_all()
    notebook.wait_for("step > 20")  # an epoch, so that there are two accuracies
    notebook.button("Pause").click()
    notebook.wait_for("state === 'paused'")
    assert notebook.page.locator(".lab-subtitle").inner_text().startswith(summary)
    assert "own ReLU" in notebook.page.locator(".lab-title").inner_text()
    picture(notebook, name)

    panels = notebook.page.locator(".lab-panel")
    for number, view in enumerate(VIEWS):
        panel = panels.nth(0 if view.startswith("loss") else 2 + number % 2)
        panel.locator("select").select_option(VIEWS[view].title)
        curve = panel.locator(f"{SOLID} {CHOSEN} path.line")
        axis = panel.locator(".axis text", has_text=VIEWS[view].y_label.split("₁₀")[0])
        axis.first.wait_for()
        notebook.wait_until(lambda curve=curve: curve.evaluate(POINTS) > 1)
        if number % 2:
            picture(notebook, f"{name}-{view}")
    chosen_layer = panel.locator("input[type=number]")
    chosen_layer.fill("999")
    chosen_layer.press("Enter")
    notebook.wait_until(lambda: chosen_layer.input_value() == str(layers))

    step, curves = notebook.status[2], notebook.wait_for_rest()
    notebook.button("Back").click()
    notebook.wait_for(f"step === {step - 1}")
    notebook.button("Step").click()
    notebook.wait_for(f"step === {step}")
    assert notebook.wait_for_rest() == curves
    notebook.open_fold("runs")
    notebook.page.locator(".lab-fold button", has_text="Branch").click()
    notebook.page.locator(".lab-title", has_text="changed against").wait_for()
    notebook.open_fold("more")
    notebook.type("learning_rate", "0.1")
    notebook.button("Play").click()
    notebook.wait_for(f"step > {step + 5}")
    notebook.wait_for_curves(2)
    picture(notebook, f"{name}-branch")
    assert notebook.page.locator(".lab-sentence .error").count() == 0


@pytest.mark.long
def test_models_by_hand(opened, server, picture):
    """The model changes by a click; what it doesn't hear rests, and a model that doesn't fit says so."""
    cell = "from lab.live import Explorer\n\nExplorer(speed=2, epochs=100, views=('activations', 'gradient'))"
    notebook = opened(server.write("models.ipynb", cell))
    notebook.run_all()
    notebook.open_fold("more")

    def choose(control, label):
        notebook.control(control).locator("button", has_text=label).first.click()

    choose("model", "residual")
    notebook.wait_for("run === 2 && step > 5")
    notebook.type("depth", "64")
    notebook.wait_for("run === 3 && step > 5")
    choose("placement", "post-norm")
    notebook.wait_for("run === 4 && step > 20")
    assert "residual 64×100" in notebook.page.locator(".lab-subtitle").inner_text()
    notebook.control("model").scroll_into_view_if_needed()
    picture(notebook, "by-hand-residual")
    choose("model", "convolutional")
    notebook.type("depth", "3")
    notebook.type("width", "16")
    notebook.page.locator(".lab-subtitle", has_text="convolutional 3×16").wait_for()
    notebook.wait_for("state === 'training' && step > 5")
    resting = notebook.control("placement").locator("button").first
    notebook.wait_until(resting.is_disabled)
    assert notebook.control("placement").inner_text().endswith("Without effect on a convolutional network.")
    choose("model", "VGG 11")
    notebook.page.locator(".lab-sentence .error", has_text="images of at least 32×32 pixels").wait_for()
    picture(notebook, "by-hand-vgg")
    choose("model", "fully connected")
    notebook.page.locator(".lab-subtitle", has_text="digits · 3×16 ReLU").wait_for()
    notebook.wait_for("state === 'training' && step > 5")
