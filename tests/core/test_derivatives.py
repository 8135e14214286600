"""Derivatives through updates are finite and right, as meta-learning needs them.

Methods, rates around momentum, transformations and their arguments are found.
"""

import inspect
import numbers

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import x64

import adaptax
from tests.core.test_conformance import METHODS, PARAMS, RATES, TRANSFORMS, gradients_at, loss_at, required

pytestmark = pytest.mark.slow

STEPS = 4
CONSTRUCTORS = {**METHODS, **RATES, **TRANSFORMS}
anything = pytest.mark.parametrize("slug", CONSTRUCTORS)


def numbers_of(slug):
    """Return the arguments that are numbers, with their values."""
    parameters = inspect.signature(CONSTRUCTORS[slug]).parameters.values()
    given = {p.name: p.default for p in parameters} | required(CONSTRUCTORS[slug])
    return {
        name: float(value)
        for name, value in given.items()
        if isinstance(value, numbers.Real) and not isinstance(value, int)
    }


def gradients(scale=1.0):
    """Return a few steps' gradients; the last bias never sees one, other weights have zeros now and then."""
    steps = [gradients_at(step) for step in range(STEPS)]
    seen = jax.tree.map(jnp.ones_like, PARAMS)
    seen["dense"]["bias"] = jnp.array([1.0, 1.0, 0.0], jnp.float32)
    return [jax.tree.map(lambda g, s: scale * jnp.asarray(g * s, float), step, seen) for step in steps]


def moved(slug, at, **settings):
    """Return one number in which every update of every step has its own weight."""
    made = CONSTRUCTORS[slug](**required(CONSTRUCTORS[slug]) | settings)
    optimizer = adaptax.rescale(optax.trace(0.9), made) if slug in RATES else optax.with_extra_args_support(made)
    weights = jax.tree.map(lambda w: jnp.asarray(w, float), PARAMS)
    losses = jnp.array([loss_at(step) for step in range(len(at))], float)

    def step(state, of):  # in a loop, which compiles once for all steps
        number, loss, gradient = of
        updates, state = optimizer.update(gradient, state, weights, value=loss)
        totals = [
            jnp.sum(leaf * jnp.cos(jnp.arange(leaf.size, dtype=float).reshape(leaf.shape) + 3 * k + 2 * number))
            for k, leaf in enumerate(jax.tree.leaves(updates))
        ]
        return state, sum(totals)

    of_each = jnp.arange(len(at), dtype=float), losses, jax.tree.map(lambda *leaves: jnp.stack(leaves), *at)
    return jax.lax.scan(step, optimizer.init(jax.tree.map(jnp.zeros_like, at[0])), of_each)[1].sum()


@anything
def test_derivative_by_every_number_is_the_finite_difference(slug):
    with x64(True):
        values = numbers_of(slug)
        function = jax.jit(lambda values: moved(slug, gradients(), **values))
        slopes = jax.jit(jax.grad(function))(values)
        assert "learning_rate" in slopes or slug not in METHODS
        for name, value in values.items():
            h = 1e-7 * max(abs(value), 1e-4) if np.isfinite(value) else 1.0
            ahead, behind = (function(values | {name: value + step}) for step in (h, -h))
            np.testing.assert_allclose(slopes[name], (ahead - behind) / (2 * h), rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
@anything
def test_derivative_by_gradients_is_finite_where_there_was_none(slug):
    """And equal to the finite difference in a direction that keeps what is exactly zero at zero."""
    with x64(True):
        at = gradients()
        function = jax.jit(lambda at: moved(slug, at))
        slopes = jax.jit(jax.grad(function))(at)
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
        direction = jax.tree.map(lambda g: g * jnp.sin(2 * jnp.arange(g.size, dtype=float).reshape(g.shape) + 1), at)
        slope = sum(jnp.vdot(s, d) for s, d in zip(*map(jax.tree.leaves, (slopes, direction)), strict=True))
        h = 1e-6
        ahead, behind = (function(jax.tree.map(lambda g, d, h=h: g + h * d, at, direction)) for h in (h, -h))
        np.testing.assert_allclose(float(slope), float((ahead - behind) / (2 * h)), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@anything
def test_derivatives_are_finite_from_a_zero_gradient_on_in_float32(slug):
    """A weight that sees nothing for three steps, with whatever eps a method has set to 0."""
    eps = {"eps": 0.0} if "eps" in inspect.signature(CONSTRUCTORS[slug]).parameters else {}
    at = [jax.tree.map(jnp.zeros_like, PARAMS)] * 3 + [gradients_at(1)]
    slopes = jax.jit(jax.grad(lambda at: moved(slug, at, **eps)))(at)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


@pytest.mark.slow
@anything
def test_second_derivatives_are_finite(slug):
    slope = jax.grad(lambda scale: moved(slug, gradients(scale)))
    assert jnp.isfinite(jax.jit(jax.grad(slope))(1.0))


def test_a_decay_of_zero_has_the_derivative_of_a_small_one():
    """b1 = 0 forgets all but the gradient; log(0) stays out of the derivative."""
    with x64(True):
        slope = jax.grad(lambda b1: moved("adam", gradients(), b1=b1))
        assert float(slope(0.0)) == pytest.approx(float(slope(1e-7)), rel=1e-4)
