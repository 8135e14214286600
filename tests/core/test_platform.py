"""A rule with a spelling for each kind of compiler is one rule: wherever it is traced, and for whatever platform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import PartitionSpec

import adaptax
from adaptax._platform import by_platform

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
GRADIENTS = jnp.array([[1.0, -2.0, 0.5, 0.0], [3.0, 1.0, 0.5, 1.0], [-1.0, 2.0, jnp.nan, 1.0], [-1.0, 1.0, 2.0, 1.0]])


def which(x):
    """Return x plus the number of the spelling that was chosen, which no rule of the library could tell."""
    return by_platform(lambda x: x + 1, lambda x: x + 2, x)


def walk(gradients, optimizer=None):
    """Return the updates of a few steps."""
    optimizer = optimizer or adaptax.delta_bar_delta(0.1)

    def step(state, gradient):
        updates, state = optimizer.update(gradient, state)
        return state, updates

    return jax.lax.scan(step, optimizer.init(gradients[0]), gradients)[1]


def by_hand(monkeypatch, spelling):
    """Return the same updates by one spelling, whatever the platform."""
    monkeypatch.setattr("adaptax.methods.delta_bar_delta.by_platform", lambda *args: args[spelling](*args[2:]))
    return jax.jit(lambda gradients: walk(gradients))(GRADIENTS)


def test_spellings_of_delta_bar_delta_agree_to_the_bit(monkeypatch):
    expected = np.asarray(jax.jit(walk)(GRADIENTS))
    for spelling in (0, 1):
        np.testing.assert_array_equal(by_hand(monkeypatch, spelling), expected)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_platform_of_the_program_chooses_not_the_default_device(platform):
    """Lowered on a CPU for each platform, the program holds the one spelling that is meant for it."""
    text = export.export(jax.jit(which), platforms=[platform])(jnp.zeros(3)).mlir_module()
    assert [number in text for number in ("1.000000e+00", "2.000000e+00")] == [platform == "cpu", platform != "cpu"]


def test_one_export_for_all_platforms_chooses_where_it_runs():
    exported = export.export(jax.jit(lambda g: (which(g), walk(g))), platforms=PLATFORMS)(GRADIENTS)
    chosen, updates = jax.jit(exported.call)(GRADIENTS)
    np.testing.assert_array_equal(chosen, GRADIENTS + 1)
    np.testing.assert_array_equal(updates, jax.jit(walk)(GRADIENTS))


def test_under_vmap_over_the_rate():
    def run(rate):
        return walk(GRADIENTS, adaptax.delta_bar_delta(rate, kappa=rate))

    rates = jnp.array([0.1, 0.3])
    np.testing.assert_array_equal(jax.jit(jax.vmap(run))(rates), jnp.stack([jax.jit(run)(rate) for rate in rates]))


def test_under_vmap_over_the_leaf():
    np.testing.assert_array_equal(jax.vmap(walk, 1, 1)(GRADIENTS), jax.jit(walk)(GRADIENTS))


@pytest.mark.parametrize("spelling", [0, 1])
def test_derivatives_are_those_of_either_spelling(monkeypatch, spelling):
    def total(rate, gradients):
        return jnp.sum(jnp.sin(walk(gradients, adaptax.delta_bar_delta(rate, kappa=rate, phi=rate, theta=rate))))

    gradients = jnp.nan_to_num(GRADIENTS)
    derivative = jax.jit(jax.grad(total, argnums=(0, 1)))
    expected = derivative(0.3, gradients)
    assert np.all(np.isfinite(expected[0]))
    assert expected[0] != 0
    monkeypatch.setattr("adaptax.methods.delta_bar_delta.by_platform", lambda *args: args[spelling](*args[2:]))
    by_one = jax.jit(jax.grad(lambda *args: total(*args), argnums=(0, 1)))(0.3, gradients)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), by_one, expected)


def test_under_shard_map():
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = PartitionSpec(None, "data")
    sharded = jax.jit(jax.shard_map(walk, mesh=mesh, in_specs=spec, out_specs=spec))
    np.testing.assert_array_equal(sharded(GRADIENTS), jax.jit(walk)(GRADIENTS))


def test_under_shard_map_from_a_state_that_is_the_same_on_all_devices():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    optimizer = adaptax.delta_bar_delta(0.1)

    def step(gradient, state):
        return optimizer.update(gradient[0], state)[0][None]

    specs = PartitionSpec("data"), PartitionSpec()
    sharded = jax.jit(jax.shard_map(step, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("data")))
    updates = sharded(GRADIENTS[:2], optimizer.init(GRADIENTS[0]))
    np.testing.assert_allclose(updates, -0.1 * GRADIENTS[:2], rtol=1e-6)


def test_without_jit():
    optimizer = adaptax.delta_bar_delta(0.1)
    state, seen = optimizer.init(GRADIENTS[0]), []
    for gradient in GRADIENTS:
        updates, state = optimizer.update(gradient, state)
        seen.append(updates)
    np.testing.assert_allclose(jnp.stack(seen), jax.jit(walk)(GRADIENTS), rtol=1e-6)
