"""Adadelta is Zeiler's Algorithm 1, with the learning rate behind it and a start for the steps' average."""

import jax
import numpy as np
import optax
import pytest
from helpers import SIGNALS, assert_follows, run

import adaptax

FREQUENT_AND_RARE = np.stack([np.ones(200), np.where(np.arange(200) % 20 == 19, 1.0, 0.0)], axis=1)


def oracle(g, eta=1.0, rho=0.95, eps=1e-6, D=0.0):
    """E = ρ E + (1 - ρ) g²; Δ = -RMS[Δ]_{t-1} / RMS[g]_t g; D = ρ D + (1 - ρ) Δ²; x += η Δ."""
    E, steps = 0.0, []
    for x in g:
        E = rho * E + (1 - rho) * x * x
        delta = -((D + eps) ** 0.5) / (E + eps) ** 0.5 * x
        D = rho * D + (1 - rho) * delta * delta
        steps.append(eta * delta)
    return steps


def test_follows_zeiler():
    assert_follows(lambda: adaptax.adadelta(), oracle)


@pytest.mark.parametrize("start", [0.0, 50.0])
def test_follows_the_article(start):
    """Article 003's two starts, at its eps, with a learning rate that must stay out of the averages."""
    assert_follows(
        lambda: adaptax.adadelta(0.25, 0.9, 1e-3, initial=start), lambda g: oracle(g, 0.25, 0.9, 1e-3, start)
    )


def test_equals_optax_with_a_learning_rate():
    with jax.numpy_dtype_promotion("standard"):
        theirs = run(optax.chain(optax.scale_by_adadelta(rho=0.95), optax.scale(-1.0)), SIGNALS)  # its own rho is .9
    ours = run(adaptax.adadelta(), SIGNALS)
    for name in SIGNALS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6 * np.abs(theirs[name]).max())


def test_default_rate_descends():
    """`optax.adadelta()` with its default rate climbs."""
    assert run(adaptax.adadelta(), {"s": np.ones((1, 1))})["s"][0, 0] < 0


@pytest.mark.parametrize("start", [0.0, 50.0])
def test_frequent_weights_take_the_larger_steps_from_either_start(start):
    """The opposite of Adagrad. The article expects it of a zero start; a big one does not turn it round either."""
    steps = run(adaptax.adadelta(rho=0.9, initial=start), {"s": FREQUENT_AND_RARE})["s"]
    for met in range(19, 200, 20):
        assert abs(steps[met, 0]) > abs(steps[met, 1]) > 0


def test_a_big_start_moves_rare_weights_longer_the_nearer_rho_is_to_one():
    """What the article does say of a big start: 10 meetings on, the steps are still large for rho = .99 alone."""
    short, middle, long = (
        abs(run(adaptax.adadelta(rho=rho, initial=50.0), {"s": FREQUENT_AND_RARE})["s"][199, 1])
        for rho in (0.9, 0.95, 0.99)
    )
    assert long > 10 * middle > 1000 * short / 10


def test_odd_in_the_gradient():
    plain, flipped = (run(adaptax.adadelta(), {"s": f * SIGNALS["zeros"]})["s"] for f in (1.0, -1.0))
    np.testing.assert_array_equal(flipped, -plain)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"rho": 1.0}, "adadelta: rho must be in .*, got 1.0"),
        ({"eps": -1.0}, "eps must be at least 0, got -1.0"),
        ({"initial": -50.0}, "initial must be at least 0, got -50.0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.adadelta(**setting)
