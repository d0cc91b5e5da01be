"""Flat buffers: parameters are views into one vector; states and copies of a network."""

from copy import deepcopy

import numpy as np
import pytest

from tests.nn.small import every_normalization, minibatch, network, step

# --- flat buffers -------------------------------------------------------------------------------------


def assert_views(net):
    assert all(np.shares_memory(view, net.flat_params) for view in net.params.values())
    assert sum(view.size for view in net.params.values()) == net.flat_params.size
    for layer in net.layers:
        assert all(np.shares_memory(value, net.flat_params) for value in layer.values)
        assert all(np.shares_memory(gradient, net.flat_gradient) for gradient in layer.gradients)


@every_normalization
@pytest.mark.parametrize("members", [{}, {"weight_scale": [0.1, 0.5]}])
def test_all_parameters_are_views_into_one_contiguous_buffer(normalization, members):
    net = network(normalization=normalization, **members)
    assert net.flat_params.flags.c_contiguous
    assert net.flat_gradient.shape == net.flat_params.shape
    assert_views(net)
    before = net.params["W1"].copy()
    net.flat_params += 1
    np.testing.assert_array_equal(net.params["W1"], before + 1)


def test_gradients_of_one_call_stay_what_they_were_after_the_next():
    """A gradient check calls the loss thousands of times before it looks at them."""
    net, (X, y) = network(normalization="batchnorm", reg=0.1), minibatch()
    _, gradients = net.loss(X, y)
    before = {name: gradient.copy() for name, gradient in gradients.items()}
    net.loss(10 * X + 1, y[::-1].copy())
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, before[name])
        assert not np.shares_memory(gradient, net.flat_gradient)


@pytest.mark.parametrize(
    "value", [lambda w: np.full(w.shape, 2.0), lambda w: np.full(w.shape, 2, int).tolist()]
)
def test_assigning_a_parameter_copies_into_its_view(value):
    """Arrays of another dtype, and lists; the array that was assigned stays independent."""
    net = network()
    assigned = value(net.params["W1"])
    net.params["W1"] = assigned
    assert_views(net)
    np.testing.assert_array_equal(net.params["W1"], 2)
    net.flat_params += 1
    np.testing.assert_array_equal(assigned, np.full((7, 6), 2))


def test_assigning_all_parameters_copies_them():
    """A course keeps the best parameters in a dict, and puts them back at the end."""
    net, (X, y) = network(normalization="batchnorm"), minibatch()
    best = {name: value.copy() for name, value in net.params.items()}
    loss, _ = net.loss(X, y)
    step(net)
    net.params = best
    assert_views(net)
    assert net.loss(X, y)[0] == loss
    step(net)
    assert (best["W1"] != net.params["W1"]).any()


def test_updating_in_place_through_the_dict_is_an_assignment():
    """net.params[name] -= rate * gradient, as courses write it."""
    net = network()
    before = net.params["b3"].copy()
    net.params["b3"] -= 0.5
    np.testing.assert_array_equal(net.params["b3"], before - 0.5)
    assert_views(net)


@pytest.mark.parametrize("value", [np.ones((6, 7)), np.ones(42), 1.0, np.ones((1, 7, 6))])
def test_a_value_of_another_shape_is_refused(value):
    """Also one that would broadcast."""
    net = network()
    before = net.flat_params.copy()
    with pytest.raises(
        ValueError, match=r"params\['W1'\] has shape \(7, 6\); a value of shape .* doesn't fit"
    ):
        net.params["W1"] = value
    np.testing.assert_array_equal(net.flat_params, before)


def test_unknown_and_missing_names_are_refused():
    net = network()
    with pytest.raises(KeyError, match="no parameter 'W9'; there are: W1, b1, W2, b2, W3, b3"):
        net.params["W9"] = 1
    with pytest.raises(ValueError, match="params needs exactly W1, b1, W2, b2, W3, b3, not W1"):
        net.params = {"W1": np.zeros((7, 6))}
    assert net.params["W1"].any()
    assert repr(net.params).startswith("Views(W1 (7, 6), b1 (6,)")
    assert len(net.params) == 6


# --- states and copies --------------------------------------------------------------------------------

EVERYTHING = {"normalization": "batchnorm", "dropout_keep_ratio": 0.6, "noise": True, "reg": 0.1}
SINGLE_AND_POPULATION = pytest.mark.parametrize("members", [{}, {"weight_scale": [0.1, 0.5], "seed": [1, 2]}])


@SINGLE_AND_POPULATION
def test_a_state_is_gone_back_to_bit_for_bit(members):
    """Parameters, running statistics and random streams: the same losses follow, in another network too."""
    settings = EVERYTHING | members
    net = network(**settings)
    step(net)
    state = net.state()
    losses = [step(net) for _ in range(4)]
    scores = net.scores(minibatch()[0])
    for again in (net, network(**settings)):
        again.load_state(state)
        np.testing.assert_array_equal([step(again) for _ in range(4)], losses)
        np.testing.assert_array_equal(again.scores(minibatch()[0]), scores)
        assert_views(again)


def test_without_a_seed_the_stream_is_everybodys_and_no_part_of_the_state():
    """Going back with one network doesn't turn back the random numbers of all others."""
    net = network(**EVERYTHING | {"seed": None})
    state = net.state()
    loss = step(net)
    net.load_state(state)
    np.testing.assert_array_equal(net.flat_params, state["params"])
    assert step(net) != loss


@SINGLE_AND_POPULATION
@pytest.mark.parametrize("seed", [{}, {"seed": None}])
def test_a_deep_copy_goes_on_by_itself(members, seed):
    """With views of its own and the same next losses; neither moves the other."""
    net = network(**EVERYTHING | members | seed)
    step(net)
    twin = deepcopy(net)
    assert_views(net)
    assert_views(twin)
    assert not np.shares_memory(net.flat_params, twin.flat_params)
    state = net.state()
    losses = [step(twin) for _ in range(3)]
    np.testing.assert_equal(net.state(), state)
    np.testing.assert_array_equal([step(net) for _ in range(3)], losses)
    np.testing.assert_equal(net.state(), twin.state())
