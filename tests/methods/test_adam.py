"""Adam is Kingma & Ba's Algorithm 1: corrected averages, eps outside the root."""

import jax
import numpy as np
import optax
import pytest
from helpers import SIGNALS, assert_follows, by_weight, look_inside, run

import adaptax
from adaptax._learning_rate import check_learning_rate


def oracle(g, alpha=0.001, b1=0.9, b2=0.999, eps=1e-8):
    """Algorithm 1, line by line."""
    m = v = 0.0
    steps = []
    for t, x in enumerate(g, start=1):
        m = b1 * m + (1 - b1) * x
        v = b2 * v + (1 - b2) * x * x
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        steps.append(-alpha * m_hat / (v_hat**0.5 + eps))
    return steps


def test_follows_the_paper_with_its_defaults():
    assert_follows(lambda: adaptax.adam(), oracle)


@pytest.mark.parametrize("b1", [0.25, 0.975])
def test_follows_the_article(b1):
    assert_follows(lambda: adaptax.adam(0.25, b1, eps=1e-3), lambda g: oracle(g, 0.25, b1, eps=1e-3))


def test_steps_are_made_of_what_is_inside():
    """And where no gradient was seen the rate is 0."""
    settings, g = {"learning_rate": 0.01, "b2": 0.9, "eps": 1e-2}, SIGNALS["late"]
    _, inside = look_inside(adaptax.adam(**settings), adaptax.methods.adam.inner, settings, g)
    rate = inside["rate η/(√v̂ + ε)"]
    steps = by_weight(lambda g: oracle(g, 0.01, b2=0.9, eps=1e-2), g)
    np.testing.assert_allclose(-rate * inside["corrected moment m̂"], steps, rtol=1e-6)
    np.testing.assert_array_equal(rate > 0, np.arange(len(g))[:, None] >= np.array([17, 17, 17]))


def test_equals_optax():
    with jax.numpy_dtype_promotion("standard"):
        theirs = run(optax.adam(0.001), SIGNALS)
    ours = run(adaptax.adam(), SIGNALS)
    for name in SIGNALS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-5, atol=1e-8)


def test_a_missing_rate_is_named():
    with pytest.raises(ValueError, match="adam: learning_rate must be a number or a schedule, got None"):
        check_learning_rate("adam", None)  # beneath the types that tests check


def test_odd_and_blind_to_scale():
    plain, other = (run(adaptax.adam(eps=0.0), {"s": f * SIGNALS["noise"]})["s"] for f in (1.0, -50.0))
    np.testing.assert_allclose(other, -plain, rtol=1e-4, atol=1e-9)


def test_a_spike_is_not_felt_at_once():
    """Article 003: a well-set Adam needs no clipping, for a spike hardly moves the average."""
    signal = np.full((100, 1), 0.1)
    signal[90] = 1000.0
    steps = np.abs(run(adaptax.adam(0.1), {"s": signal})["s"][:, 0])
    assert steps[90] < 4 * steps[89]
