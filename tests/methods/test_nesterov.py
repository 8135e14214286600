"""True Nesterov: params stay x, gradients are taken at x + μ v, whatever rate and momentum do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, as_float, assert_follows, look_inside, x64

import adaptax

CURVATURE = np.array([1.0, 7.0, 0.3])
CENTER = np.array([0.5, -1.0, 2.0])
X0 = np.array([3.0, 1.0, -2.0])


def slope(x):
    """Gradient of an asymmetric bowl with a ripple."""
    return CURVATURE * (x - CENTER) + 0.3 * np.cos(2 * x)


def value(x):
    return jnp.sum(jnp.asarray(CURVATURE) * (x - jnp.asarray(CENTER)) ** 2 / 2 + 0.15 * jnp.sin(2 * x))


def oracle(steps, eta, mu):
    """Sutskever et al. 2013: v = μ v - ε ∇f(θ + μ v); θ = θ + v. Rates and momenta of step t are eta(t), mu(t)."""
    x, v, path = X0.copy(), np.zeros(3), []
    for t in range(steps):
        v = mu(t) * v - eta(t) * slope(x + mu(t) * v)
        x = x + v
        path.append(x.copy())
    return np.array(path)


def test_inside_is_the_reach_of_the_next_gradient():
    """Downhill, as steps are told: minus the way from x to where the gradient will be taken."""
    for optimizer in (adaptax.nesterov(0.1, 0.8), adaptax.smoothed_nesterov(0.1, 0.8)):
        steps, inside = look_inside(optimizer, adaptax.methods.nesterov.inner, {}, SIGNALS["noise"])
        np.testing.assert_allclose(inside["look-ahead μ v"], -0.8 * steps, rtol=1e-9)


def travel(optimizer, steps):
    x = jnp.asarray(X0)
    state = optimizer.init(x)

    @jax.jit
    def step(carry, _):
        x, state = carry
        _, gradient = adaptax.value_and_grad(value)(x, state)
        ahead = adaptax.lookahead_points(x, state)[0]
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(x, updates), state), (x + updates, ahead)

    _, (path, ahead) = jax.lax.scan(step, (x, state), length=steps)
    return np.asarray(path), np.asarray(ahead)


def test_follows_the_textbook_with_changing_rate_and_momentum():
    with x64(True):
        eta, mu = (lambda t: 0.1 / (1 + 0.02 * as_float(t))), (lambda t: 1 - 1 / (2 * as_float(t // 25 + 1)))
        got, _ = travel(adaptax.nesterov(eta, mu), 200)
        np.testing.assert_allclose(got, oracle(200, eta, mu), rtol=1e-6)


def test_velocity_follows_for_given_gradients():
    """The recursion on its own: fixed gradients, whoever took them."""

    def velocities(g, eta=0.1, mu=0.9):
        v, out = 0.0, []
        for x in g:
            v = mu * v - eta * x
            out.append(v)
        return out

    assert_follows(lambda: adaptax.nesterov(0.1), velocities)


def test_points_are_optax_params_while_nothing_changes():
    """With constant rate and momentum `optax.sgd(nesterov=True)` carries our look-ahead points as its params."""
    with x64(True):
        _, ahead = travel(adaptax.nesterov(0.1, 0.9), 60)
        sgd = optax.sgd(0.1, momentum=0.9, nesterov=True)
        y, state = jnp.asarray(X0), sgd.init(jnp.asarray(X0))
        for t in range(60):
            np.testing.assert_allclose(ahead[t], y, rtol=1e-9)
            updates, state = sgd.update(jax.grad(value)(y), state)
            y = optax.apply_updates(y, updates)


def test_optax_parts_once_the_rate_changes():
    """The documented difference is real: after the rate halves the paths are no longer the same."""
    with x64(True):
        rate = lambda count: jnp.where(count < 3, 0.1, 0.05)  # noqa: E731
        _, ahead = travel(adaptax.nesterov(rate, 0.9), 8)
        sgd = optax.sgd(rate, momentum=0.9, nesterov=True)
        y, state = jnp.asarray(X0), sgd.init(jnp.asarray(X0))
        for _ in range(7):
            updates, state = sgd.update(jax.grad(value)(y), state)
            y = optax.apply_updates(y, updates)
        assert np.abs(ahead[7] - np.asarray(y)).max() > 1e-2


def test_gradients_at_x_make_it_heavy_ball():
    """What the docs promise to a user who forgets to look ahead."""
    with x64(True):
        ours, theirs = adaptax.nesterov(0.1, 0.9), optax.sgd(0.1, momentum=0.9)
        x = y = jnp.asarray(X0)
        state, other = ours.init(x), theirs.init(y)
        for _ in range(50):
            updates, state = ours.update(jax.grad(value)(x), state)
            x = optax.apply_updates(x, updates)
            updates, other = theirs.update(jax.grad(value)(y), other)
            y = optax.apply_updates(y, updates)
        np.testing.assert_allclose(x, y, rtol=1e-9)


def test_linear_in_the_gradients():
    optimizer = adaptax.nesterov(0.1)
    state = optimizer.init(jnp.zeros(2))
    g, h = jnp.array([1.0, -2.0]), jnp.array([0.3, 5.0])
    alone = [optimizer.update(x, optimizer.update(x, state)[1])[0] for x in (g, h)]
    both, _ = optimizer.update(g + h, optimizer.update(g + h, state)[1])
    np.testing.assert_allclose(both, alone[0] + alone[1], rtol=1e-6)


@pytest.mark.parametrize("momentum", [1.0, -0.1, 1.5])
def test_bad_momentum_is_named(momentum):
    with pytest.raises(ValueError, match=rf"nesterov: momentum must be in \[0, 1\), got {momentum}."):
        adaptax.nesterov(0.1, momentum=momentum)
