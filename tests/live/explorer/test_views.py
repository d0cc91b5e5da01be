"""Every view draws finite curves that hold what was measured, of every network, and its words are true."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from lab.live import curves
from lab.live.explorer.race import Side
from lab.live.explorer.views import VIEWS
from lab.nn.layers import ACTIVATIONS, NORMALIZATIONS
from lab.probe import observe
from lab.train import Config, Training
from lab.train.loop import Accuracy
from tests.live.stage import CONFIG, small_data

SMALL = CONFIG.replace(num_groups=2)
HOSTILE = {
    "diverged": {"optimizer": "sgd", "learning_rate": 1e6, "weight_scale": 10.0},
    "exploded": {"weight_scale": 1e30},
    "vanished": {"weight_scale": 1e-30},
    "nothing but zeros": {"weight_scale": 0.0},
    "greatest numbers": {"dtype": "float64", "optimizer": "sgd", "learning_rate": 1e300},
    "least numbers": {"dtype": "float64", "weight_scale": 1e-200},
}
EXPONENTS = [name for name, view in VIEWS.items() if view.fit is curves.whole_span]


@cache
def trained(config, updates=6):
    """What there is to see of a network after some updates, the last of them observed."""
    training = Training.from_config(config, small_data())
    signals = None
    for _ in range(updates):
        signals = observe(training) or signals
    return Side(training.config, training.loss, list(training.accuracies), training.diverged_at, signals)


def drawn(name, side, layer=1):
    return {mark: curve(side, layer) for mark, curve in VIEWS[name].marks.items()}


def told(name, side, layer=1):
    return VIEWS[name].words(side, layer)


def check(name, side):
    """The curves of a view can be drawn, and its axis encloses them by steps of its own."""
    view = VIEWS[name]
    for layer in (1, 2, 100):
        for mark, (x, y) in drawn(name, side, layer).items():
            assert np.shape(x) == np.shape(y), mark
            assert np.ndim(x) == 1, mark
            assert np.isfinite(x).all(), mark
            assert (np.isfinite(y) | (name in EXPONENTS and np.isneginf(y))).all(), mark
            first, last = view.fit(y, *view.span)
            assert np.isfinite([first, last]).all()
            assert first <= view.span[0] < view.span[1] <= last
        said = told(name, side, layer)
        assert "nan" not in said
        assert "inf" not in said


# --- every network ------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_every_network_can_be_drawn(normalization, activation):
    side = trained(SMALL.replace(normalization=normalization, activation=activation))
    for name in VIEWS:
        check(name, side)
        is_there = name != "running" or "batchnorm" in (normalization or "")
        assert all(len(x) > 0 for mark, (x, _) in drawn(name, side).items() if mark != "cross") == is_there
        assert bool(told(name, side)) == is_there


@pytest.mark.parametrize("why", HOSTILE)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.product(every=5)
def test_what_has_diverged_or_vanished_can_be_drawn(normalization, why):
    for activation in ("relu", "sigmoid"):
        side = trained(SMALL.replace(normalization=normalization, activation=activation, **HOSTILE[why]))
        for name in VIEWS:
            check(name, side)


@pytest.mark.parametrize("fields", [{"noise": True, "dropout_keep_ratio": 0.5}, {"hidden_dims": (5, 10, 20)}])
def test_other_networks_can_be_drawn(fields):
    for name in VIEWS:
        check(name, trained(SMALL.replace(num_groups=5, **fields)))


@pytest.mark.parametrize(
    "side",
    [
        Side(CONFIG, np.zeros(0), [], None),
        Side(CONFIG, np.array([np.nan, np.inf]), [], 1),
        trained(SMALL.replace(hidden_dims=(), normalization=None)),
    ],
    ids=["before the first update", "without signals", "without hidden layers"],
)
def test_what_was_not_measured_is_not_drawn(side):
    for name in VIEWS:
        check(name, side)
    for name in ("activations", "silent", "running", "histogram"):
        assert all(len(x) == 0 for x, _ in drawn(name, side).values())
        assert told(name, side) == ""


# --- what is drawn -----------------------------------------------------------------------------------------


def seen(**signals):
    """A side of which this was seen."""
    return Side(CONFIG, np.ones(1), [], None, SimpleNamespace(**signals))


SIZES_SEEN = np.array([[0.1, 1, 10], [0.01, 0.1, 1], [1e-30, 1e-20, 1e-4], [1, 1, np.inf], [np.nan] * 3])


def test_loss():
    loss = np.array([2.0, 100.0, np.nan, 0.0, 1e-9, 1e30])
    side = Side(CONFIG, loss, [], None)
    x, y = drawn("loss", side)["solid"]
    np.testing.assert_array_equal(x, [1, 2, 4, 5, 6])
    np.testing.assert_allclose(y, [np.log10(2), 2, -np.inf, -9, 30])
    x, y = drawn("loss-linear", side)["solid"]
    np.testing.assert_array_equal(x, [1, 2, 4, 5, 6])
    np.testing.assert_array_equal(y, [2, 100, 0, 1e-9, 1e30])


def test_loss_in_words():
    side = Side(CONFIG, np.array([2.345, *[100.0] * 5, *[1.0, 3.0] * 5]), [], None)
    assert told("loss", side) == told("loss-linear", side) == "from 2.35 to 2"
    assert told("loss", Side(CONFIG, np.array([2.3, np.nan]), [], 2)) == "from 2.3 to no finite value"


@pytest.mark.parametrize(("name", "x"), [("accuracy", [1, 10]), ("accuracy-epoch", [0, 2])])
def test_accuracy(name, x):
    """Training is solid and validation dashed, by update or by epoch."""
    side = Side(CONFIG, np.ones(10), [Accuracy(1, 0, 0.1, 0.2), Accuracy(10, 2, 0.75, 0.5)], None)
    curve = drawn(name, side)
    np.testing.assert_array_equal(curve["solid"], (x, [0.1, 0.75]))
    np.testing.assert_array_equal(curve["dashed"], (x, [0.2, 0.5]))
    assert told(name, side) == "75% in training, 50% in validation"


def test_activations():
    """The median as a line, the 5th to 95th percentile as a band; what has no end is left out."""
    side = seen(sizes=SIZES_SEEN, is_off=np.array([False, True, True, False, True]))
    curve = drawn("activations", side)
    np.testing.assert_allclose(curve["solid"], ([1, 2, 3, 4], [0, -1, -20, 0]))
    outline = [1, 2, 3, 3, 2, 1, 1], [1, 0, -4, -30, -2, -1, 1]
    np.testing.assert_allclose(curve["band"], outline, atol=1e-12)
    np.testing.assert_allclose(curve["cross"], ([2, 3], [-1, -20]))
    assert told("activations", side) == "1 in the first layer, no finite value in layer 5"


def test_silent_units():
    side = seen(silent=np.array([0.0, np.nan, 0.625]))
    np.testing.assert_array_equal(drawn("silent", side)["solid"], ([1, 3], [0, 0.625]))
    assert told("silent", side) == "0% in the first layer, 62% in layer 3"


def test_gradients():
    """What is there is drawn where it is; a gradient of zero has no exponent."""
    side = seen(gradient_norms=np.array([1e-44, 0.0, np.inf, np.nan, 20.0]))
    expected = [1, 2, 5], [-44, -np.inf, np.log10(20)]
    np.testing.assert_allclose(drawn("gradient", side)["solid"], expected)
    assert told("gradient", side) == "1e-44 in the first layer, 20 in layer 5"


def test_updates():
    """Already a logarithm, that of no update at all included."""
    side = seen(update_ratios=np.array([-3.5, -np.inf, -2.0]))
    np.testing.assert_array_equal(drawn("update", side)["solid"], ([1, 2, 3], [-3.5, -np.inf, -2]))
    assert told("update", side) == "0.00032 in the first layer, 0.01 in layer 3"


def test_running_statistics():
    side = seen(running_ratios=SIZES_SEEN[:2])
    curve = drawn("running", side)
    np.testing.assert_allclose(curve["solid"], ([1, 2], [0, -1]))
    np.testing.assert_allclose(curve["band"], ([1, 2, 2, 1, 1], [1, 0, -2, -1, 1]), atol=1e-12)
    assert told("running", side) == "1 in the first layer, 0.1 in layer 2"


def test_histogram_has_the_outline_of_its_bars():
    asked = []

    def histogram(layer):
        asked.append(layer)
        return np.array([-1.0, 0.0, 2.0, 4.0]), np.array([0.25, 0.5, 0.25])

    side = seen(sizes=SIZES_SEEN, histogram=histogram)
    x, y = drawn("histogram", side, layer=2)["solid"]
    np.testing.assert_array_equal(x, [-1, 0, 0, 2, 2, 4])
    np.testing.assert_array_equal(y, [0.25, 0.25, 0.5, 0.5, 0.25, 0.25])
    assert told("histogram", side, layer=9) == "from -1 to 4, most often near 0"
    assert asked == [2, 5]  # a layer that isn't there is the last one


def test_views_show_the_signals_of_the_training():
    """What is drawn of a real network is what `observe` saw."""
    side = trained(SMALL)
    signals = side.signals
    for name, values in {
        "activations": np.log10(signals.sizes[:, 1]),
        "silent": signals.silent,
        "gradient": np.log10(signals.gradient_norms),
        "update": signals.update_ratios,
        "running": np.log10(signals.running_ratios[:, 1]),
    }.items():
        x, y = drawn(name, side)["solid"]
        np.testing.assert_array_equal(x, np.arange(1, len(values) + 1))
        np.testing.assert_allclose(y, values)
    assert drawn("histogram", side)["solid"][1].sum() == pytest.approx(2)  # each bar has two corners


def test_batch_norm_that_is_off_is_crossed():
    config = SMALL.replace(weight_scale=1e-4, eps=0.1, optimizer="sgd")
    assert len(drawn("activations", trained(config))["cross"][0]) == 2
    assert len(drawn("activations", trained(config.replace(normalization=None)))["cross"][0]) == 0
    assert len(drawn("activations", trained(SMALL))["cross"][0]) == 0


# --- the table ----------------------------------------------------------------------------------------


def test_views_have_names_of_their_own():
    assert len({view.title for view in VIEWS.values()}) == len(VIEWS)
    assert all("_" not in view.title + view.y_label for view in VIEWS.values())


@pytest.mark.parametrize(
    ("name", "value", "span"),
    [
        ("loss", -3.2, (-4, 1)), ("loss-linear", 3.0, (0, 5)), ("activations", 1.5, (-3, 2)),
        ("gradient", -3.5, (-4, 1)), ("update", -7.2, (-8, 0)), ("running", 1.1, (-1, 2)),
        ("histogram", 0.3, (0, 0.5)), ("accuracy", 0.5, (0, 1)), ("silent", 1.0, (0, 1)),
    ],
)  # fmt: skip
def test_axes_grow_where_a_value_may_leave_them(name, value, span):
    view = VIEWS[name]
    assert view.fit(np.array([value]), *view.span) == span


def test_views_start_where_a_usual_run_lies():
    """The axis of the default network stands still: its span, and for what spans decades a step or two."""
    training = Training.from_config(Config(train_size=200, epochs=4))
    for _ in range(15):
        signals = observe(training)
    side = Side(training.config, training.loss, list(training.accuracies), None, signals)
    for name, view in VIEWS.items():
        y = drawn(name, side)["solid"][1]
        first, last = view.fit(y, *view.span)
        if name != "histogram":  # whose bars are as high as their layer makes them
            assert view.span[0] - first <= 2, name
            assert last <= max(2 * view.span[1], view.span[1] + 1), name
