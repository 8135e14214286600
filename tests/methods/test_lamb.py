"""Adam with decay, every layer's step as long as its weights."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, look_inside
from walking import assert_walks, relaxed, walk, walks

import adaptax

START = [3.0, -0.2, 0.05]


def oracle(w, g, eta=0.05, b1=0.9, b2=0.999, eps=1e-6, lam=0.01, low=0.0, high=np.inf):
    """u = m̂ / (√v̂ + ε) + λ w; w = w - η min(max(‖w‖, low), high) / ‖u‖ u, ratio 1 where either is 0."""
    m, v, walked = np.zeros_like(w), np.zeros_like(w), []
    for t, x in enumerate(g, 1):
        m, v = b1 * m + (1 - b1) * x, b2 * v + (1 - b2) * x**2
        u = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps) + lam * w
        size, length = min(max(np.sqrt(np.sum(w**2)), low), high), np.sqrt(np.sum(u**2))
        w = w - eta * (size / length if size > 0 and length > 0 else 1.0) * u
        walked.append(w)
    return walked


@pytest.mark.parametrize(
    "settings", [{}, {"lam": 0.5, "high": 1.0}, {"b1": 0.5, "b2": 0.9, "eps": 1e-3, "lam": 0.0, "low": 4.0}]
)
def test_follows_the_paper(settings):
    given = {"weight_decay" if name == "lam" else name: value for name, value in settings.items()}
    assert_walks(lambda: adaptax.lamb(0.05, **given), lambda w, g: oracle(w, g, **settings), START)


def test_worked_numbers():
    gradients = [jnp.array([0.8, -0.6]), jnp.array([0.6, 0.8])]
    _, first, second = walk(adaptax.lamb(0.01, weight_decay=0.0), jnp.array([3.0, 4.0]), gradients)
    np.testing.assert_allclose(first, [2.9646446536, 4.0353553317], rtol=1e-6)
    np.testing.assert_allclose(second, [2.9155152050, 4.0256796745], rtol=1e-6)


def test_equals_optax():
    signal = {"noise": SIGNALS["noise"][:20]}
    ours = walks(adaptax.lamb(0.05, weight_decay=0.3), START, signal, "float32")["noise"]
    theirs = walks(relaxed(optax.lamb(0.05, weight_decay=0.3)), START, signal, "float32")["noise"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_a_layer_is_a_leaf_unless_said_otherwise():
    params = {"l": {"kernel": jnp.array([3.0, 4.0]), "bias": jnp.zeros(1)}}
    gradients = {"l": {"kernel": jnp.array([1.0, 1.0]), "bias": jnp.ones(1)}}

    def bias(**settings):
        optimizer = adaptax.lamb(0.1, weight_decay=0.0, **settings)
        return float(optimizer.update(gradients, optimizer.init(params), params)[0]["l"]["bias"][0])

    assert bias() == pytest.approx(-0.1, rel=1e-4)
    assert bias(layer_of=adaptax.by_parent) == pytest.approx(-0.1 * 5 / np.sqrt(3), rel=1e-4)


def test_inside_are_adams_moments_without_a_rate():
    settings = {"learning_rate": 0.1, "eps": 1e-6}
    _, inside = look_inside(adaptax.adam(**settings), adaptax.methods.lamb.inner, settings, SIGNALS["noise"])
    assert set(inside) == {"corrected moment m̂", "corrected square v̂"}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"lamb: weight_decay must be at least 0, got -0\.1\."):
        adaptax.lamb(0.1, weight_decay=-0.1)
    with pytest.raises(ValueError, match=r"trust_ratio: low must be at most high = 1\.0, got 2\.0\."):
        adaptax.lamb(0.1, low=2.0, high=1.0)
    optimizer, w = adaptax.lamb(0.1), jnp.ones(2)
    with pytest.raises(
        ValueError, match=r"lamb: params must be given, as in update\(gradients, state, params\), got None"
    ):
        optimizer.update(w, optimizer.init(w))
