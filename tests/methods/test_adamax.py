"""AdaMax is Kingma & Ba's Algorithm 2: a decaying maximum, no eps."""

import numpy as np
import pytest
from helpers import SIGNALS, assert_follows, by_weight, look_inside, run

import adaptax


def oracle(g, alpha=0.002, b1=0.9, b2=0.999, eps=0.0):
    """Algorithm 2, line by line; a weight without any gradient yet stays."""
    m = u = 0.0
    steps = []
    for t, x in enumerate(g, start=1):
        m = b1 * m + (1 - b1) * x
        u = max(b2 * u, abs(x))
        steps.append(-(alpha / (1 - b1**t)) * m / (u + eps) if u + eps > 0 else 0.0)
    return steps


def test_follows_the_paper_with_its_defaults():
    assert_follows(lambda: adaptax.adamax(), oracle)


def test_follows_other_settings():
    assert_follows(lambda: adaptax.adamax(0.1, 0.5, 0.8, 1e-2), lambda g: oracle(g, 0.1, 0.5, 0.8, 1e-2))


def test_steps_are_made_of_what_is_inside():
    g = SIGNALS["zeros"]
    _, inside = look_inside(adaptax.adamax(0.1), adaptax.methods.adamax.inner, {"learning_rate": 0.1}, g)
    rate, u = inside["rate η/u"], inside["decaying maximum u"]
    steps = by_weight(lambda g: oracle(g, 0.1), g)
    np.testing.assert_allclose(-rate * inside["corrected moment m̂"], steps, rtol=1e-6)
    np.testing.assert_allclose(rate * u, np.where(u > 0, 0.1, 0))
    settings = {"learning_rate": 0.1, "eps": 0.3}
    steps, inside = look_inside(adaptax.adamax(**settings), adaptax.methods.adamax.inner, settings, g)
    np.testing.assert_allclose(-inside["rate η/u"] * inside["corrected moment m̂"], steps, rtol=1e-6, atol=1e-15)


def test_steps_never_exceed_the_rate():
    """Section 7.1: |Δ| is at most α, up to the first steps' rounding."""
    for name, steps in run(adaptax.adamax(0.1), SIGNALS).items():
        assert np.abs(steps).max() <= 0.1 * (1 + 1e-5), name


@pytest.mark.parametrize("factor", [-1.0, 1e-20, 1e20])
def test_blind_to_scale_without_limits(factor):
    """No squares, no eps: gradients of 1e-20 are as good as any."""
    plain, other = (run(adaptax.adamax(), {"s": f * SIGNALS["zeros"]})["s"] for f in (1.0, factor))
    np.testing.assert_allclose(other, np.sign(factor) * plain, rtol=1e-5, atol=1e-9)
