"""Adam's step and a decay beside it, both times the learning rate."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, as_float, look_inside
from walking import assert_walks, relaxed, walk, walks

import adaptax

START = [3.0, -0.2, 0.05]


def oracle(w, g, eta=0.05, b1=0.9, b2=0.999, eps=1e-8, lam=0.01):
    """w = w - η (m̂ / (√v̂ + ε) + λ w)."""
    m, v, walked = np.zeros_like(w), np.zeros_like(w), []
    for t, x in enumerate(g, 1):
        m, v = b1 * m + (1 - b1) * x, b2 * v + (1 - b2) * x**2
        size = np.sqrt(v / (1 - b2**t)) + eps
        step = np.where(size > 0, m / (1 - b1**t) / np.where(size > 0, size, 1.0), 0.0)
        w = w - eta * (step + lam * w)
        walked.append(w)
    return walked


SETTINGS = [{}, {"lam": 0.5}, {"b1": 0.5, "b2": 0.9, "eps": 1e-3, "lam": 0.1}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_follows_the_paper(settings):
    given = {"weight_decay" if name == "lam" else name: value for name, value in settings.items()}
    assert_walks(lambda: adaptax.adamw(0.05, **given), lambda w, g: oracle(w, g, **settings), START)


def test_equals_optax():
    signal = {"noise": SIGNALS["noise"][:20]}
    ours = walks(adaptax.adamw(0.05, weight_decay=0.3), START, signal, "float32")["noise"]
    theirs = walks(relaxed(optax.adamw(0.05, weight_decay=0.3)), START, signal, "float32")["noise"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_schedule_multiplies_the_decay():
    optimizer = adaptax.adamw(lambda count: 0.1 / (1 + as_float(count)), weight_decay=0.5)
    _, first, second = walk(optimizer, jnp.array([1.0]), [jnp.zeros(1)] * 2)
    assert float(first[0]) == pytest.approx(1 - 0.05)
    assert float(second[0]) == pytest.approx((1 - 0.05) * (1 - 0.025))


def test_is_not_adam_with_decay_in_the_gradient():
    """There λ w would be divided by its own size, and every weight would shrink by η."""
    _, after = walk(adaptax.adamw(0.1, weight_decay=0.5), jnp.array([4.0, 1.0]), [jnp.zeros(2)])
    np.testing.assert_allclose(after, [4.0 * 0.95, 0.95], rtol=1e-6)


def test_inside_are_adams_moments():
    settings = {"learning_rate": 0.1, "eps": 1e-8}
    _, inside = look_inside(adaptax.adam(**settings), adaptax.methods.adamw.inner, settings, SIGNALS["noise"])
    assert set(inside) == {"corrected moment m̂", "corrected square v̂", "rate η/(√v̂ + ε)"}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"adamw: weight_decay must be at least 0, got -0\.1\."):
        adaptax.adamw(weight_decay=-0.1)
    optimizer = adaptax.adamw()
    with pytest.raises(ValueError, match="params"):
        optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))
