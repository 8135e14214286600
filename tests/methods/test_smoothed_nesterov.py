"""Smoothed Nesterov averages the gradient at k/K of the way ahead, k = 1..K (article 003, eq. 8)."""

import inspect

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import as_float, assert_follows, x64

import adaptax
from adaptax._lookahead import scale_by_lookahead
from tests.methods.test_nesterov import X0, slope, value


def oracle(steps, eta, mu, K):
    """v = γ v + (η/K) Σ_k ∇J(θ - (k/K) γ v); θ = θ - v, in the article's signs."""
    theta, v, path = X0.copy(), np.zeros(3), []
    for t in range(steps):
        total = np.zeros(3)
        for k in range(1, K + 1):
            total += slope(theta - k / K * mu(t) * v)
        v = mu(t) * v + eta(t) / K * total
        theta = theta - v
        path.append(theta.copy())
    return np.array(path)


@pytest.mark.parametrize("points", [1, 3, 4])
def test_follows_the_article(points):
    with x64(True):
        eta, mu = (lambda t: 0.08 / (1 + 0.02 * as_float(t))), (lambda t: 0.9 - 0.4 / (1 + as_float(t)))
        optimizer = adaptax.smoothed_nesterov(eta, mu, points)
        x, state, path = jnp.asarray(X0), optimizer.init(jnp.asarray(X0)), []
        for _ in range(40):
            _, gradient = adaptax.value_and_grad(value)(x, state)
            updates, state = optimizer.update(gradient, state)
            x = optax.apply_updates(x, updates)
            path.append(np.asarray(x))
        np.testing.assert_allclose(path, oracle(40, eta, mu, points), rtol=1e-6)


def test_velocity_follows_for_given_gradients():
    def velocities(g, eta=0.05, mu=0.8):
        v, out = 0.0, []
        for x in g:
            v = mu * v - eta * x
            out.append(v)
        return out

    assert_follows(lambda: adaptax.smoothed_nesterov(0.05, 0.8), velocities)


def test_points_lie_on_the_way_and_exclude_x():
    optimizer = adaptax.smoothed_nesterov(1.0, momentum=0.5, points=4)
    x = jnp.array([10.0])
    v, state = optimizer.update(jnp.array([-8.0]), optimizer.init(x))
    points = adaptax.lookahead_points(x + v, state)
    np.testing.assert_allclose(np.ravel(points), [19.0, 20.0, 21.0, 22.0])


@pytest.mark.parametrize("points", [0, -4])
def test_points_out_of_range_are_named(points):
    with pytest.raises(ValueError, match=f"smoothed_nesterov: points must be at least 1, got {points}."):
        adaptax.smoothed_nesterov(0.1, points=points)


def test_traced_points_are_named():
    """They set the number of gradients, so they can not be traced: under inject_hyperparams they are static."""
    with pytest.raises(ValueError, match=r"smoothed_nesterov: points must be a Python int .*, got Array"):
        inspect.unwrap(scale_by_lookahead)("smoothed_nesterov", 0.1, 0.9, jnp.int32(4))
