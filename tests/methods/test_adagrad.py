"""Adagrad divides by the root of the sum of all squares (article 003, eqs. 11 and 12)."""

import jax
import numpy as np
import optax
import pytest
from helpers import SIGNALS, assert_follows, by_weight, look_inside, run

import adaptax


def oracle(g, eta=0.1, eps=1e-8, G=0.0):
    """G += g²; Δθ = -η g / sqrt(G + ε)."""
    steps = []
    for x in g:
        G = G + x * x
        steps.append(-eta * x / (G + eps) ** 0.5)
    return steps


@pytest.mark.parametrize("eps", [1e-8, 0.1, 10.0])
def test_follows_the_article(eps):
    assert_follows(lambda: adaptax.adagrad(0.1, eps), lambda g: oracle(g, eps=eps))


def test_the_rate_inside_makes_the_steps():
    settings, g = {"learning_rate": 0.1, "eps": 0.3}, SIGNALS["zeros"]
    _, inside = look_inside(adaptax.adagrad(**settings), adaptax.methods.adagrad.inner, settings, g)
    np.testing.assert_allclose(inside["sum of squares G"], np.cumsum(g**2, axis=0))
    np.testing.assert_allclose(-inside["rate η/√(G + ε)"] * g, by_weight(lambda g: oracle(g, eps=0.3), g))


def test_equals_optax_with_its_settings():
    assert_follows(lambda: adaptax.adagrad(0.1, 1e-7, initial=0.1), lambda g: oracle(g, eps=1e-7, G=0.1))
    with jax.numpy_dtype_promotion("standard"):
        theirs = run(optax.adagrad(0.1), SIGNALS)
    ours = run(adaptax.adagrad(0.1, 1e-7, initial=0.1), SIGNALS)
    for name in SIGNALS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5)


def test_odd_and_blind_to_scale():
    plain, other = (run(adaptax.adagrad(0.1, 0.0), {"s": f * SIGNALS["zeros"]})["s"] for f in (1.0, -30.0))
    np.testing.assert_allclose(other, -plain, rtol=1e-5)


def test_rare_weights_take_larger_steps():
    """Why the method exists: after the same history length, a weight met a tenth as often moves further when met."""
    rare = np.where(np.arange(200) % 10 == 9, 1.0, 0.0)
    steps = run(adaptax.adagrad(0.1), {"s": np.stack([np.ones(200), rare], axis=1)})["s"]
    assert abs(steps[199, 1]) > 3 * abs(steps[199, 0])
