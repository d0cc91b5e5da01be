"""Every architecture in an explorer."""

import numpy as np
import pytest

from lab.live.explorer.views import VIEWS
from lab.live.explorer.widget import OTHERS
from lab.nn import relu_backward, relu_forward
from lab.nn.layers import FUNCTIONS
from lab.train import Config
from lab.train.samples import OWN_DATA
from tests.live.explorer.one_explorer import assert_all_shows_the_last_frame, explore
from tests.live.stage import CONFIG, live, small_data, until

ARCHITECTURES = {
    "fully connected": CONFIG.replace(epochs=2),
    "residual": CONFIG.replace(model="residual", hidden_dims=(8,) * 64, epochs=1),
    "convolutional": CONFIG.replace(model="convolutional", hidden_dims=(4, 4), epochs=2),
    "VGG 11": Config(
        dataset=OWN_DATA, model="vgg11", width_factor=1 / 32, batch_size=10, epochs=1, initialization="he"
    ),
}
HIDDEN = {"fully connected": 2, "residual": 64, "convolutional": 2, "VGG 11": 8}  # layers
WEIGHTS = {"fully connected": 3, "residual": 66, "convolutional": 3, "VGG 11": 9}


def images(size, rows=20):
    """Small data of images with three channels."""
    rng = np.random.default_rng(0)
    y = np.arange(2 * rows) % 3
    X = (rng.normal(size=(2 * rows, 3, size, size)) + y[:, None, None, None]).astype(np.float32)
    return {"X_train": X[:rows], "y_train": y[:rows], "X_val": X[rows:], "y_val": y[rows:]}


def data_for(config):
    return images(32 if "vgg" in config.model else 8) if config.architecture.least else small_data()


@pytest.mark.parametrize("name", ARCHITECTURES)
@live
async def test_every_view_of_every_architecture(name):
    """Each draws a curve; axes count hidden layers as activations, matrices as weights."""
    config = ARCHITECTURES[name]
    with explore(config, data=data_for(config)) as screen:
        await screen.reach(state="finished")
        assert config.architecture.in_words(config) in screen.title
        figure = screen.figures[1]
        for view in OTHERS:
            screen.show(1, view)
            await until(lambda view=view: VIEWS[view].title in figure.words)
            assert_all_shows_the_last_frame(screen)
            assert figure.has("chosen")
            assert figure.has("twin") or view == "running"  # only batch norm has them
            expected = {"layers": HIDDEN[name] + 0.5, "matrices": WEIGHTS[name] + 0.5}
            x = VIEWS[view].x
            assert x not in expected or figure.x_span == (0.5, expected[x])
        assert figure.layer.max == HIDDEN[name]


@pytest.mark.parametrize("name", ARCHITECTURES)
@live
async def test_every_architecture_goes_back_and_branches(name):
    config = ARCHITECTURES[name]
    with explore(config, data=data_for(config), play=False) as screen:
        await screen.reach(run=1, frame=2)
        await screen.step()
        loss = screen.frame.chosen.loss
        screen.press("Back")
        await until(lambda: screen.now["step"] == loss.size - 1)
        screen.press("Branch")
        await until(lambda: screen.frame.branched_at is not None)
        await screen.step()
        np.testing.assert_array_equal(screen.frame.chosen.loss, loss)
        np.testing.assert_array_equal(screen.frame.twin.loss, loss)


def resting(screen):
    """The labels of the controls that nothing hears."""
    return {control.label for control in screen.controls if control.is_disabled}


@live
async def test_what_another_model_does_not_hear_comes_back():
    """Sizes that no control shows, too; meanwhile their controls rest."""
    config = CONFIG.replace(hidden_dims=(8, 6))
    with explore(config, data=images(32), play=False) as screen:
        await screen.reach(run=1)
        screen.control("model").value = "vgg11"
        await screen.reach(run=2, frame=2)
        assert screen.config == config.replace(
            model="vgg11", hidden_dims=Config().hidden_dims, width_factor=1 / 16
        )
        assert resting(screen) == {"depth", "width", "placement", "groups"}
        screen.control("model").value = "fully_connected"
        await screen.reach(run=3, frame=2)
        assert screen.config == config
        assert resting(screen) == {"width factor", "placement", "groups"}


