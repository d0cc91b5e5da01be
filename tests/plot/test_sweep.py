"""Pictures of sweeps: numbers and choices, one seed and several, any normalizations."""

import numpy as np
import pytest

from lab.live.words import TABLES
from lab.plot.colours import NORMALIZATIONS
from lab.plot.sweep import MARKERS, draw

NAMES = TABLES["normalization"]
NUMBERS, WORDS = [0.01, 0.1, 1.0], ["ReLU", "tanh", "sigmoid"]


def results(*norms, seeds=1):
    rng = np.random.default_rng(0)
    titles = ("best training accuracy", "best validation accuracy", "final loss")
    return {title: {norm: rng.random((3, seeds)) for norm in norms} for title in titles}


def texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def lines(axes, norm):
    """The lines of a normalization, by their points."""
    return [line for line in axes.lines if line.get_color() == NORMALIZATIONS[norm]]


def test_numbers_have_curves_on_a_logarithmic_axis():
    found = results(None, "batchnorm", "layernorm")
    figure = draw("weight scale", NUMBERS, found, NAMES, "What can be seen.")
    for axes, (title, of_norm) in zip(figure.axes, found.items(), strict=True):
        assert (axes.get_title(), axes.get_xlabel(), axes.get_xscale()) == (title, "weight scale", "log")
        assert axes.get_yscale() == ("linear" if "accuracy" in title else "log")
        for norm, each in of_norm.items():
            (line,) = lines(axes, norm)
            assert (line.get_marker(), line.get_linestyle()) == (MARKERS[norm], "-")
            np.testing.assert_array_equal(line.get_xydata(), np.column_stack([NUMBERS, each[:, 0]]))
    assert texts(figure) == ["no normalization", "batch norm", "layer norm"]


def test_choices_have_words_and_points_side_by_side():
    """Each normalization its own column, over the word that it belongs to; nothing joins them."""
    norms = ("batchnorm", "groupnorm", "weightstd", "groupnorm+weightstd")
    found = results(*norms, seeds=5)
    figure = draw("activation", WORDS, found, NAMES, "What can be seen.")
    for axes, of_norm in zip(figure.axes, found.values(), strict=True):
        assert [label.get_text() for label in axes.get_xticklabels()] == WORDS
        columns = set()
        for norm, each in of_norm.items():
            *seeds, mean = lines(axes, norm)
            np.testing.assert_array_equal([line.get_ydata() for line in seeds], each.T)
            np.testing.assert_allclose(mean.get_ydata(), each.mean(axis=1))
            assert all(line.get_markersize() < mean.get_markersize() for line in seeds)
            assert {line.get_linestyle() for line in axes.lines} == {"None"}
            assert list(np.round(mean.get_xdata())) == [0, 1, 2]
            columns |= {*np.round(mean.get_xdata(), 3)}
        assert len(columns) == len(norms) * len(WORDS)
    assert texts(figure) == [NAMES[norm] for norm in norms]
    assert {key.get_linestyle() for key in figure.legends[0].get_lines()} == {"None"}


def test_what_is_the_same_for_all_choices_is_a_line():
    found = results(None, "batchnorm")
    for of_norm in found.values():
        of_norm[None][:] = 0.3
    figure = draw("placement", WORDS, found, NAMES, "What can be seen.", once=(None,))
    for axes in figure.axes:
        (line,) = [line for line in axes.lines if line.get_linestyle() == "-"]
        assert line in lines(axes, None)
        assert set(line.get_ydata()) == {0.3}
    assert texts(figure) == ["no normalization, one for all", "batch norm"]


@pytest.mark.parametrize(("gone", "mean"), [([1], 0.6), ([0, 1], np.nan)])
def test_the_mean_is_that_of_what_is_finite(gone, mean):
    """And where nothing is, there is no point, and no warning."""
    found = results(None, seeds=2)
    loss = found["final loss"][None]
    loss[:] = [0.6, 0.6], [0.1, 0.3], [0.2, 0.4]
    loss[0, gone] = [np.inf, np.nan][: len(gone)]
    figure = draw("activation", WORDS, found, NAMES, "What can be seen.")
    np.testing.assert_allclose(lines(figure.axes[2], None)[-1].get_ydata(), [mean, 0.2, 0.3])
