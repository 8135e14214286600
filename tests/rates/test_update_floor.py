"""No layer moves by less than a fraction of its weights: a floor, and no ceiling."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from walking import assert_walks, walk

import adaptax

START = [3.0, -4.0, 0.5]


def oracle(w, g, eta=0.02, rho=0.35):
    """w = w - η max(1, ρ ‖w‖ / ‖g‖) g, with 1 where a norm is 0."""
    walked = []
    for x in g:
        size, length = rho * np.sqrt(np.sum(w * w)), np.sqrt(np.sum(x * x))
        w = w - eta * (max(1.0, size / length) if size > 0 and length > 0 else 1.0) * x
        walked.append(w)
    return walked


def optimizer(eta=0.02, **settings):
    rate = adaptax.update_floor_rate(**settings)
    return optax.chain(adaptax.scale_by_rate(rate), optax.scale_by_learning_rate(eta))


@pytest.mark.parametrize("rho", [0.35, 0.1])
def test_follows_the_record(rho):
    assert_walks(lambda: optimizer(floor=rho), lambda w, g: oracle(w, g, rho=rho), START)


def test_worked_numbers():
    gradients = [jnp.array([0.6, 0.8]), jnp.array([3.0, 0.0])]
    _, first, second = walk(optimizer(0.1), jnp.array([3.0, 4.0]), gradients)
    np.testing.assert_allclose(first, [2.895, 3.86], rtol=1e-6)
    np.testing.assert_allclose(second, [2.595, 3.86], rtol=1e-6)


def measured(w, u, **settings):
    return adaptax.update_floor_rate(**settings).measure(u, (), w, direction=u)[0]


def test_is_a_floor_and_not_a_clamp():
    """What the record's readme calls a clamp to .35 would shorten a long update."""
    assert float(measured(jnp.array([3.0, 4.0]), jnp.array([300.0, 0.0]))) == 1.0


@pytest.mark.parametrize("bad", [0.0, jnp.inf, jnp.nan])
def test_where_a_norm_says_nothing_the_rate_is_1(bad):
    assert float(measured(jnp.array([0.0, bad]), jnp.ones(2))) == 1.0
    assert float(measured(jnp.ones(2), jnp.array([0.0, bad]))) == 1.0


def test_a_layer_is_a_leaf_unless_said_otherwise():
    w = {"dense": {"kernel": jnp.array([3.0, 4.0]), "bias": jnp.array([0.0])}}
    u = {"dense": {"kernel": jnp.array([0.6, 0.8]), "bias": jnp.array([0.75])}}
    assert float(measured(w, u)["dense"]["bias"]) == 1.0
    joint = measured(w, u, layer_of=adaptax.by_parent)["dense"]
    assert float(joint["bias"]) == float(joint["kernel"]) == pytest.approx(0.35 * 5 / 1.25)


def test_around_a_finished_optimizer_the_floor_is_under_the_step_itself():
    """Adam's step of .001 a weight becomes .35 of the weights' length."""
    w = jnp.array([3.0, 4.0])
    around = adaptax.rescale(adaptax.adam(1e-3), adaptax.update_floor_rate())
    step, _ = around.update(jnp.array([1.0, -1.0]), around.init(w), w)
    assert float(jnp.linalg.norm(step)) == pytest.approx(0.35 * 5, rel=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"update_floor: floor must be at least 0, got -1\.0\."):
        adaptax.update_floor_rate(-1.0)
    around = adaptax.scale_by_rate(adaptax.update_floor_rate())
    with pytest.raises(ValueError, match="update_floor: params must be given, as in update"):
        around.update(jnp.ones(2), around.init(jnp.ones(2)))
