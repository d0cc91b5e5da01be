"""Optimizers against the textbook's formulas, written down without the lab."""

import numpy as np
import pytest

from lab.nn.optim import OPTIMIZERS

RATES = [1e-2, 1e-2, 3e-3, 1e-3, 1e-1]  # a rate may change at any step


def sgd(w, gradients):
    for g, rate in zip(gradients, RATES, strict=True):
        w = w - rate * g
    return w


def momentum(w, gradients, momentum=0.9):
    v = 0
    for g, rate in zip(gradients, RATES, strict=True):
        v = momentum * v - rate * g
        w = w + v
    return w


def rmsprop(w, gradients, decay_rate=0.99, epsilon=1e-8):
    c = 0
    for g, rate in zip(gradients, RATES, strict=True):
        c = decay_rate * c + (1 - decay_rate) * g**2
        w = w - rate * g / (np.sqrt(c) + epsilon)
    return w


def adam(w, gradients, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = v = 0
    for t, (g, rate) in enumerate(zip(gradients, RATES, strict=True), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return w


TEXTBOOK = {"sgd": sgd, "momentum": momentum, "rmsprop": rmsprop, "adam": adam}
COEFFICIENTS = {
    "sgd": {},
    "momentum": {"momentum": 0.5},
    "rmsprop": {"decay_rate": 0.7, "epsilon": 0.1},
    "adam": {"beta1": 0.6, "beta2": 0.8, "epsilon": 0.1},
}
every_rule = pytest.mark.parametrize("rule", OPTIMIZERS)


def problem(shape=(20,), dtype=np.float64):
    """Parameters, and gradients of very different sizes: zero is among them."""
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(len(RATES), *shape)) * np.logspace(-6, 2, shape[-1])
    gradients[..., 0] = 0
    return rng.normal(size=shape).astype(dtype), gradients.astype(dtype)


def run(optimizer, w, gradients, rates=RATES):
    for g, rate in zip(gradients, rates, strict=True):
        optimizer.update(w, g, rate)
    return w


@every_rule
@pytest.mark.parametrize("chosen", [False, True])
def test_updates_follow_the_textbook(rule, chosen):
    """With the default and with chosen coefficients."""
    w, gradients = problem()
    coefficients = COEFFICIENTS[rule] if chosen else {}
    received = run(OPTIMIZERS[rule](w, **coefficients), w.copy(), gradients)
    np.testing.assert_allclose(received, TEXTBOOK[rule](w, gradients, **coefficients), rtol=1e-12, atol=1e-14)


@every_rule
def test_the_buffer_is_updated_in_place_and_the_gradient_only_read(rule):
    """Views into the buffer see the update: a layer's weights are such views."""
    w, gradients = problem()
    gradients.flags.writeable = False
    view, before = w[3:7], w.copy()
    run(OPTIMIZERS[rule](w), w, gradients)
    assert np.shares_memory(view, w)
    assert (view != before[3:7]).all()


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_population_is_its_members(rule, dtype):
    """Each with its own learning rate."""
    w, gradients = problem((3, 20), dtype)
    factor = np.array([[0.1], [1.0], [10.0]])
    together = run(OPTIMIZERS[rule](w), w.copy(), gradients, [rate * factor for rate in RATES])
    assert together.dtype == dtype
    for k in range(3):
        alone = run(
            OPTIMIZERS[rule](w[k]),
            w[k].copy(),
            gradients[:, k],
            [float(rate * factor[k, 0]) for rate in RATES],
        )
        np.testing.assert_allclose(together[k], alone, rtol=1e-5 if dtype == np.float32 else 1e-13)


@every_rule
def test_state_goes_back_bit_for_bit(rule):
    """What follows after load_state is what followed before; the state is a copy."""
    w, gradients = problem()
    optimizer = OPTIMIZERS[rule](w)
    run(optimizer, w, gradients)
    state, after_state = optimizer.state(), w.copy()
    first = run(optimizer, w.copy(), gradients)
    other = OPTIMIZERS[rule](w)
    for again in (optimizer, other):
        again.load_state(state)
        np.testing.assert_array_equal(run(again, after_state.copy(), gradients), first)


@every_rule
def test_a_coefficient_that_the_rule_does_not_have_is_refused(rule):
    names = ", ".join(COEFFICIENTS[rule]) or "none"
    with pytest.raises(
        ValueError, match=f"{OPTIMIZERS[rule].__name__} has no coefficient 'beta3'; it has: {names}"
    ):
        OPTIMIZERS[rule](np.zeros(3), beta3=0.5)


def test_coefficients_belong_to_one_optimizer():
    """Setting one doesn't change the default of the next."""
    OPTIMIZERS["momentum"](np.zeros(3), momentum=0.1)
    assert OPTIMIZERS["momentum"](np.zeros(3)).momentum == 0.9


@every_rule
def test_the_largest_and_smallest_gradients_give_no_nan(rule):
    """Squares would overflow float32 only from 1e19 on; a gradient of zero moves nothing at first."""
    w = np.ones(3, np.float32)
    OPTIMIZERS[rule](w).update(w, np.array([0, 1e-30, 1e15], np.float32), 1e-3)
    assert np.isfinite(w).all()
    assert w[0] == 1
