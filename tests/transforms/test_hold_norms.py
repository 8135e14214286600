"""Every layer keeps its first norm, and only turns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from walking import assert_walks, walk

import adaptax

START = [[3.0, -4.0, 0.5]]
GRADIENTS = [jnp.array([u]) for u in ((0.8, -0.6), (0.6, 0.8), (1.0, 0.0))]
WALKED = [(2.5870966945, 4.2786599179), (2.5396629933, 4.3069840818), (2.1400140822, 4.5188870010)]


def oracle(w, g, eta=0.02):
    """x = w - η g; w = ‖w_0‖ x / ‖x‖."""
    radius, walked = np.sqrt(np.sum(w * w)), []
    for step in g:
        x = w - eta * step
        w = radius * x / np.sqrt(np.sum(x * x))
        walked.append(np.ravel(w))
    return walked


def held(eta=0.02, **settings):
    return optax.chain(optax.scale_by_learning_rate(eta), adaptax.hold_norms(**settings))


def hyperball(eta):
    ratio = adaptax.scale_by_rate(adaptax.trust_ratio_rate(layer_of=adaptax.by_leaf))
    return optax.chain(ratio, optax.scale_by_learning_rate(eta), adaptax.hold_norms())


def test_follows_the_authors():
    assert_walks(held, oracle, START, shape=(1, 3))


def test_worked_numbers_with_the_trust_ratio():
    for seen, expected in zip(walk(hyperball(0.1), jnp.array([[3.0, 4.0]]), GRADIENTS)[1:], WALKED, strict=True):
        np.testing.assert_allclose(seen[0], expected, rtol=1e-6)


def test_a_step_perpendicular_to_the_weights_turns_by_the_arc_tangent_of_the_learning_rate():
    walked = [np.asarray(w[0], np.float64) for w in walk(hyperball(0.1), jnp.array([[3.0, 4.0]]), GRADIENTS)]
    angles = np.diff([np.arctan2(*w) for w in walked])
    np.testing.assert_allclose(np.abs(angles), [np.arctan(0.1), 0.0110494259, 0.0905012307], rtol=1e-4)


def test_no_step_turns_by_more_than_the_arc_sine_of_the_learning_rate():
    """A step that is perpendicular to where it ends turns by just this angle; of twelve directions none turns more."""
    w, turns = np.array([3.0, 4.0]), np.radians(np.arange(0, 360, 30.0))
    farthest = 0.1 * w / 5 + np.sqrt(1 - 0.1**2) * np.array([0.8, -0.6])
    angles = []
    for u in (farthest, *np.stack([np.cos(turns), np.sin(turns)], axis=1)):
        _, moved = walk(hyperball(0.1), jnp.array([w], jnp.float32), [jnp.array([u], jnp.float32)])
        angles.append(abs(np.arctan2(*np.asarray(moved[0], np.float64)) - np.arctan2(*w)))
    assert angles[0] == pytest.approx(np.arcsin(0.1), rel=1e-5)
    assert max(angles) <= np.arcsin(0.1) * (1 + 1e-5)


def test_the_ratio_alone_does_not_hold():
    ratio = adaptax.scale_by_rate(adaptax.trust_ratio_rate())
    *_, last = walk(optax.chain(ratio, optax.scale_by_learning_rate(0.1)), jnp.array([[3.0, 4.0]]), GRADIENTS)
    np.testing.assert_allclose(last[0], [1.8459823265, 3.8980049752], rtol=1e-6)


def test_the_norm_does_not_drift():
    """It is that of the first params after 2,000 steps, to float32's rounding; current norms would wander."""
    optimizer, w = held(0.3), jnp.array([[3.0, 4.0, 0.1]])

    def step(carry, key):
        w, state = carry
        updates, state = optimizer.update(jax.random.normal(key, (1, 3)), state, w)
        return (optax.apply_updates(w, updates), state), None

    (w_end, state), _ = jax.lax.scan(step, (w, optimizer.init(w)), jax.random.split(jax.random.key(3), 2000))
    assert float(jnp.linalg.norm(w_end)) == pytest.approx(float(jnp.linalg.norm(w)), rel=3e-7)
    assert float(state[1].norms[0]) == float(jnp.linalg.norm(w))


