"""`scale_by_history` is its formula: sum or average, any power, any root, any start."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIGNALS, assert_follows, run

import adaptax
from tests.core.test_conformance import METHODS, required


def oracle(g, p=2.0, q=None, rho=None, eps=1e-8, s=0.0):
    """s += |g|^p, or its average; u = g / (s + eps)^q, nothing where there is no history."""
    q = 1 / p if q is None else q
    steps = []
    for x in g:
        s = s + abs(x) ** p if rho is None else rho * s + (1 - rho) * abs(x) ** p
        steps.append(x / (s + eps) ** q if s + eps > 0 else 0.0)
    return steps


@pytest.mark.parametrize(
    "setting",
    [
        {"p": 1.0, "eps": 0.1},
        {"p": 1.0, "q": 0.5, "rho": 0.9},
        {"p": 2.0, "q": 1.0, "eps": 10.0},
        {"p": 3.0, "rho": 0.5, "s": 0.3},
        {"p": 2.0, "q": 0.25, "eps": 0.0},
        {"p": 2.0, "q": 0.0},
    ],
    ids=str,
)
def test_follows_the_formula(setting):
    s = {"p": 2.0, "q": None, "rho": None, "eps": 1e-8, "s": 0.0} | setting
    assert_follows(
        lambda: adaptax.scale_by_history(s["p"], s["q"], s["rho"], s["eps"], initial=s["s"]),
        lambda g: oracle(g, **s),
    )


def test_dropping_the_root_decays_too_fast():
    """What article 003 says of it, and why: for constant gradients steps shrink as 1/t, not 1/sqrt(t)."""
    signal = {"s": np.full((100, 1), 2.0)}
    steps = run(adaptax.scale_by_history(exponent=1.0, eps=0.0), signal)["s"][:, 0]
    np.testing.assert_allclose(steps[0] / steps, np.arange(1, 101), rtol=1e-5)


def test_own_root_ignores_the_scale_of_gradients():
    for power in (1.0, 2.0, 3.0):
        rule = adaptax.scale_by_history(power, eps=0.0)
        plain, scaled = (run(rule, {"s": f * SIGNALS["noise"]})["s"] for f in (1.0, 250.0))
        np.testing.assert_allclose(scaled, plain, rtol=1e-5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"power": 0}, "scale_by_history: power must be above 0 and finite, got 0."),
        ({"power": float("inf")}, "power must be above 0 and finite, got inf"),
        ({"exponent": -0.5}, "exponent must be at least 0, got -0.5"),
        ({"decay": 1.0}, "decay must be in .*, got 1.0"),
        ({"eps": -1.0}, "eps must be at least 0, got -1.0"),
        ({"initial": -1.0}, "initial must be at least 0, got -1.0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.scale_by_history(**setting)


@pytest.mark.parametrize("eps", [0.0, 1e-40, 1e-50])
@pytest.mark.parametrize("slug", ["adam", "adamax", "nadam", "adagrad", "rmsprop", "adadelta"])
def test_zero_moves_nothing_whatever_eps(slug, eps):
    o = METHODS[slug](**required(METHODS[slug]), eps=eps)
    s = o.init(jnp.zeros(2))
    for _ in range(2):
        u, s = o.update(jnp.zeros(2), s)
        np.testing.assert_array_equal(u, 0)


def test_zero_moves_nothing_at_a_small_power():
    direction = adaptax.scale_by_moments(power=0.1)
    u, _ = direction.update(jnp.zeros(2), direction.init(jnp.zeros(2)))
    np.testing.assert_array_equal(u, 0)


def test_adadelta_starts_after_zeros_without_eps():
    o = adaptax.adadelta(eps=0.0, initial=1.0)
    s = o.init(jnp.zeros(2))
    u, s = o.update(jnp.zeros(2), s)
    np.testing.assert_array_equal(u, 0)
    u, s = o.update(jnp.ones(2), s)
    assert (jnp.isfinite(u) & (u < 0)).all()
