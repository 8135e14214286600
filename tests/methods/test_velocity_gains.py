"""Velocity gains are t-SNE's rule, equal to a scalar transcription and to scikit-learn's own optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, as_float, assert_follows, by_weight, look_inside, run

import adaptax


def oracle(g, eta=0.1, mu=0.8, b=0.2, p=0.8, low=0.01, high=float("inf"), zero="decay"):
    """gain + b where gradient and (downhill) velocity differ in sign, else gain p; u = μ u - η gain g."""
    gain, u, steps = 1.0, 0.0, []
    for x in g:
        if (u < 0 and x > 0) or (u > 0 and x < 0):
            gain += b
        elif u * x > 0 or zero == "decay":
            gain *= p
        gain = min(max(gain, low), high)
        u = mu * u - eta * gain * x
        steps.append(u)
    return steps


@pytest.mark.parametrize("zero", ["hold", "decay"])
def test_follows_the_rule(zero):
    assert_follows(lambda: adaptax.velocity_gains(0.1, 0.8, zero=zero), lambda g: oracle(g, zero=zero))


def test_follows_other_settings():
    assert_follows(
        lambda: adaptax.velocity_gains(0.1, 0.5, 0.05, 0.9, low=0.6, high=1.3),
        lambda g: oracle(g, mu=0.5, b=0.05, p=0.9, low=0.6, high=1.3),
    )


def test_the_gain_inside_is_the_steps():
    """Of u = μ u - η c g: c η g is what the velocity lost."""
    g = SIGNALS["noise"]
    _, inside = look_inside(adaptax.velocity_gains(0.1, 0.8), adaptax.methods.velocity_gains.inner, {}, g)
    u = by_weight(oracle, g)
    before = np.concatenate([np.zeros_like(u[:1]), u[:-1]])
    np.testing.assert_allclose(inside["gain c"] * 0.1 * g, 0.8 * before - u, rtol=1e-9, atol=1e-12)


def test_equals_scikit_learn():
    """Its private `_gradient_descent` on an ill-conditioned bowl: 60 steps, t-SNE's settings."""
    from sklearn.manifold import _t_sne

    curvature = np.array([1.0, 30.0, 0.2])

    def objective(x, compute_error=True):
        return 0.5 * float(np.sum(curvature * x**2)), curvature * x

    x0 = np.array([3.0, -1.0, 2.0])
    settings = {"it": 0, "max_iter": 60, "n_iter_check": 1000, "min_grad_norm": 0.0, "verbose": 0}
    expected, _, last = _t_sne._gradient_descent(objective, x0, momentum=0.5, learning_rate=0.02, **settings)
    assert last == 59
    optimizer = adaptax.velocity_gains(0.02, 0.5)
    x, state = jnp.asarray(x0, jnp.float32), optimizer.init(jnp.zeros(3))
    for _ in range(60):
        updates, state = optimizer.update(jnp.asarray(curvature, jnp.float32) * x, state)
        x = optax.apply_updates(x, updates)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-7)


def test_schedules_are_read_at_their_step():
    """t-SNE's momentum switch, and a changing rate, against the oracle's recursion."""
    optimizer = adaptax.velocity_gains(
        lambda count: 0.1 / (1 + as_float(count)), lambda count: jnp.where(count < 3, 0.5, 0.8), bonus=0.0, penalty=1.0
    )
    got, u = run(optimizer, SIGNALS)["noise"], np.zeros(3)
    for t, g in enumerate(SIGNALS["noise"]):
        u = (0.5 if t < 3 else 0.8) * u - 0.1 / (1 + t) * g
        np.testing.assert_allclose(got[t], u, rtol=1e-4, atol=1e-7)


def test_without_gains_it_is_momentum():
    got = run(adaptax.velocity_gains(0.1, 0.9, bonus=0.0, penalty=1.0), SIGNALS)
    momentum = run(optax.sgd(0.1, momentum=0.9), SIGNALS)
    for name in SIGNALS:
        np.testing.assert_allclose(got[name], momentum[name], rtol=1e-4, atol=1e-6 * np.abs(momentum[name]).max())


def test_agreement_is_downhill():
    """A steady slope earns gain: the sign trap that scikit-learn fell into."""
    optimizer = adaptax.velocity_gains(0.1, 0.5)
    state = optimizer.init(jnp.zeros(1))
    for _ in range(10):
        _, state = optimizer.update(jnp.ones(1), state)
    assert float(state.gains[0]) > 2


def test_odd_in_the_gradient():
    plain, flipped = (run(adaptax.velocity_gains(0.1, 0.8), {"s": f * SIGNALS["noise"]})["s"] for f in (1, -1))
    np.testing.assert_array_equal(plain, -flipped)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"momentum": 1.0}, "velocity_gains: momentum must be in .*, got 1.0."),
        ({"momentum": 0.5, "bonus": -1}, "bonus must be at least 0, got -1"),
        ({"momentum": 0.5, "penalty": -0.5}, "penalty must be in .*, got -0.5"),
        ({"momentum": 0.5, "low": 3.0, "high": 2.0}, "low must be .*, got 3.0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.velocity_gains(0.1, **setting)


def test_complex_is_refused():
    with pytest.raises(ValueError, match="velocity_gains: leaves must be real floating numbers, got complex64 at"):
        jax.eval_shape(adaptax.velocity_gains(0.1, 0.5).init, {"w": jnp.zeros(2, jnp.complex64)})
