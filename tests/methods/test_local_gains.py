"""Hinton's local gains are the lecture's rule, step by step, under both conventions at zero."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, as_float, assert_follows, by_weight, look_inside, run
from hypothesis import given
from hypothesis import strategies as st

import adaptax
from adaptax._agreement import check_gain, pack, unpack
from adaptax.methods.local_gains import local_gain


def oracle(g, eta=0.1, b=0.05, p=0.95, low=0.1, high=10.0, zero="hold"):
    """Lecture 6d: g_ij(0) = 1; + b if dE/dw(t) dE/dw(t-1) > 0, else * p; Δw = -ε g_ij dE/dw."""
    gain, steps = 1.0, []
    for t in range(len(g)):
        if t > 0:
            if (g[t] > 0 and g[t - 1] > 0) or (g[t] < 0 and g[t - 1] < 0):
                gain = gain + b
            elif g[t] * g[t - 1] < 0 or zero == "decay":
                gain = gain * p
            if gain > high:
                gain = high
            if gain < low:
                gain = low
        steps.append(-eta * gain * g[t])
    return steps


@pytest.mark.parametrize("zero", ["hold", "decay"])
def test_follows_the_lecture(zero):
    assert_follows(lambda: adaptax.local_gains(0.1, zero=zero), lambda g: oracle(g, zero=zero))


def test_follows_other_settings():
    """Article 000's blue curve, and limits that are reached from both sides."""
    assert_follows(
        lambda: adaptax.local_gains(0.1, 0.1, 0.8, low=0.5, high=1.7),
        lambda g: oracle(g, b=0.1, p=0.8, low=0.5, high=1.7),
    )


def test_the_gain_inside_makes_the_steps():
    g = SIGNALS["noise"]
    _, inside = look_inside(adaptax.local_gains(0.1), adaptax.methods.local_gains.inner, {}, g)
    np.testing.assert_allclose(-0.1 * inside["gain c"] * g, by_weight(oracle, g))


def test_scheduled_rate_is_read_at_its_step():
    got = run(adaptax.local_gains(lambda count: 0.1 / (1 + as_float(count))), SIGNALS)["noise"]
    plain = run(adaptax.local_gains(0.1), SIGNALS)["noise"]
    np.testing.assert_allclose(got, plain / np.arange(1, 201)[:, None], rtol=1e-5)


def test_random_signs_hover_around_one():
    """b + p = 1: the fixed point of gain ± is 1 (article 000)."""
    rate = adaptax.local_gains_rate(low=0.01, high=100.0)
    signs = jnp.asarray(np.random.default_rng(7).choice([-1.0, 1.0], (2000, 500)), jnp.float32)
    _, gains = jax.lax.scan(lambda s, g: rate.measure(g, s)[::-1], rate.init(signs[0]), signs)
    assert 0.97 < float(gains[500:].mean()) < 1.03


def test_gains_ignore_positive_scale_and_sign():
    signal = SIGNALS["zeros"]
    plain = run(adaptax.local_gains(0.1), {"s": signal})["s"]
    np.testing.assert_allclose(run(adaptax.local_gains(0.1), {"s": -signal})["s"], -plain, rtol=1e-6)
    wild = np.exp(np.random.default_rng(0).normal(0, 5, signal.shape))  # another positive factor at every step
    np.testing.assert_allclose(run(adaptax.local_gains(0.1), {"s": signal * wild})["s"], plain * wild, rtol=1e-4)


def test_state_is_four_bytes_per_weight():
    state = adaptax.local_gains(0.1).init(jnp.zeros(1000))
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(state)) == 4000


