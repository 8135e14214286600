"""Published rules that adaptax leaves to its users: each is a rate of about ten lines, and gives its worked numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import x64

import adaptax


def stateless(measured):
    """Return a rate that keeps nothing, from a function of gradients, params and direction, leaf by leaf."""

    def measure(gradients, state, params=None, *, direction, **extra_args):
        return jax.tree.map(measured, gradients, params, direction), state

    return adaptax.Rate(lambda params: (), measure)


def agc_rate(limit=0.01, floor=1e-3):
    """Adaptive gradient clipping (Brock et al., arXiv:2102.06171): one norm per column of a kernel."""

    def measured(g, w, u):
        norm_w, norm_g = (jnp.linalg.norm(tree, axis=0, keepdims=tree.ndim > 1) for tree in (w, g))
        return jnp.minimum(1, limit * jnp.maximum(norm_w, floor) / jnp.maximum(norm_g, 1e-6))

    return stateless(measured)


def row_floor_rate(floor=0.35):
    """A floor under each row, all scaled to the length of the floor under the whole (modded-nanogpt 328)."""

    def measured(g, w, u):
        per_row = jnp.maximum(1, floor * jnp.linalg.norm(w, axis=1) / jnp.linalg.norm(u, axis=1))[:, None]
        whole = jnp.maximum(1, floor * jnp.linalg.norm(w) / jnp.linalg.norm(u))
        return per_row * whole * jnp.linalg.norm(u) / jnp.linalg.norm(per_row * u)

    return stateless(measured)


def top_half_rate(spotlight=2.0, others=0.5):
    """MGUP as published (arXiv:2606.17526): the half with the largest u g moves more."""

    def measured(g, w, u):
        order = jnp.argsort(jnp.argsort(-u * g, axis=None)).reshape(g.shape)
        return jnp.where(order < g.size // 2, spotlight, others)

    return stateless(measured)


def zclip_rate(threshold=2.5, decay=0.97):
    """Clip the norm of all gradients where it is far from its mean (ZClip), without the absolute limit."""

    def init(params):
        return {"mean": jnp.array(1.0), "variance": jnp.array(0.04)}  # as after some warm-up

    def measure(gradients, state, params=None, *, direction, **extra_args):
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(gradients)))
        mean, deviation = state["mean"], jnp.sqrt(state["variance"])
        z = (norm - mean) / (deviation + 1e-6)
        limit = jnp.where(z > threshold, mean + threshold * deviation / (z / threshold), norm)
        moved = {"mean": limit, "variance": (limit - mean) ** 2}
        rates = jax.tree.map(lambda g: limit / (norm + 1e-6), gradients)
        return rates, jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state, moved)

    return adaptax.Rate(init, measure)


def idbd_rate(start=0.05, theta=0.1):
    """Sutton 1992: gains by the correlation of gradients over time; `curvature` is the square of the inputs."""

    def init(params):
        return {"beta": jnp.full_like(params, jnp.log(start)), "trace": jnp.zeros_like(params)}

    def measure(gradients, state, params=None, *, direction, curvature, **extra_args):
        beta = state["beta"] - theta * gradients * state["trace"]
        gain = jnp.exp(beta)
        trace = state["trace"] * jnp.maximum(1 - gain * curvature, 0) - gain * gradients
        return gain, {"beta": beta, "trace": trace}

    return adaptax.Rate(init, measure)


def radial_brake(part=0.5):
    """Take off part of what lengthens w; the rest turns it (modded-nanogpt 294). It is no rate: it stands last."""

    def update(updates, state, params):
        def braked(d, w):
            along = jnp.vdot(d, w) / jnp.vdot(w, w)
            kept = along - part * jnp.maximum(along, 0)
            moved = w + d - (along - kept) * w
            return moved * jnp.linalg.norm(w) * (1 + kept) / jnp.linalg.norm(moved) - w

        return jax.tree.map(braked, updates, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


@pytest.fixture
def wide():
    with x64(True):
        yield


def rates_of(rate, w, u, g=None):
    w, u = jnp.array(w), jnp.array(u)
    g = u if g is None else jnp.array(g)
    return jax.jit(rate.measure)(g, rate.init(w), w, direction=u)[0]


@pytest.mark.parametrize(
    ("w", "g", "expected"),
    [
        ([3.0, 4.0], [0.03, 0.04], 1.0),
        ([3.0, 4.0], [0.3, 0.4], 0.1),
        ([[3.0, 0.0], [4.0, 0.0]], [[0.3, 0.3], [0.4, 0.4]], [[0.1, 0.00002]]),  # a unit at 0 crawls
    ],
)
@pytest.mark.usefixtures("wide")
def test_adaptive_gradient_clipping_is_a_rate_and_optaxs(w, g, expected):
    np.testing.assert_allclose(rates_of(agc_rate(), w, g), expected, rtol=1e-12)
    theirs, _ = optax.adaptive_grad_clip(0.01).update(jnp.array(g), optax.EmptyState(), jnp.array(w))
    np.testing.assert_allclose(rates_of(agc_rate(), w, g) * jnp.array(g), theirs, rtol=1e-12)


@pytest.mark.usefixtures("wide")
def test_a_floor_per_row():
    got = rates_of(row_floor_rate(), [[3.0, 4.0], [0.0, 0.5]], [[0.6, 0.8], [0.3, 0.4]])
    np.testing.assert_allclose(got.ravel(), [1.6910593141, 0.9663196081], atol=1e-10)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([1, 4, 9, 16], [0.5, 0.5, 2, 2]),
        ([-0.2, 2.8, 3.7, 1.6], [0.5, 2, 2, 0.5]),
        ([0.64, -1.52, -0.99, 0.64], [2, 0.5, 0.5, 2]),
    ],
)
def test_mgup_with_ranks(p, expected):
    np.testing.assert_array_equal(rates_of(top_half_rate(), [0.0] * 4, [float(x) for x in p], [1.0] * 4), expected)


@pytest.mark.usefixtures("wide")
def test_zclip():
    rate = zclip_rate()
    rates, state = jax.jit(rate.measure)(jnp.array([1.2, 1.6]), rate.init(None), direction=None)
    np.testing.assert_allclose(rates, 1.25000125 / 2.000001, rtol=1e-8)
    np.testing.assert_allclose(state["mean"], 0.97 + 0.03 * 1.25000125, rtol=1e-8)


@pytest.mark.usefixtures("wide")
def test_idbd():
    optimizer = optax.chain(adaptax.rescale(optax.identity(), idbd_rate()), optax.scale(-1.0))
    w = jnp.zeros(2)
    state = optimizer.init(w)
    seen = []
    for x, y in (((1.0, 2.0), 1.0), ((1.0, -1.0), 0.0), ((2.0, 1.0), 1.0)):
        x = jnp.array(x)
        delta = y - w @ x
        updates, state = jax.jit(optimizer.update)(-delta * x, state, w, curvature=x**2)
        w = w + updates
        seen.append([delta, *w, *optax.tree.get(state, "trace")])
    expected = [
        [1, 0.05, 0.1, 0.05, 0.1],
        [0.05, 0.0525006251, 0.0975012497, 0.05, 0.0925037491],
        [0.7974975002, 0.1329090197, 0.1376512953, 0.1203258057, 0.1279966895],
    ]
    np.testing.assert_allclose(seen, expected, atol=1e-10)


@pytest.mark.usefixtures("wide")
def test_a_brake_on_longer_weights():
    w = jnp.array([3.0, 4.0])
    chain = optax.chain(optax.scale(-0.1), radial_brake())
    updates, _ = chain.update(jnp.array([-1.0, 0.5]), chain.init(w), w)
    np.testing.assert_allclose(w + updates, [3.0932545076, 3.9410501838], atol=1e-10)
    inward, _ = chain.update(jnp.array([1.0, 0.0]), chain.init(w), w)  # 0.06 of the length is taken off, no brake
    np.testing.assert_allclose(jnp.linalg.norm(w + inward), 5 * (1 - 0.1 * 3 / 25), rtol=1e-12)
