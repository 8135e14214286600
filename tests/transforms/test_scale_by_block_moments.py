"""One second moment per block: Adam's with the square averaged over the block first, and its memory saved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_follows
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import adaptax

WORKED = [(3.0, 4.0), (0.0, 1.0), (-3.0, 1.0)]


def oracle(g, b1=0.9, b2=0.999, eps=1e-8):
    """m̂ / (√v̂ + ε), v the average of mean g²; 0 where both are 0."""
    m, v, steps = np.zeros(g.shape[1]), 0.0, []
    for t, x in enumerate(g, 1):
        m, v = b1 * m + (1 - b1) * x, b2 * v + (1 - b2) * np.mean(x**2)
        size = np.sqrt(v / (1 - b2**t)) + eps
        steps.append(m / (1 - b1**t) / size if size > 0 else np.zeros_like(m))
    return np.array(steps)


@pytest.mark.parametrize("settings", [{}, {"b1": 0.5, "b2": 0.9, "eps": 1e-3}, {"b1": 0.0, "eps": 0.0}])
def test_follows_the_authors(settings):
    assert_follows(lambda: adaptax.scale_by_block_moments(**settings), lambda g: oracle(g, **settings), by_layer=True)


def test_worked_numbers():
    direction = adaptax.scale_by_block_moments()
    state = direction.init(jnp.zeros(2))
    expected = [(0.8485281350, 1.1313708467), (0.5575114334, 0.9498342939), (-0.0858856183, 0.7744773303)]
    for g, step in zip(WORKED, expected, strict=True):
        updates, state = direction.update(jnp.array(g), state)
        np.testing.assert_allclose(updates, step, rtol=1e-5)


def test_blocks_of_one_weight_are_adam():
    """Axes of length 1 leave every weight a block."""
    g = jnp.asarray(np.random.default_rng(4).normal(size=(5, 1, 3)), jnp.float32)
    ours, adam = adaptax.scale_by_block_moments(axes={"": 0}), adaptax.scale_by_moments()
    state, other = ours.init(g[0]), adam.init(g[0])
    for gradient in g:
        a, state = ours.update(gradient, state)
        b, other = adam.update(gradient, other)
        np.testing.assert_allclose(a, b, rtol=1e-6)


PARAMS = {
    "embedding": jnp.zeros((7, 4)), "dense": {"kernel": jnp.zeros((4, 6)), "bias": jnp.zeros(6)},
    "query": jnp.zeros((4, 2, 3)),
}  # fmt: skip
AXES = {"embedding": 1, "kernel": 0, "query": (0, -1)}


def gradients(seed=0):
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda p: jnp.asarray(random.normal(size=p.shape), jnp.float32), PARAMS)


def test_blocks_within_leaves():
    """One per token, output unit and head; the bias is a block as a whole."""
    direction, g = adaptax.scale_by_block_moments(axes=AXES), gradients()
    updates, state = direction.update(g, direction.init(PARAMS))
    for path, over in (("embedding", 1), ("query", (0, 2))):
        np.testing.assert_allclose(updates[path], g[path] / np.sqrt(np.mean(g[path] ** 2, over, keepdims=True)), 1e-5)
    kernel, bias = g["dense"]["kernel"], g["dense"]["bias"]
    np.testing.assert_allclose(updates["dense"]["kernel"], kernel / np.sqrt(np.mean(kernel**2, 0, keepdims=True)), 1e-5)
    np.testing.assert_allclose(updates["dense"]["bias"], bias / np.sqrt(np.mean(bias**2)), 1e-5)
    assert [leaf.shape for leaf in jax.tree.leaves(state.v)] == [(), (1, 6), (7, 1), (1, 2, 1)]


def test_a_leaf_with_axes_adds_nothing_to_its_layer():
    direction, g = adaptax.scale_by_block_moments(layer_of=adaptax.by_parent, axes={"kernel": 0}), gradients()["dense"]
    updates, _ = direction.update({"dense": g}, direction.init({"dense": g}))
    np.testing.assert_allclose(updates["dense"]["bias"], g["bias"] / np.sqrt(np.mean(g["bias"] ** 2)), 1e-5)


def test_axes_are_those_of_a_slice_where_stacked():
    g = {"blocks": jnp.asarray(np.random.default_rng(1).normal(size=(3, 4, 5)), jnp.float32)}
    direction = adaptax.scale_by_block_moments(axes={"blocks": 0}, stacked="blocks")
    updates, state = direction.update(g, direction.init(g))
    expected = g["blocks"] / np.sqrt(np.mean(g["blocks"] ** 2, axis=1, keepdims=True))
    np.testing.assert_allclose(updates["blocks"], expected, rtol=1e-5)
    assert state.v["blocks"].shape == (3, 1, 5)


def test_half_the_memory():
    """4 bytes a weight, a few per block, and four numbers; Adam keeps 8 bytes a weight."""
    params = {"kernel": jnp.zeros((512, 512))}
    ours, adam = (
        sum(leaf.nbytes for leaf in jax.tree.leaves(direction.init(params)))
        for direction in (adaptax.scale_by_block_moments(axes={"kernel": 0}), adaptax.scale_by_moments())
    )
    assert ours == 4 * 512 * 512 + 4 * 512 + 12
    assert adam > 1.99 * 4 * 512 * 512


def test_no_copy_of_the_second_moment_is_made_on_the_way():
    """XLA's own count: not one temporary of the kernel's size."""
    params = {"kernel": jnp.zeros((512, 512))}
    direction = adaptax.scale_by_block_moments(axes={"kernel": 0})
    compiled = jax.jit(direction.update, donate_argnums=(0, 1)).lower(params, direction.init(params)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < params["kernel"].nbytes / 2


def test_schedules_are_read_at_their_step():
    def decay(count):
        return jnp.where(count == 0, 0.5, 0.9)

    direction = adaptax.scale_by_block_moments(decay, decay, eps=0.0)
    state = direction.init(jnp.zeros(2))
    m, v, weight = np.zeros(2), 0.0, 1.0
    for step, g in enumerate(WORKED):
        b = 0.5 if step == 0 else 0.9
        m, v, weight = b * m + (1 - b) * np.array(g), b * v + (1 - b) * np.mean(np.square(g)), weight * b
        updates, state = direction.update(jnp.array(g), state)
        np.testing.assert_allclose(updates, m / np.sqrt(v) / np.sqrt(1 - weight), rtol=1e-5)


def test_rows_sharded_under_jit_are_those_of_one_device():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    g = {"kernel": jnp.asarray(np.random.default_rng(1).normal(size=(16, 8)), jnp.float32)}
    for spec in (P("data"), P(None, "data")):
        direction = adaptax.scale_by_block_moments(axes={"kernel": 0})
        placed = jax.device_put(g, NamedSharding(mesh, spec))
        got, _ = jax.jit(direction.update)(placed, direction.init(placed))
        expected, _ = direction.update(g, direction.init(g))
        np.testing.assert_allclose(got["kernel"], expected["kernel"], rtol=1e-5)


def test_a_leaf_of_axes_that_is_sharded_inside_shard_map_is_named():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    direction = adaptax.scale_by_block_moments(axes={"kernel": 0}, axis_name="data")

    def first(g):
        return direction.update(g, direction.init(jax.tree.map(jnp.zeros_like, g)))[0]

    mapped = jax.shard_map(first, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    with pytest.raises(ValueError, match="'kernel', which axes names, varies over mesh axis 'data' inside shard_map"):
        jax.jit(mapped)({"kernel": jnp.ones((8, 2))})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"axes": {"head": 0}},
            "scale_by_block_moments: the pattern 'head' of axes is the first match of no leaf; the nearest is",
        ),
        ({"axes": {"bias": 1}}, "scale_by_block_moments: axes has 1 for 'dense/bias', which has 1 axes."),
        ({"b1": 1.0}, r"scale_by_block_moments: b1 must be in \[0, 1\), got 1\.0\."),
        ({"b2": -0.1}, r"scale_by_block_moments: b2 must be in \[0, 1\), got -0\.1\."),
        ({"eps": -1.0}, r"scale_by_block_moments: eps must be at least 0, got -1\.0\."),
    ],
)
def test_bad_input_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adaptax.scale_by_block_moments(**settings).init(PARAMS)