@live
async def test_settings_that_only_one_model_hears():
    with explore(CONFIG.replace(model="residual"), play=False) as screen:
        await screen.reach(run=1, frame=2)
        screen.control("placement").value = "post"
        await screen.reach(run=2)
        assert screen.frame.chosen.config.placement == "post"
        assert screen.frame.twin.config.placement == "post"
    vgg = ARCHITECTURES["VGG 11"]
    with explore(vgg, data=data_for(vgg), play=False) as screen:
        await screen.reach(run=1, frame=2)
        screen.control("width factor").value = 1 / 16
        await screen.reach(run=2)
        assert screen.frame.twin.config.width_factor == 1 / 16


@live
async def test_a_model_that_does_not_fit_the_data_says_so():
    """The curves before stay, and the next choice trains."""
    with explore(data=images(8), play=False) as screen:
        await screen.reach(run=1, frame=2)
        screen.control("model").value = "vgg11"
        await screen.reach(state="stopped")
        said = "VGG 11 takes images of at least 32×32 pixels, not samples of shape (3, 8, 8)"
        assert said in screen.sentence
        screen.control("model").value = "convolutional"
        await screen.reach(run=2)
        assert "convolutional 2×8" in screen.title
        screen.control("normalization").value = "groupnorm"
        await screen.reach(state="stopped")
        assert "num_groups must divide the 8" in screen.sentence
        screen.control("groups").value = 4
        await screen.reach(run=3)


@live
async def test_a_twin_of_another_model():
    """What differs stays as far as it is heard, and the names tell no more than that."""
    residual = CONFIG.replace(model="residual")
    with explore(CONFIG, data=images(32), twin=residual, play=False) as screen:
        await screen.reach(run=1, frame=2)
        assert screen.title.startswith("Fully connected against residual")
        screen.control("depth").value = 3
        await screen.reach(run=2)
        assert screen.frame.twin.config == residual.replace(hidden_dims=(8, 8, 8))
    vgg = ARCHITECTURES["VGG 11"]
    with explore(
        CONFIG.replace(hidden_dims=vgg.hidden_dims), data=images(32), twin=vgg, play=False
    ) as screen:
        await screen.reach(run=1, frame=2)
        assert "VGG 11" in screen.title
        screen.control("depth").value = 3
        await screen.reach(run=2)
        assert screen.frame.twin.config.model == "vgg11"
    wider = CONFIG.replace(hidden_dims=(16,))
    with explore(CONFIG, data=images(32), twin=wider, play=False) as screen:
        await screen.reach(run=1, frame=2)
        screen.control("model").value = "vgg11"
        await screen.reach(run=2)
        assert screen.frame.twin.config == screen.frame.chosen.config


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("residual", "batchnorm", "Own batch norm against batch norm"),
        ("residual", "relu", "Batch norm, own ReLU against batch norm"),
        ("convolutional", "conv", "Batch norm, own convolution against batch norm"),
        ("convolutional", "spatial_batchnorm", "Own batch norm against batch norm"),
        ("VGG 11", "max_pool", "Batch norm, own max pooling against batch norm"),
    ],
)
@live
async def test_own_layers_of_every_architecture(name, kind, said):
    """A right pair trains as the lab's, wherever it stands; and it is called."""
    calls = []

    def forward(*arguments):
        calls.append(kind)
        return FUNCTIONS[f"{kind}_forward"](*arguments)

    def backward(dout, cache):
        return FUNCTIONS.get(f"{kind}_backward_alt", FUNCTIONS[f"{kind}_backward"])(dout, cache)

    config = ARCHITECTURES[name]
    own = {kind: (forward, backward)}
    with explore(config, data=data_for(config), layers=own, play=False) as screen:
        await screen.reach(run=1, frame=2)
        await screen.step()
        assert calls
        assert screen.title.startswith(said)
        np.testing.assert_allclose(screen.frame.chosen.loss, screen.frame.twin.loss, rtol=1e-5)


@live
async def test_own_layers_that_a_model_cannot_use_are_refused():
    with explore(layers={"conv": (relu_forward, relu_backward)}, play=False) as screen:
        await screen.reach(state="stopped")
        assert "conv" in screen.sentence
