"""Distance over gradients: the paper's recursion by layer and for the model, and what overflows elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import x64
from walking import MODERATE, assert_walks, relaxed, walk

import adaptax

START = [3.0, -4.0, 0.5]


def oracle(w, g, alpha=1e-2, eps=1e-8):
    """r = max(r, |w - w0|), G = ε + Σ |g|², w = w - r / √G g; r begins at α (1 + |w0|)."""
    w0, r, total, walked = w, alpha * (1 + np.sqrt(np.sum(w * w))), eps, []
    for x in g:
        r = max(r, np.sqrt(np.sum((w - w0) ** 2)))
        total = total + np.sum(x * x)
        w = w - r / np.sqrt(total) * x
        walked.append(w)
    return walked


def optimizer(**settings):
    rate = adaptax.dog_rate(**settings)
    return optax.chain(adaptax.scale_by_rate(rate), optax.scale_by_learning_rate(1.0))


@pytest.mark.parametrize(("alpha", "eps"), [(1e-2, 1e-8), (1e-4, 0.5)])
def test_follows_the_paper(alpha, eps):
    assert_walks(lambda: optimizer(start=alpha, eps=eps), lambda w, g: oracle(w, g, alpha, eps), START)


def test_worked_numbers():
    gradients = [jnp.array([1.0, 0.0]), jnp.array([0.0, 2.0]), jnp.array([2.0, 1.0])]
    _, *walked = walk(optimizer(start=0.1), jnp.array([3.0, 4.0]), gradients)
    expected = [(2.4000000030, 4.0), (2.4000000030, 3.4633436859), (1.8908831224, 3.2087852457)]
    np.testing.assert_allclose(walked, expected, rtol=1e-6)


def test_distance_and_gradients_of_the_worked_numbers():
    rate, w = adaptax.dog_rate(0.1), jnp.array([3.0, 4.0])
    state, seen = rate.init(w), []
    for g in ([1.0, 0.0], [0.0, 2.0], [2.0, 1.0]):
        rates, state = rate.measure(jnp.array(g), state, w)
        seen.append((state.distance[0], state.root[0] ** 2, rates))
        w = w - rates * jnp.array(g)
    expected = [(0.6, 1.0, 0.6), (0.6, 5.0, 0.2683281570), (0.8049844693, 10.0, 0.2545584403)]
    np.testing.assert_allclose(seen, expected, rtol=1e-5)


def tree_of(signal):
    return {"a": jnp.asarray(signal[0]), "b": jnp.asarray(signal[1:3])}


def test_is_optaxs_by_leaf():
    params = tree_of(np.array(START))
    gradients = [tree_of(g) for g in MODERATE["noise"][:30].astype(np.float32)]
    params["a"] = params["a"][None]  # a scalar of Optax's gets an update of another shape
    gradients = [{**g, "a": g["a"][None]} for g in gradients]
    theirs = relaxed(optax.chain(optax.scale_by_distance_over_gradients(1e-2), optax.scale(-1.0)))
    ours = walk(optimizer(start=1e-2), params, gradients)
    for got, expected in zip(ours, walk(theirs, params, gradients), strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4), got, expected)


def test_optaxs_gives_a_scalar_another_shape_and_rounds_the_start_to_float32():
    theirs, w = optax.scale_by_distance_over_gradients(1e-2), jnp.float32(1.0)
    updates, _ = theirs.update(w, theirs.init(w), w)
    assert updates.shape == (1,)
    rate = adaptax.dog_rate(1e-2)
    rates, _ = rate.measure(w, rate.init(w), w)
    assert rates.shape == ()
    with x64(True):
        w = jnp.asarray([1.0, 2.0])
        dtypes = [
            {leaf.dtype for leaf in jax.tree.leaves(state) if leaf.shape == (2,)}
            for state in (theirs.init(w), adaptax.dog_rate().init(w))
        ]
        assert dtypes == [{jnp.dtype("float32")}, {jnp.dtype("float64")}]


def test_by_tree_is_one_rate_for_the_model():
    with x64(True):
        params = tree_of(np.array(START))
        gradients = [tree_of(g) for g in MODERATE["noise"][:30]]
        *_, last = walk(optimizer(start=1e-2, layer_of=adaptax.by_tree), params, gradients)
        expected = oracle(np.array(START), MODERATE["noise"][:30])[-1]
        np.testing.assert_allclose(np.concatenate([[last["a"]], last["b"]]), expected, rtol=1e-9)


def test_slices_of_a_stack_are_layers():
    w, g = jnp.array([[3.0, 4.0], [0.0, 1.0]]), jnp.array([[1.0, 0.0], [0.0, 5.0]])
    rate, alone = adaptax.dog_rate(0.1, stacked="w"), adaptax.dog_rate(0.1)
    rates, _ = rate.measure({"w": g}, rate.init({"w": w}), {"w": w})
    for k in range(2):
        assert float(rates["w"][k, 0]) == float(alone.measure(g[k], alone.init(w[k]), w[k])[0])


def test_nothing_overflows_that_does_in_optax():
    w, g = jnp.array([1e25, 1e25]), jnp.array([1e25, 0.0])
    updates, _ = optimizer(start=0.1).update(g, optimizer().init(w), w)
    np.testing.assert_allclose(updates, [-0.1 * np.sqrt(2) * 1e25, 0.0], rtol=1e-5)
    theirs = optax.scale_by_distance_over_gradients(0.1)
    assert not jnp.isfinite(relaxed(theirs).update(g, theirs.init(w), w)[0]).all()


def test_zeros_change_nothing_and_the_first_gradient_starts_then():
    w = jnp.array([3.0, 4.0])
    _, resting, moved = walk(optimizer(start=0.1), w, [jnp.zeros(2), jnp.array([2.0, 0.0])])
    np.testing.assert_array_equal(resting, w)
    np.testing.assert_allclose(moved, [2.4, 4.0], rtol=1e-6)


def test_a_nan_does_not_stay():
    w, good = jnp.array([3.0, 4.0]), jnp.array([1.0, 2.0])
    rate = adaptax.dog_rate(0.1)
    _, state = rate.measure(good, rate.init(w), w)
    rates, after = rate.measure(good * jnp.nan, state, w * jnp.nan)
    assert float(rates) == pytest.approx(0.6 / 5**0.5, rel=1e-6)
    assert (float(after.root[0]), float(after.distance[0])) == (float(state.root[0]), float(state.distance[0]))


def test_init_needs_shapes_alone_and_the_first_params_are_copied():
    rate, w = adaptax.dog_rate(), jnp.array([3.0, 4.0], jnp.bfloat16)
    state = rate.init(jax.ShapeDtypeStruct((2,), jnp.bfloat16))
    _, state = rate.measure(w, state, w)
    _, state = rate.measure(w, state, 2 * w)
    np.testing.assert_array_equal(state.start, [3.0, 4.0])
    assert state.start.dtype == jnp.float32


def test_behind_a_finished_optimizer_it_multiplies_the_step():
    w, g = jnp.array([3.0, 4.0]), jnp.array([1.0, 0.0])
    around = adaptax.rescale(optax.sgd(0.5), adaptax.dog_rate(0.1))
    np.testing.assert_allclose(around.update(g, around.init(w), w)[0], [-0.3, 0.0], rtol=1e-6)


def test_l_dog_averages():
    """The whole method: the average of its walk by the paper's weights."""
    chained = optax.chain(optimizer(start=1e-2), adaptax.average_params())
    with x64(True):
        w, state = jnp.array(START), chained.init(jnp.array(START))
        for g in MODERATE["zeros"]:
            updates, state = chained.update(jnp.asarray(g), state, w)
            w = optax.apply_updates(w, updates)
        expected = np.zeros(3)
        for t, x in enumerate(oracle(np.array(START), MODERATE["zeros"]), start=1):
            a = 9 / (t + 8)
            expected = (1 - a) * expected + a * x
        np.testing.assert_allclose(adaptax.averaged_params(state, w), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 0.0}, r"dog: start must be above 0, got 0\.0\."),
        ({"eps": -1.0}, r"dog: eps must be at least 0, got -1\.0\."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adaptax.dog_rate(**settings)


def test_missing_params_are_named():
    rate = adaptax.scale_by_rate(adaptax.dog_rate())
    with pytest.raises(ValueError, match="dog: params must be given, as in update"):
        rate.update(jnp.ones(2), rate.init(jnp.ones(2)))
