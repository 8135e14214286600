"""Roots and powers have JAX's values to the bit, their derivatives away from 0, and finite ones at 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import x64

from adaptax._powers import abs_power, root, safe_power, safe_sqrt

X = np.array([1e-30, 3e-4, 0.7, 1.0, 5.0, 1e20])


def by_x(f, order=1):
    for _ in range(order):
        f = jax.grad(f)
    return jax.vmap(f)


def test_values_are_those_of_jax():
    x = jnp.asarray(np.r_[0.0, X], jnp.float32)
    np.testing.assert_array_equal(jax.jit(safe_sqrt)(x), jax.jit(jnp.sqrt)(x))
    for q in (0.3, 1.0, 2.5):
        power = jnp.float32(q)
        np.testing.assert_array_equal(jax.jit(safe_power)(x, power), jax.jit(jnp.power)(x, power))


def test_derivatives_of_the_root():
    """1 / (2 √x), and -1 / (4 x √x) of it; 0 at 0."""
    with x64(True):
        np.testing.assert_allclose(by_x(safe_sqrt)(jnp.asarray(X)), 0.5 * X**-0.5, rtol=1e-12)
        np.testing.assert_allclose(by_x(safe_sqrt, 2)(jnp.asarray(X)), -0.25 * X**-1.5, rtol=1e-12)
    for order in (1, 2, 3):
        np.testing.assert_array_equal(by_x(safe_sqrt, order)(jnp.zeros(2)), 0.0)


@pytest.mark.parametrize(
    "function", [safe_sqrt, *(lambda x, q=q: safe_power(x, jnp.float32(q)) for q in (0.3, 1.0, 1.7))]
)
def test_second_derivatives_through_a_loop_are_finite_at_0(function):
    """A gradient of a gradient through `lax.scan` drops `custom_jvp`, so JAX's own rules must be finite as well."""

    def total(scale):
        def step(x, g):
            x = x + scale * g
            return x, function(x) * (1 + x)  # the root itself is needed as well as its slope

        return jax.lax.scan(step, 0.0, jnp.zeros(3))[1].sum()

    assert float(jax.grad(jax.grad(total))(1.0)) == float(jax.jacfwd(jax.grad(total))(1.0)) == 0.0


@pytest.mark.parametrize("q", [0.3, 1.0, 1.7, 3.0])
def test_derivatives_of_a_power(q):
    """q x^(q - 1) by x, x^q log x by q."""
    with x64(True):
        slope = by_x(lambda x: safe_power(x, jnp.asarray(q)))
        np.testing.assert_allclose(slope(jnp.asarray(X)), q * X ** (q - 1), rtol=1e-12)
        by_q = jax.vmap(jax.grad(lambda q, x: safe_power(x, q)), (None, 0))
        np.testing.assert_allclose(by_q(jnp.asarray(q), jnp.asarray(X)), X**q * np.log(X), rtol=1e-12, atol=1e-12)
        assert float(slope(jnp.zeros(1))[0]) == (1.0 if q == 1 else 0.0)
        assert float(by_q(jnp.asarray(q), jnp.zeros(1))[0]) == 0.0


def test_a_zero_has_finite_derivatives_through_power_and_root():
    """A second moment of general power, as `scale_by_moments(power=p)` keeps it."""
    for p in (0.5, 1.0, 1.5, 2, 3.5):
        slope = jax.grad(lambda g, p=p: root(abs_power(g, p), p).sum())(jnp.array([0.0, 2.0, -2.0]))
        assert jnp.isfinite(slope).all()
        np.testing.assert_allclose(slope[1:], [1.0, -1.0], rtol=1e-5)
