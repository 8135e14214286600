"""Delta-bar-delta is Jacobs' rule: the gradient against its average before, step by step."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIGNALS, assert_follows, by_weight, look_inside, run

import adaptax


def oracle(delta, eta=0.1, kappa=0.2, phi=0.2, theta=0.5, low=0.0, high=float("inf")):
    """Jacobs 1988: ε += κ if δ̄(t-1) δ(t) > 0, -= φ ε if < 0; δ̄(t) = (1 - θ) δ(t) + θ δ̄(t-1)."""
    gain, bar, steps = 1.0, 0.0, []
    for d in delta:
        if (bar > 0 and d > 0) or (bar < 0 and d < 0):
            gain += kappa
        elif (bar > 0 and d < 0) or (bar < 0 and d > 0):
            gain -= phi * gain
        gain = min(max(gain, low), high)
        steps.append(-eta * gain * d)
        bar = (1 - theta) * d + theta * bar
    return steps


def test_follows_jacobs():
    assert_follows(lambda: adaptax.delta_bar_delta(0.1), oracle)


def test_follows_other_settings():
    assert_follows(
        lambda: adaptax.delta_bar_delta(0.1, 0.25, 0.5, 0.7, 0.3, 10.0),
        lambda d: oracle(d, kappa=0.25, phi=0.5, theta=0.7, low=0.3, high=10.0),
    )


def test_inside_are_gain_and_average():
    g, bar = SIGNALS["noise"], np.zeros(3)
    _, inside = look_inside(adaptax.delta_bar_delta(0.1, theta=0.7), adaptax.methods.delta_bar_delta.inner, {}, g)
    steps = by_weight(lambda g: oracle(g, theta=0.7), g)
    np.testing.assert_allclose(-0.1 * inside["gain c"] * g, steps, rtol=1e-9)
    for delta, average in zip(g, inside["averaged gradient δ̄"], strict=True):
        bar = 0.3 * delta + 0.7 * bar
        np.testing.assert_allclose(average, bar, rtol=1e-9)


def test_average_remembers_longer_than_one_step():
    """After three steps up, one small step down disagrees, and so does not the next step up."""
    rate = adaptax.delta_bar_delta_rate(kappa=1.0, phi=0.5, theta=0.9)
    state, seen = rate.init(jnp.zeros(1)), []
    for g in (1.0, 1.0, 1.0, -0.5, 1.0):
        gains, state = rate.measure(jnp.array([g]), state)
        seen.append(float(gains[0]))
    np.testing.assert_allclose(seen, [1.0, 2.0, 3.0, 1.5, 2.5], rtol=1e-6)


def test_gains_ignore_one_positive_scale_and_sign():
    for factor in (-1.0, 1e-25, 1e4):  # squares of 1e-25 are 0 in float32
        plain = run(adaptax.delta_bar_delta(0.1), SIGNALS)
        scaled = run(adaptax.delta_bar_delta(0.1), {name: factor * s for name, s in SIGNALS.items()})
        for name in ("noise", "zeros", "slow"):
            np.testing.assert_allclose(scaled[name], factor * plain[name], rtol=1e-5)


def test_infinite_gradient_does_not_stop_adaptation():
    rate = adaptax.delta_bar_delta_rate()
    state = rate.init(jnp.zeros(1))
    for g in (1.0, jnp.nan, jnp.inf, -jnp.inf, jnp.inf, 1.0, 1.0):
        gains, state = rate.measure(jnp.array([g]), state)
        assert jnp.isfinite(gains).all()
    before, _ = rate.measure(jnp.array([1.0]), state)
    np.testing.assert_allclose(before, gains + 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"kappa": -0.1}, "delta_bar_delta: kappa must be at least 0, got -0.1."),
        ({"phi": 2}, "phi must be in .*, got 2"),
        ({"theta": 1.0}, "theta must be in .*, got 1.0"),
        ({"low": 2.0}, "low must be .*, got 2.0"),
        ({"high": 0.5}, "high must be .*, got 0.5"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.delta_bar_delta(0.1, **setting)
