"""The polynomial average of the params after each step, read from anywhere in a state."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, x64

import adaptax


def oracle(w, gamma=8.0):
    """a = (1 + γ) / (t + γ); x = (1 - a) x + a w."""
    x, averages = np.zeros_like(w[0]), []
    for t, now in enumerate(w, start=1):
        a = (1 + gamma) / (t + gamma)
        x = (1 - a) * x + a * now
        averages.append(x)
    return np.array(averages)


def averages_of(walked, **settings):
    """Return the average after each step of a walk that is given."""
    averaging = adaptax.average_params(**settings)
    state, seen = averaging.init(walked[0]), []
    for w in walked:
        updates, state = averaging.update(0.25 * w, state, 0.75 * w)
        np.testing.assert_array_equal(updates, 0.25 * w)
        seen.append(adaptax.averaged_params(state, w))
    return np.array(seen)


@pytest.mark.parametrize("gamma", [8.0, 0.0, 3.5])
def test_follows_the_paper(gamma):
    for dtype, rtol in (("float64", 1e-9), ("float32", 1e-4)):
        with x64(dtype == "float64"):
            walked = SIGNALS["zeros"].astype(dtype)
            got, expected = averages_of(jnp.asarray(walked), gamma=gamma), oracle(walked, gamma)
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)


def test_worked_numbers():
    """The average of distance over gradients' worked walk."""
    walked = jnp.array([(2.4, 4.0), (2.4, 3.4633436859), (1.8908831224, 3.2087852457)])
    expected = [(2.4, 4.0), (2.4, 3.5170093173), (1.9834498280, 3.2648259860)]
    np.testing.assert_allclose(averages_of(walked), expected, rtol=1e-5)


def test_without_gamma_it_is_the_mean():
    walked = jnp.asarray(SIGNALS["noise"], jnp.float32)
    np.testing.assert_allclose(averages_of(walked, gamma=0.0)[-1], walked.mean(0), rtol=1e-4)


def test_half_precision_params_are_averaged_in_float32():
    w = jnp.array([1.0], jnp.bfloat16)
    averaging = adaptax.average_params(gamma=0.0)
    state = averaging.init(w)
    for step in (0.0, 2.0**-7, 2.0**-10):  # the last is lost, for bfloat16 has no number so near 1
        _, state = averaging.update(jnp.array([step], jnp.bfloat16), state, w)
    assert state.average.dtype == jnp.float32
    assert float(state.average[0]) == pytest.approx(1 + 2.0**-7 / 3, rel=1e-6)
    assert adaptax.averaged_params(state, w).dtype == jnp.bfloat16


def test_is_found_anywhere_and_gives_the_params_before_the_first_step():
    w = {"a": jnp.array([1.0, 2.0])}
    optimizer = optax.inject_hyperparams(lambda rate: optax.chain(optax.sgd(rate), adaptax.average_params()))(rate=0.5)
    state = optimizer.init(w)
    np.testing.assert_array_equal(adaptax.averaged_params(state, w)["a"], w["a"])
    _, state = optimizer.update(w, state, w)
    np.testing.assert_array_equal(adaptax.averaged_params(state, w)["a"], w["a"] / 2)


def test_init_needs_shapes_alone():
    state = adaptax.average_params().init(jax.ShapeDtypeStruct((2,), jnp.float16))
    assert (state.average.shape, state.average.dtype) == ((2,), jnp.float32)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"average_params: gamma must be at least 0, got -1\.0\."):
        adaptax.average_params(-1.0)
    averaging = adaptax.average_params()
    with pytest.raises(ValueError, match="average_params: params must be given, as in update"):
        averaging.update(jnp.ones(2), averaging.init(jnp.ones(2)))
    with pytest.raises(ValueError, match="averaged_params: opt_state must hold one average_params, got 0"):
        adaptax.averaged_params(optax.sgd(0.1).init(jnp.ones(2)), jnp.ones(2))
