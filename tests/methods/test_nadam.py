"""Nadam: Dozat's schedule, the constant variant, and the three trajectories that go by the name."""

import jax
import numpy as np
import optax
import pytest
from helpers import SIGNALS, STEPS, assert_follows, by_weight, look_inside, run

import adaptax
from adaptax.methods import nadam as module


def oracle(g, eta=0.01, b1=0.9, nu=0.999, eps=1e-8, psi=0.004, average=True):
    """Algorithm 2 without its extra ν; `average=False` keeps b1 constant in m, as PyTorch and Keras do."""
    mu = (lambda t: b1) if psi is None else (lambda t: b1 * (1 - 0.5 * 0.96 ** (t * psi)))
    m = n = 0.0
    product, steps = 1.0, []
    for t, x in enumerate(g, start=1):
        decay = mu(t) if average else b1
        m = decay * m + (1 - decay) * x
        n = nu * n + (1 - nu) * x * x
        product *= mu(t)
        m_bar = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * x / (1 - product)
        steps.append(-eta * m_bar / ((n / (1 - nu**t)) ** 0.5 + eps))
    return steps


def test_follows_dozat():
    assert_follows(lambda: adaptax.nadam(0.01), oracle)


def test_follows_constant_momentum_and_other_settings():
    assert_follows(lambda: adaptax.nadam(0.01, momentum_decay=None), lambda g: oracle(g, psi=None))
    assert_follows(
        lambda: adaptax.nadam(0.1, 0.8, 0.9, 1e-3, momentum_decay=1.0), lambda g: oracle(g, 0.1, 0.8, 0.9, 1e-3, 1.0)
    )


def test_steps_are_made_of_what_is_inside():
    """The rate times m looking ahead, where m is its corrected self uncorrected again."""
    settings = {"learning_rate": 0.1, "b1": 0.8, "b2": 0.9, "eps": 1e-3}
    g, t = SIGNALS["noise"], np.arange(1, STEPS + 1)[:, None]
    _, inside = look_inside(adaptax.nadam(**settings, momentum_decay=None), module.inner, settings, g)
    m = inside["corrected moment m̂"] * (1 - 0.8**t)
    m_bar = 0.8 * m / (1 - 0.8 ** (t + 1)) + 0.2 * g / (1 - 0.8**t)
    expected = by_weight(lambda g: oracle(g, 0.1, 0.8, 0.9, 1e-3, None), g)
    np.testing.assert_allclose(-inside["rate η/(√v̂ + ε)"] * m_bar, expected, rtol=1e-9)
    np.testing.assert_allclose(0.1 / (inside["corrected square v̂"] ** 0.5 + 1e-3), inside["rate η/(√v̂ + ε)"])


def test_constant_momentum_is_optax():
    with jax.numpy_dtype_promotion("standard"):
        theirs = run(optax.nadam(0.01), SIGNALS)
    ours = run(adaptax.nadam(0.01, momentum_decay=None), SIGNALS)
    for name in SIGNALS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-5, atol=1e-7)


def test_first_steps_in_the_docstring_are_true():
    """The table of programs prints each one's first step over η; recompute the column."""
    rows = [line.split("|") for line in module.__doc__.splitlines() if "|" in line][2:]
    printed = [float(number) for row in rows for number in row[-2].split(";")]
    first = [-oracle([1.0], eta=1.0, psi=psi, average=average)[0] for psi, average in
             [(0.004, True), (0.004, False), (1.0, False), (None, True)]]  # fmt: skip
    np.testing.assert_allclose(printed, first, atol=5.1e-4)


def test_odd_and_blind_to_scale():
    plain, other = (run(adaptax.nadam(0.01, eps=0.0), {"s": f * SIGNALS["noise"]})["s"] for f in (1.0, -50.0))
    np.testing.assert_allclose(other, -plain, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"b1": 1.0}, "nadam: b1 must be in .*, got 1.0"),
        ({"momentum_decay": -1.0}, "nadam: momentum_decay must be at least 0, got -1.0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.nadam(0.01, **setting)
