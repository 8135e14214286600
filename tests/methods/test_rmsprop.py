"""RMSProp divides by the root of the mean square (article 003, eqs. 13 and 14)."""

import jax
import numpy as np
import optax
import pytest
from helpers import SIGNALS, assert_follows, by_weight, look_inside, run

import adaptax


def oracle(g, eta=0.1, rho=0.9, eps=1e-8, E=0.0):
    """E = ρ E + (1 - ρ) g²; Δθ = -η g / sqrt(E + ε)."""
    steps = []
    for x in g:
        E = rho * E + (1 - rho) * x * x
        steps.append(-eta * x / (E + eps) ** 0.5)
    return steps


@pytest.mark.parametrize("rho", [0.25, 0.9, 0.975])
def test_follows_the_article(rho):
    assert_follows(lambda: adaptax.rmsprop(0.1, rho, 1e-5), lambda g: oracle(g, rho=rho, eps=1e-5))


def test_follows_with_its_defaults_and_another_start():
    assert_follows(lambda: adaptax.rmsprop(0.1), oracle)
    assert_follows(lambda: adaptax.rmsprop(0.1, initial=2.0), lambda g: oracle(g, E=2.0))


def test_the_rate_inside_makes_the_steps():
    settings, g = {"learning_rate": 0.1, "decay": 0.7, "eps": 0.3}, SIGNALS["zeros"]
    _, inside = look_inside(adaptax.rmsprop(**settings), adaptax.methods.rmsprop.inner, settings, g)
    rate = inside["rate η/√(E + ε)"]
    np.testing.assert_allclose(-rate * g, by_weight(lambda g: oracle(g, rho=0.7, eps=0.3), g))
    np.testing.assert_allclose(0.1 / (inside["mean of squares E"] + 0.3) ** 0.5, rate)


def test_equals_optax():
    with jax.numpy_dtype_promotion("standard"):
        theirs = run(optax.rmsprop(0.1), SIGNALS)
    ours = run(adaptax.rmsprop(0.1), SIGNALS)
    for name in SIGNALS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5)


def test_odd_and_blind_to_scale():
    plain, other = (run(adaptax.rmsprop(0.1, eps=0.0), {"s": f * SIGNALS["zeros"]})["s"] for f in (1.0, -30.0))
    np.testing.assert_allclose(other, -plain, rtol=1e-5)


def test_steps_recover_where_adagrads_do_not():
    """The article's comparison on a square wave: RMSProp settles at a level, Adagrad fades."""
    signal = {"s": np.where(np.arange(200) % 40 < 20, 1.0, -1.0)[:, None]}
    settled, faded = (np.abs(run(rule, signal)["s"][:, 0]) for rule in (adaptax.rmsprop(0.1), adaptax.adagrad(0.1)))
    assert settled[199] == pytest.approx(0.1, rel=1e-3)
    assert faded[199] == pytest.approx(0.1 / np.sqrt(200), rel=1e-3)
