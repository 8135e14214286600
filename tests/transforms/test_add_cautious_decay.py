"""Only what the step shrinks anyway decays."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from walking import assert_walks, walk

import adaptax

START = [3.0, -0.2, 0.05]


def oracle(w, g, eta=0.02, lam=0.3, mu=0.8):
    """v = μ v + g; w = w - η (v + λ 1[v w ≥ 0] w)."""
    v, walked = np.zeros_like(w), []
    for x in g:
        v = mu * v + x
        decay = np.array([lam * b if np.sign(a) * np.sign(b) >= 0 else 0.0 for a, b in zip(v, w, strict=True)])
        w = w - eta * (v + decay)
        walked.append(w)
    return walked


def optimizer(lam, eta=0.02, mu=0.8):
    return optax.chain(optax.trace(mu), adaptax.add_cautious_decay(lam), optax.scale_by_learning_rate(eta))


@pytest.mark.parametrize("lam", [0.3, 2.0])
def test_follows_the_paper(lam):
    assert_walks(lambda: optimizer(lam), lambda w, g: oracle(w, g, lam=lam), START)


def test_worked_numbers():
    decay = optax.chain(adaptax.add_cautious_decay(0.5), optax.scale_by_learning_rate(0.1))
    us = [jnp.array([0.3, 0.4, -0.2, -0.1]), jnp.array([-0.3, -0.4, -0.2, 0.1])]
    _, first, second = walk(decay, jnp.array([1.0, -2.0, 0.0, 0.5]), us)
    np.testing.assert_allclose(first, [0.92, -2.04, 0.02, 0.51], rtol=1e-6)
    np.testing.assert_allclose(second, [0.95, -1.898, 0.04, 0.4745], rtol=1e-6)


def test_a_weight_without_an_update_decays():
    """The paper's ≥; with > it would keep its size."""
    decay = optax.chain(adaptax.add_cautious_decay(0.5), optax.scale_by_learning_rate(0.1))
    _, after = walk(decay, jnp.array([1.0, -2.0]), [jnp.zeros(2)])
    np.testing.assert_allclose(after, [0.95, -1.9], rtol=1e-6)


def test_signs_are_multiplied_not_numbers():
    u, w = jnp.array([-1e-25]), jnp.array([1e-25])
    updates, _ = adaptax.add_cautious_decay(0.5).update(u, adaptax.add_cautious_decay(0.5).init(w), w)
    np.testing.assert_array_equal(updates, u)


def test_a_schedule_is_read_at_its_step():
    decay = adaptax.add_cautious_decay(lambda count: jnp.where(count == 1, 0.5, 0.0))
    w, state = jnp.ones(1), decay.init(jnp.ones(1))
    seen = []
    for _ in range(3):
        updates, state = decay.update(jnp.ones(1), state, w)
        seen.append(float(updates[0]))
    assert seen == [1.0, 1.5, 1.0]


def test_behind_a_finished_optimizer_it_grows_weights():
    chain = optax.chain(optax.sgd(0.1), adaptax.add_cautious_decay(0.5))
    _, after = walk(chain, jnp.array([1.0]), [jnp.array([-1.0])])
    assert float(after[0]) == pytest.approx(1.0 + 0.1 + 0.5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"add_cautious_decay: weight_decay must be at least 0, got -0\.1\."):
        adaptax.add_cautious_decay(-0.1)
    decay = adaptax.add_cautious_decay(0.1)
    with pytest.raises(ValueError, match="add_cautious_decay: params must be given"):
        decay.update(jnp.ones(1), decay.init(jnp.ones(1)))
