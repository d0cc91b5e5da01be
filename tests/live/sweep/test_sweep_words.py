"""The sentence of a sweep."""

import numpy as np

from lab.live.sweep.axes import Axis
from lab.live.sweep.widget import LEARNED, sentence
from tests.live.sweep.one_sweep import results_of


def test_sentence():
    """Four fifths of the best, 0.75, is 0.6."""
    found = results_of(
        [0.1, 0.59, 0.61, 0.1], [0.75, 0.7, 0.61, 0.1], [0.7, 0.1, 0.7, 0.1], diverged=[(0, 3)]
    )
    assert LEARNED == 0.8
    assert sentence(found, Axis((1, 2, 3, 4)), "weight scale", "1234", True) == (
        "Without normalization 1 of 4 weight scales learn (3; 1 diverges), with batch norm 3 (1 to 3), with "
        "layer norm 2 (1 to 3, with gaps). To learn is to reach 60% validation accuracy, four fifths of the "
        "best."
    )


def test_sentence_before_all_are_measured():
    nan = np.nan
    found = results_of([nan, 0.1], [nan, 0.5], [nan, 0.2])
    assert sentence(found, Axis((2, 256)), "batch size", ("2", "256"), False).startswith(
        "So far, without normalization 0 of 2 batch sizes learn, with batch norm 1 (256), with layer norm 0."
    )


def test_sentence_of_choices_and_seeds():
    """A choice counts by the mean of its seeds; what is the same for all is said once."""
    seeds = [[0.9, 0.7], [0.9, 0.1], [0.8, 0.8]]
    axis = Axis(("b", "a", "c"), modes=("layernorm", None, "batchnorm"), once=("layernorm",), seeds=2)
    found = results_of([[0.7, 0.7]] * 3, seeds, [[0.6, 0.8]] * 3, diverged=[(0, slice(3), 1), (1, 1)])
    assert sentence(found, axis, "placement", ("before", "after", "both"), True) == (
        "With layer norm, the same for all placements, the network learns (1 of 2 networks diverges), "
        "without normalization 2 of 3 placements learn (before, both; 2 of 6 networks diverge), with batch "
        "norm all 3. To learn is to reach 64% validation accuracy in the mean of 2 seeds, four fifths of the "
        "best."
    )
