"""Momentum of steps that are a fixed fraction of each layer's weights."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS
from walking import assert_walks, relaxed, walk, walks

import adaptax

START = [3.0, -0.2, 0.05]
GRADIENTS = [jnp.array([0.8, -0.6]), jnp.array([0.6, 0.8])]


def oracle(w, g, eta=2.0, mu=0.9, lam=5e-4, c=0.001, nesterov=False):
    """u = g + λ w; v = μ v + η c ‖w‖ / ‖u‖ u; w = w - v, in Nesterov's form w - (η c ‖w‖ / ‖u‖ u + μ v)."""
    v, walked = np.zeros_like(w), []
    for x in g:
        u = x + lam * w
        size, length = np.sqrt(np.sum(w**2)), np.sqrt(np.sum(u**2))
        step = eta * c * (size / length if size > 0 and length > 0 else 1.0) * u
        v = mu * v + step
        w = w - (step + mu * v if nesterov else v)
        walked.append(w)
    return walked


@pytest.mark.parametrize("settings", [{}, {"mu": 0.5, "lam": 0.1, "c": 0.01}, {"nesterov": True, "lam": 0.0}])
def test_follows_the_paper(settings):
    names = {"mu": "momentum", "lam": "weight_decay", "c": "coefficient"}
    given = {names.get(name, name): value for name, value in settings.items()}
    assert_walks(lambda: adaptax.lars(2.0, **given), lambda w, g: oracle(w, g, **settings), START)


def test_worked_numbers():
    """The norm of the sum, as programs have it; the sum of the norms, as printed, gives 2.99633, 4.00067 first."""
    _, first, second = walk(adaptax.lars(1.0, weight_decay=0.1), jnp.array([3.0, 4.0]), GRADIENTS)
    np.testing.assert_allclose(first, [2.9950806504, 4.0008944272], rtol=1e-6)
    np.testing.assert_allclose(second, [2.9876557686, 3.9977003049], rtol=1e-6)


def test_as_printed_it_has_other_numbers():
    """‖g‖ + λ ‖w‖ for the norm of the sum, by a rate of its own."""

    def measure(gradients, state, params=None, *, direction, **extra_args):
        length = jnp.linalg.norm
        return 0.001 * length(params) / (length(gradients) + 0.1 * length(params)), state

    printed = adaptax.rescale(optax.add_decayed_weights(0.1), adaptax.Rate(lambda params: (), measure))
    optimizer = optax.chain(printed, optax.scale_by_learning_rate(1.0), optax.trace(0.9))
    _, first, second = walk(optimizer, jnp.array([3.0, 4.0]), GRADIENTS)
    np.testing.assert_allclose(first, [2.99633, 4.00067], rtol=2e-6)
    np.testing.assert_allclose(second, [2.99004, 3.99727], rtol=2e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_equals_optax(nesterov):
    signal = {"noise": SIGNALS["noise"][:20]}
    ours = walks(adaptax.lars(2.0, weight_decay=0.3, nesterov=nesterov), START, signal, "float32")["noise"]
    optimizer = optax.lars(2.0, weight_decay=0.3, nesterov=nesterov)
    np.testing.assert_allclose(ours, walks(relaxed(optimizer), START, signal, "float32")["noise"], rtol=1e-5)


def test_a_layer_of_zeros_keeps_its_coefficient():
    """In Optax it moves 1,000 times as far."""
    zeros, g = jnp.zeros(2), jnp.ones(2)
    for optimizer, expected in ((adaptax.lars(1.0), -0.001), (optax.lars(1.0), -1.0)):
        updates, _ = optimizer.update(g, optimizer.init(zeros), zeros)
        np.testing.assert_allclose(updates, expected, rtol=1e-5)


def test_the_learning_rate_stands_inside_the_buffer():
    optimizer = adaptax.lars(lambda count: jnp.where(count == 0, 1.0, 0.0), 0.5, weight_decay=0.0)
    start, first, second = walk(optimizer, jnp.array([3.0, 4.0]), GRADIENTS)
    np.testing.assert_allclose(second - first, 0.5 * (first - start), rtol=1e-3)


def test_a_layer_is_a_leaf_unless_said_otherwise():
    params = {"l": {"kernel": jnp.array([3.0, 4.0]), "bias": jnp.zeros(1)}}
    gradients = {"l": {"kernel": jnp.array([1.0, 1.0]), "bias": jnp.ones(1)}}

    def bias(**settings):
        optimizer = adaptax.lars(1.0, weight_decay=0.0, **settings)
        return float(optimizer.update(gradients, optimizer.init(params), params)[0]["l"]["bias"][0])

    assert bias() == pytest.approx(-0.001)
    assert bias(layer_of=adaptax.by_parent) == pytest.approx(-0.001 * 5 / np.sqrt(3))


def test_inside_is_the_step():
    optimizer, w = adaptax.lars(1.0), jnp.array([3.0, 4.0])
    updates, state = optimizer.update(GRADIENTS[0], optimizer.init(w), w)
    np.testing.assert_array_equal(adaptax.methods.lars.inner(GRADIENTS[0], state, {})["velocity v"], updates)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"lars: weight_decay must be at least 0, got -0\.1\."):
        adaptax.lars(0.1, weight_decay=-0.1)
    with pytest.raises(ValueError, match=r"trust_ratio: coefficient must be at least 0, got -1\.0\."):
        adaptax.lars(0.1, coefficient=-1.0)
    with pytest.raises(ValueError, match=r"lars: momentum must be in \[0, 1\), got 1\.0\."):
        adaptax.lars(0.1, momentum=1.0)
    optimizer, w = adaptax.lars(0.1), jnp.ones(2)
    with pytest.raises(
        ValueError, match=r"lars: params must be given, as in update\(gradients, state, params\), got None"
    ):
        optimizer.update(w, optimizer.init(w))
