"""What holds for every function pair: gradients, purity, memory layouts, populations, data types."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.nn.layers import CASES, COMPILED, assert_gradients
from tests.strategies import rngs

every_layer = pytest.mark.parametrize("case", CASES + COMPILED, ids=lambda case: case.name)
DTYPES = [np.float32, np.float64]


def frozen(inputs):
    for array in inputs:
        array.flags.writeable = False
    return inputs


@every_layer
@settings(max_examples=15)
@given(rngs)
def test_gradients_agree_with_differences(case, rng):
    """All gradients, for a random upstream gradient; the randomness of dropout and noise is frozen."""
    inputs = case.inputs(rng)
    out, *gradients = case.run(inputs, case.settings())
    dout = rng.normal(size=out.shape)
    _, *gradients = case.run(inputs, case.settings(), dout)
    assert len(gradients) == len(inputs)
    assert_gradients(lambda *values: case.run(values, case.settings())[0], inputs, gradients, dout)


@every_layer
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_population_is_its_members(case, dtype):
    """Three members at once give what each gives alone."""
    lead, rng = (3,), np.random.default_rng(0)
    inputs, together = case.inputs(rng, lead, dtype), case.settings(lead)
    whole = case.run(inputs, together, dout := case_dout(case, inputs, lead))
    for k in range(3):
        alone = {n: v[k] if isinstance(v, np.ndarray) else v for n, v in (case.settings(lead) or {}).items()}
        parts = case.run([array[k] for array in inputs], alone or None, dout[k])
        for all_members, member in zip(whole, parts, strict=True):
            np.testing.assert_allclose(all_members[k], member, atol=20 * np.finfo(dtype).eps, rtol=1e-5)
        for name, value in alone.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(together[name][k], value, rtol=1e-6)


def case_dout(case, inputs, lead):
    shape = case.run(inputs, case.settings(lead))[0].shape
    return np.random.default_rng(2).normal(size=shape).astype(inputs[0].dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_is_kept_and_inputs_are_only_read(case, dtype):
    """Out and gradients have the dtype and shape of what they belong to; read-only inputs do."""
    inputs = frozen(case.inputs(np.random.default_rng(0), (), dtype))
    out, *gradients = case.run(inputs, case.settings(), frozen([case_dout(case, inputs, ())])[0])
    assert out.dtype == dtype
    for gradient, of in zip(gradients, inputs, strict=True):
        assert (gradient.dtype, gradient.shape) == (dtype, of.shape)


@every_layer
def test_numpy_scalars_as_settings_keep_float32(case):
    """Settings that come from np.linspace are numpy.float64; they don't widen a float32 network."""
    numbers = {"eps": 1e-3, "momentum": 0.9, "p": 0.6, "gain": 1.5, "n_mu": 0.5, "r_sigma": 0.1}
    settings = case.settings()
    if settings is not None:
        settings |= {name: np.float64(value) for name, value in numbers.items()}
    for array in case.run(case.inputs(np.random.default_rng(0), (), np.float32), settings):
        assert array.dtype == np.float32


@every_layer
def test_outputs_do_not_alias_inputs(case):
    inputs = case.inputs(np.random.default_rng(0))
    dout = case_dout(case, inputs, ())
    for result in case.run(inputs, case.settings(), dout):
        assert not any(np.shares_memory(result, array) for array in (*inputs, dout))


@every_layer
def test_any_memory_layout_gives_the_same(case):
    """Fortran order, strided and reversed views, channels last."""
    inputs = case.inputs(np.random.default_rng(0))
    dout = case_dout(case, inputs, ())
    expected = case.run(inputs, case.settings(), dout)
    layouts = [
        np.asfortranarray,
        lambda array: np.repeat(array, 2, axis=0)[::2],
        lambda array: array[..., ::-1].copy()[..., ::-1],
        lambda array: np.moveaxis(np.moveaxis(array, 1 % array.ndim, -1).copy(), -1, 1 % array.ndim),
    ]
    for layout in layouts:
        received = case.run([layout(array) for array in inputs], case.settings(), layout(dout))
        for one, other in zip(received, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@every_layer
def test_backward_twice_gives_the_same(case):
    """The cache survives a backward pass: a probe may look twice."""
    inputs, settings_ = case.inputs(np.random.default_rng(0)), case.settings()
    _, cache = case.forward(*inputs, *(() if settings_ is None else (settings_,)))
    dout = case_dout(case, inputs, ())
    for one, other in zip(case.backward(dout, cache), case.backward(dout, cache), strict=True):
        np.testing.assert_array_equal(one, other)