def test_gains_are_read_from_anywhere_in_a_state():
    optimizer = optax.chain(optax.clip(1.0), optax.MultiSteps(adaptax.local_gains(0.1), 1))
    with jax.numpy_dtype_promotion("standard"):  # MultiSteps' own arithmetic
        state = optimizer.init(jnp.zeros(3))
        for g in ([1.0, -1.0, 2.0], [1.0, 1.0, 0.0], [0.5, 1.0, 2.0]):
            _, state = optimizer.update(jnp.array(g), state)
    np.testing.assert_allclose(adaptax.gains(state), [1.1, 1.0, 1.0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"gains: opt_state must hold a gain method, got none\."):
        adaptax.gains(adaptax.adam().init(jnp.zeros(3)))


def test_gains_of_several_methods_have_their_names():
    """Told apart by their bonus; gradients keep their sign, so the second method's do, too."""
    methods = adaptax.local_gains(0.1, 0.1), adaptax.delta_bar_delta(0.1, 0.2), adaptax.local_gains(0.1, 0.3)
    optimizer = optax.chain(*methods)
    state = optimizer.init(jnp.zeros(2))
    for _ in range(2):
        _, state = optimizer.update(jnp.ones(2), state)
    gains = adaptax.gains(state)
    assert list(gains) == ["local_gains", "delta_bar_delta", "local_gains 2"]
    for of, bonus in zip(gains.values(), (0.1, 0.2, 0.3), strict=True):
        np.testing.assert_allclose(of, 1 + bonus, rtol=1e-6)


def test_no_bonus_and_no_penalty_is_gradient_descent():
    got = run(adaptax.local_gains(0.1, bonus=0.0, penalty=1.0), SIGNALS)
    for name, signal in SIGNALS.items():
        np.testing.assert_allclose(got[name], -0.1 * signal, rtol=1e-6)


def test_products_that_underflow_still_agree():
    rate = adaptax.local_gains_rate()
    gradient = jnp.full(2, 1e-30)  # the product, 1e-60, is 0 in float32
    state = rate.init(gradient)
    for _ in range(3):
        gains, state = rate.measure(gradient, state)
    np.testing.assert_allclose(gains, 1.1, rtol=1e-6)


@pytest.mark.parametrize("zero", ["hold", "decay"])
def test_nan_leaves_gain_and_memory_clean(zero):
    rate = adaptax.local_gains_rate(zero=zero)
    state, seen = rate.init(jnp.zeros(1)), []
    for g in (1.0, 1.0, jnp.nan, 1.0, 1.0, jnp.inf, -jnp.inf):
        gains, state = rate.measure(jnp.array([g]), state)
        seen.append(float(gains[0]))
    np.testing.assert_allclose(seen, [1.0, 1.05, 1.05, 1.05, 1.1, 1.15, 1.0925], rtol=1e-6)


SLOPES = st.sampled_from([-np.inf, -3.0, -2e-38, -0.0, 0.0, 2e-38, 2.0, np.inf, np.nan])  # XLA flushes smaller ones


@given(gain=st.floats(2.0**-31, 2.0**31, width=32), slope=SLOPES)
def test_packing_keeps_gain_and_sign_exactly(gain, slope):
    got, sign, known = unpack(pack(jnp.float32(gain), jnp.float32(slope)))
    assert float(got) == gain
    assert bool(known) == (not np.isnan(slope))
    assert np.sign(float(sign)) == (np.sign(slope) if known else 0)


@given(gain=st.floats(0.25, 8.0, width=32), g=SLOPES, before=SLOPES, zero=st.sampled_from(["hold", "decay"]))
def test_gain_stays_within_limits(gain, g, before, zero):
    packed = pack(jnp.float32(gain), jnp.float32(before))
    new = float(unpack(local_gain(packed, jnp.float32(g), 0.5, 0.5, 0.25, 8.0, zero))[0])
    assert 0.25 <= new <= 8.0
    if np.isnan(g) or np.isnan(before):
        assert new == gain


def test_unknown_convention_is_named():
    with pytest.raises(ValueError, match=r"local_gains: zero must be one of .*, got 'drop'\."):
        check_gain("local_gains", 0.1, 10.0, "drop")  # beneath the types that tests check


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"bonus": -1}, "local_gains: bonus must be at least 0, got -1."),
        ({"bonus": float("nan")}, "bonus must be at least 0, got nan"),
        ({"penalty": 1.1}, "penalty must be in .*, got 1.1"),
        ({"low": 5.0, "high": 2.0}, "low must be .*, got 5.0"),
        ({"low": 0.5, "high": 0.2}, "high must be .*, got 0.2"),
        ({"low": 1e-12}, "low must be at least .*, got 1e-12"),
        ({"high": 1e12}, "high must be at most .*, got 1000000000000.0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.local_gains(0.1, **setting)