def test_biases_and_zero_layers_are_free():
    params = {"bias": jnp.array([3.0, 4.0]), "zero": jnp.zeros((1, 2)), "gain": jnp.array(2.0)}
    steps = jax.tree.map(lambda p: jnp.full_like(p, 0.25), params)
    hold = adaptax.hold_norms(layer_of=adaptax.by_tree)
    updates, state = hold.update(steps, hold.init(params), params)
    jax.tree.map(np.testing.assert_array_equal, updates, steps)
    updates, _ = hold.update(steps, state, optax.apply_updates(params, steps))
    jax.tree.map(np.testing.assert_array_equal, updates, steps)


def test_with_by_parent_the_matrices_of_a_layer_are_held_together():
    params = {"l": {"a": jnp.array([[3.0, 0.0]]), "b": jnp.array([[0.0, 4.0]]), "bias": jnp.array([7.0])}}
    steps = jax.tree.map(lambda p: jnp.full_like(p, 0.5), params)
    hold = adaptax.hold_norms(adaptax.by_parent)
    updates, _ = hold.update(steps, hold.init(params), params)
    after = optax.apply_updates(params, updates)["l"]
    assert float(jnp.hypot(jnp.linalg.norm(after["a"]), jnp.linalg.norm(after["b"]))) == pytest.approx(5.0, rel=1e-6)
    assert float(jnp.linalg.norm(after["a"])) != pytest.approx(3.0, rel=1e-3)
    assert float(after["bias"][0]) == 7.5


def test_each_slice_of_a_stack_is_held_and_vectors_in_a_stack_are_free():
    kernel = jnp.array([[[3.0, 4.0]], [[0.6, 0.8]]])
    params = {"blocks": {"kernel": kernel, "bias": jnp.ones((2, 2))}}
    steps = jax.tree.map(lambda p: jnp.full_like(p, 0.5), params)
    hold = adaptax.hold_norms(stacked="blocks")
    updates, _ = hold.update(steps, hold.init(params), params)
    after = optax.apply_updates(params, updates)["blocks"]
    np.testing.assert_allclose(jnp.linalg.norm(after["kernel"], axis=(1, 2)), [5.0, 1.0], rtol=1e-6)
    np.testing.assert_array_equal(after["bias"], 1.5)


def test_init_needs_shapes_alone_and_remembers_no_params():
    shapes = {"w": jax.ShapeDtypeStruct((2, 2), jnp.float32)}
    np.testing.assert_array_equal(adaptax.hold_norms().init(shapes).norms, [-1.0])


def test_params_that_are_not_finite_at_first_are_measured_later():
    hold = adaptax.hold_norms()
    bad, good, step = jnp.array([[jnp.inf, 1.0]]), jnp.array([[3.0, 4.0]]), jnp.array([[1.0, 1.0]])
    _, state = hold.update(step, hold.init(bad), bad)
    updates, _ = hold.update(step, state, good)
    assert float(jnp.linalg.norm(good + updates)) == pytest.approx(5.0, rel=1e-6)


def test_a_step_to_zero_passes():
    w = jnp.array([[3.0, 4.0]])
    hold = adaptax.hold_norms()
    updates, _ = hold.update(-w, hold.init(w), w)
    np.testing.assert_array_equal(updates, -w)


def test_missing_params_are_named():
    hold = adaptax.hold_norms()
    with pytest.raises(ValueError, match="hold_norms: params must be given, as in update"):
        hold.update(jnp.ones((1, 2)), hold.init(jnp.ones((1, 2))))
