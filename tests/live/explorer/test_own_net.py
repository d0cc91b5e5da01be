"""A network of somebody else in the place of the lab's: the class that makes it, or the model as it is."""

import numpy as np
import pytest

from lab.live import Explorer
from lab.live.explorer.race import OWN_MODEL, OWN_NET
from lab.live.explorer.views import VIEWS
from lab.nn import affine_backward, affine_forward, relu_backward, relu_forward, softmax_loss
from lab.train import Config
from tests.live.screen import Screen
from tests.live.stage import CONFIG, live, paused, small_data, start, until


class TwoLayers:
    """What a student may write: two affine layers, nothing about the lab, and lists instead of tuples."""

    def __init__(
        self, hidden_dims, input_dim=64, num_classes=10, normalization=None, reg=0.0, weight_scale=0.1
    ):
        sizes = [input_dim] + hidden_dims[:1] + [num_classes]
        self.reg, self.normalization, self.calls = reg, normalization, 0
        self.params = {}
        for i in (1, 2):
            self.params[f"W{i}"] = weight_scale * np.random.randn(sizes[i - 1], sizes[i])
            self.params[f"b{i}"] = np.zeros(sizes[i])

    def loss(self, X, y=None):
        p = self.params
        out, first = affine_forward(X, p["W1"], p["b1"])
        if self.normalization:
            out = out / 2
        out, bent = relu_forward(out)
        scores, second = affine_forward(out, p["W2"], p["b2"])
        if y is None:
            return scores
        self.calls += 1
        loss, dout = softmax_loss(scores, y)
        grads = {}
        dout, grads["W2"], grads["b2"] = affine_backward(dout, second)
        dout = relu_backward(dout, bent) / (2 if self.normalization else 1)
        _, grads["W1"], grads["b1"] = affine_backward(dout, first)
        for name in ("W1", "W2"):
            loss += 0.5 * self.reg * np.sum(p[name] ** 2)
            grads[name] += self.reg * p[name]
        return loss, grads


def model():
    return TwoLayers([8], input_dim=6, num_classes=3)


def with_loss(loss):
    """A maker of a network whose loss in training mode is this."""

    class Broken(TwoLayers):
        def loss(self, X, y=None):
            return loss(self, X, y) if y is not None else super().loss(X)

    return Broken


# --- the class that makes it ---------------------------------------------------------------------------


@live
async def test_a_class_makes_both_networks(trainings):
    """Chosen network and twin are the student's; they differ in normalization alone, and train."""
    race, frames = start(net=TwoLayers, speed=20)
    await until(lambda: frames and frames.last.step > 200)
    frame = frames.last
    nets = [training.net.model for training in trainings]
    assert [type(net) for net in nets] == [TwoLayers, TwoLayers]
    assert [net.normalization for net in nets] == ["batchnorm", None]
    assert frame.error == ""
    assert frame.chosen.own == frame.twin.own == (OWN_NET,)
    for side in (frame.chosen, frame.twin):
        assert side.loss[-20:].mean() < 0.8 * side.loss[:5].mean()
    race.stop()


@live
async def test_it_hears_the_sliders_and_its_seed_decides(trainings):
    """A slider makes a network anew with what it says; the same seed gives the same, another one another;
    nobody's random numbers are touched."""
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    race, frames = await paused(net=TwoLayers, config=CONFIG.replace(weight_scale=0.5, reg=0.1))
    first = trainings[0].net.model
    assert first.reg == 0.1
    assert np.random.rand() == expected
    race.choose(weight_scale=0.001)
    await until(lambda: frames.last.run == 2)
    assert trainings[2].net.model is not first
    small = frames.last.chosen.loss[0]
    assert small == pytest.approx(np.log(3), abs=0.01)
    race.reset()
    await until(lambda: frames.last.run == 3)
    assert frames.last.chosen.loss[0] == small
    race.choose(seed=1, data_seed=0)
    await until(lambda: frames.last.run == 4)
    assert frames.last.chosen.loss[0] != small


@live
async def test_regularization_changes_the_run_that_goes_on(trainings):
    race, frames = await paused(net=TwoLayers)
    race.change(reg=5.0)
    race.step()
    await until(lambda: frames.last.step == 2)
    assert [training.net.model.reg for training in trainings] == [5.0, 5.0]
    assert frames.last.chosen.loss[1] > 2 * frames.last.chosen.loss[0]


