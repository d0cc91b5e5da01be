"""Dropout: what is kept, the mean, modes, errors."""

import numpy as np
import pytest

from lab.nn import dropout_backward, dropout_forward


def dropped(x, p, seed=0):
    return dropout_forward(x, {"mode": "train", "p": p, "rng": np.random.default_rng(seed)})


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_p_is_the_probability_to_keep_and_the_mean_stays(p):
    """Kept units are divided by p."""
    x = np.full((400, 500), 3.0)
    out, _ = dropped(x, p)
    np.testing.assert_allclose(np.mean(out != 0), p, atol=0.005)
    np.testing.assert_allclose(out[out != 0], 3 / p)
    np.testing.assert_allclose(out.mean(), 3, rtol=0.02)


def test_each_unit_of_each_row_is_drawn_by_itself():
    out, _ = dropped(np.ones((200, 300)), 0.5)
    assert np.abs((out != 0).mean(axis=0) - 0.5).max() < 0.2
    assert np.abs((out != 0).mean(axis=1) - 0.5).max() < 0.2


def test_backward_passes_through_what_was_kept():
    x, dout = np.random.default_rng(1).normal(size=(2, 6, 5))
    out, cache = dropped(x, 0.6)
    np.testing.assert_allclose(dropout_backward(dout, cache), np.where(out != 0, dout / 0.6, 0))


def test_all_is_kept_with_p_one_and_in_test_mode():
    x = np.random.default_rng(1).normal(size=(6, 5))
    np.testing.assert_array_equal(dropped(x, 1)[0], x)
    out, cache = dropout_forward(x, {"mode": "test", "p": 0.5})
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(dropout_backward(x, cache), x)


def test_members_of_a_population_share_the_mask():
    out, _ = dropped(np.ones((3, 6, 5)), 0.5)
    np.testing.assert_array_equal(out[0], out[1])
    np.testing.assert_array_equal(out[0], dropped(np.ones((6, 5)), 0.5)[0])


@pytest.mark.parametrize("p", [0, -0.1, 1.1, np.nan])
@pytest.mark.parametrize("mode", ["train", "test"])
def test_a_p_out_of_range_is_refused(mode, p):
    with pytest.raises(ValueError, match=r"p, the probability to keep a unit, must lie in \(0, 1\], not"):
        dropout_forward(np.ones((2, 2)), {"mode": mode, "p": p, "rng": np.random.default_rng(0)})


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="must be 'train' or 'test', not 'eval'"):
        dropout_forward(np.ones((2, 2)), {"mode": "eval", "p": 0.5})


def test_without_a_stream_it_draws_as_courses_do():
    """A "seed" gives the same mask at each call, and no seed draws from NumPy's global stream."""
    x = np.ones((50, 20))
    first, second = (dropout_forward(x, {"mode": "train", "p": 0.5, "seed": 3})[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.random.seed(3)
    np.testing.assert_array_equal(dropout_forward(x, {"mode": "train", "p": 0.5})[0], first)
    assert (dropout_forward(x, {"mode": "train", "p": 0.5})[0] != first).any()


def test_each_entry_of_an_image_is_drawn_by_itself():
    """Not one mask for all channels or samples; members of a population share it."""
    out, mask = dropped(np.ones((3, 20, 30, 8, 8)), 0.5)
    assert mask.shape == (20, 30, 8, 8)
    for axes in ((0, 1), (0, 2, 3), (1, 2, 3)):
        assert np.abs((mask != 0).mean(axis=axes) - 0.5).max() < 0.2
        assert ((mask != 0).std(axis=axes) > 0.4).all()
    np.testing.assert_array_equal(out[0], out[2])
    np.testing.assert_array_equal(out[0], dropped(np.ones((20, 30, 8, 8)), 0.5)[0])


def test_the_draws_of_rows_are_those_of_one_call():
    """So that runs of earlier versions can be repeated."""
    expected = np.random.default_rng(0).random((6, 5)) < 0.5
    for lead in ((), (3,)):
        np.testing.assert_array_equal(dropped(np.ones((*lead, 6, 5)), 0.5)[1] != 0, expected)