@live
async def test_it_goes_back_and_branches():
    """What is replayed is equal bit for bit, and a branch is a network of its own."""
    race, frames = start(net=TwoLayers, speed=7)
    await until(lambda: frames and frames.last.step > 60)
    losses = frames.last.chosen.loss
    race.back(33)
    await until(lambda: frames.last.step == 33 and frames.last.returns)
    race.branch()
    race.play()
    await until(lambda: frames.last.step > 60)
    np.testing.assert_array_equal(frames.last.chosen.loss[:60], losses[:60])
    np.testing.assert_array_equal(frames.last.twin.loss[:60], losses[:60])
    race.change(reg=5.0)  # of the chosen network alone, which the twin doesn't share
    await until(lambda: frames.last.changes and frames.last.step > frames.last.changes[0][0] + 1)
    ((changed_at, _),) = frames.last.changes
    assert (frames.last.chosen.loss[changed_at:] != frames.last.twin.loss[changed_at:]).all()
    race.stop()


@live
async def test_a_function_may_take_the_whole_configuration(trainings):
    def make(config):
        return TwoLayers([config.batch_size], input_dim=6, num_classes=3)

    _, frames = await paused(net=make)
    assert trainings[0].net.model.params["W1"].shape == (6, CONFIG.batch_size)
    assert frames.last.error == ""


# --- the model as it is --------------------------------------------------------------------------------


@live
async def test_a_model_is_copied_at_each_restart():
    """A model trains as it is against the lab's own network, and the one that was given stays as it was."""
    mine = model()
    before = {name: w.copy() for name, w in mine.params.items()}
    race, frames = start(net=mine, speed=20)
    await until(lambda: frames and frames.last.step > 50)
    race.reset()
    await until(lambda: frames.last.run == 2)
    first, again = (next(frame for frame in frames if frame.run == run).chosen.loss[0] for run in (1, 2))
    assert first == again
    assert mine.calls == 0
    for name, w in before.items():
        np.testing.assert_array_equal(mine.params[name], w)
    assert frames.last.chosen.own == (OWN_MODEL,)
    assert frames.last.twin.own == ()
    assert frames.last.twin.config == frames.last.chosen.config
    race.stop()


# --- what is wrong with it ---------------------------------------------------------------------------------


def crash(net, X, y):
    return net.params["W3"]


WRONG = {
    "crash": (crash, "of crash: return net.params["),
    "one value": (lambda net, X, y: 1.0, "loss(X, y) must return the loss and a dict of gradients"),
    "shape": (
        lambda net, X, y: (1.0, {name: w.T[:1] for name, w in net.params.items()}),
        "the model's gradient of W1 must have shape (6, 8), not (1, 6)",
    ),
    "missing": (
        lambda net, X, y: (1.0, {}),
        "the model's gradient of W1 must have shape (6, 8), not missing",
    ),
}


@live
@pytest.mark.parametrize(("loss", "sentence"), WRONG.values(), ids=WRONG)
async def test_errors_of_its_loss_become_a_sentence(loss, sentence):
    _, frames = start(net=with_loss(loss), config=CONFIG.replace(hidden_dims=(8,)))
    await until(lambda: frames and frames.last.error)
    assert sentence in frames.last.error
    assert "Traceback" in frames.last.details


@live
async def test_a_crash_keeps_the_run_before_and_is_mended():
    """A slider at which the network crashes leaves the last curves; at another it trains again."""

    def only_small(hidden_dims, input_dim, num_classes, weight_scale):
        assert weight_scale < 1, "too large for me"
        return TwoLayers(hidden_dims, input_dim, num_classes)

    race, frames = start(net=only_small)
    await until(lambda: frames and frames.last.step > 20)
    race.choose(weight_scale=2.0)
    await until(lambda: frames.last.error)
    assert "AssertionError: too large for me" in frames.last.error
    assert len(frames.last.chosen.loss) > 20
    race.choose(weight_scale=0.1)
    await until(lambda: not frames.last.error and frames.last.run == 2)
    race.stop()


@live
async def test_parameters_that_are_none_are_refused_in_a_sentence():
    for params, sentence in (
        ({}, "params must be a dict of arrays, and hold at least one"),
        ([1, 2], "params must be a dict of arrays"),
        ({"W1": np.zeros((6, 3), dtype=int)}, "params['W1'] must hold floats, not int64"),
    ):
        mine = model()
        mine.params = params
        _, frames = start(net=mine)
        await until(lambda frames=frames: frames and frames.last.error)
        assert sentence in frames.last.error


@live
async def test_what_is_no_network_is_refused_at_once():
    with pytest.raises(ValueError, match="or a class or function that makes one, not int"):
        start(net=3)
    with pytest.raises(ValueError, match="net needs 'my_depth', which no configuration has"):
        start(net=lambda my_depth: None)
    with pytest.raises(ValueError, match="leave net or layers out"):
        start(net=TwoLayers, layers={"relu": (relu_forward, relu_backward)})


@live
async def test_what_makes_no_model_says_so():
    _, frames = start(net=lambda config: None)
    await until(lambda: frames and frames.last.error)
    assert "a model needs .loss(X, y) and .params; NoneType lacks one of them" in frames.last.error


# --- the explorer -----------------------------------------------------------------------------------------


def explorer(**settings):
    return Screen(Explorer(config=CONFIG, data=small_data(), **settings))


def locked(screen):
    return {control.label for control in screen.controls if control.is_locked}


@live
async def test_the_explorer_shows_it_and_locks_what_it_does_not_hear():
    screen = explorer(net=TwoLayers, play=False)
    await until(lambda: screen.title)
    for said in ("Batch norm, own network", "no normalization, own network", "2×8 ReLU"):
        assert said in screen.title
    assert {"activation", "eps", "dropout keep ratio", "device", "noise", "scene"} <= locked(screen)
    assert not {"weight scale", "normalization", "depth", "width", "L2", "seed", "batch size"} & locked(
        screen
    )
    assert screen.control("scene").is_disabled
    offered = set(screen.figures[1].offered)
    assert {
        VIEWS[name].title for name in ("activations", "silent", "running", "histogram")
    } & offered == set()
    assert {VIEWS[name].title for name in ("accuracy", "gradient", "update")} <= offered
    screen.widget.close()


@live
async def test_gradients_by_layer_are_drawn():
    screen = explorer(net=TwoLayers, play=False)
    await until(lambda: "in layer 2" in screen.figure("gradient norm").words)
    screen.widget.close()


@live
async def test_a_model_leaves_the_controls_of_training():
    screen = explorer(net=model(), play=False)
    await until(lambda: screen.title)
    assert "Own network against" in screen.title
    assert "ReLU" not in screen.title  # nobody knows
    assert {"weight scale", "normalization", "depth", "width", "activation", "eps"} <= locked(screen)
    assert not {"learning rate", "batch size", "optimizer", "L2", "epochs"} & locked(screen)
    screen.widget.close()


@live
async def test_views_and_scenes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="activations"):
        explorer(net=TwoLayers, views=("activations",))
    with pytest.raises(ValueError, match="leave scene or net out"):
        Explorer(net=TwoLayers, scene="it vanishes")


@live
async def test_without_a_net_nothing_is_locked():
    screen = explorer(play=False)
    assert locked(screen) == set()
    assert not screen.control("scene").is_disabled
    expected = [VIEWS[name].title for name in ("accuracy", "activations", "update")]
    assert [figure.title for figure in screen.figures[1:]] == expected
    screen.widget.close()


def test_the_labs_own_class_will_do():
    """Whatever a configuration says of its architecture reaches it."""
    from lab.nn import FullyConnectedNet
    from lab.train.borrowed import COURSE_FIELDS, borrow, heard_fields
    from lab.train.config import NETWORK_FIELDS

    assert heard_fields(FullyConnectedNet) == set(COURSE_FIELDS)
    assert set(NETWORK_FIELDS) - set(COURSE_FIELDS) == {"model", "placement", "width_factor"}
    config = Config(hidden_dims=(4,), activation="tanh", weight_scale=0.5, seed=7)
    made = borrow(FullyConnectedNet, config, 6, 3)
    expected = FullyConnectedNet(
        input_dim=6, num_classes=3, **{name: getattr(config, name) for name in COURSE_FIELDS}
    )
    for name, w in expected.params.items():
        np.testing.assert_array_equal(made.params[name], w)
