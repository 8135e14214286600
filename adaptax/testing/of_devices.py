"""Divided leaves must give the same updates as whole ones: shards over eight devices, slices of stacked layers."""

import unittest
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from adaptax.testing.compare import assert_close, expect
from adaptax.testing.registry import check
from adaptax.testing.signals import gradients_at, loss_at, slices_of, walk
from adaptax.testing.subject import Subject

DEVICES = 8


def mesh_of(kind: AxisType) -> Mesh:
    """Return a mesh over eight devices, or skip if there are fewer."""
    if jax.device_count() < DEVICES:
        flag = f"XLA_FLAGS=--xla_force_host_platform_device_count={DEVICES}"
        raise unittest.SkipTest(f"needs {DEVICES} devices, there are {jax.device_count()}; {flag} makes them of a CPU")
    return jax.make_mesh((DEVICES,), ("x",), axis_types=(kind,), devices=jax.devices()[:DEVICES])


def divided() -> tuple[PyTree, PyTree]:
    """Return a layer of two leaves, and how they are sharded: the kernel by rows, the bias not at all."""
    params = {"dense": {"kernel": jnp.linspace(-1.0, 2.0, 32).reshape(16, 2), "bias": jnp.array([0.3, -1.0])}}
    return params, {"dense": {"kernel": PartitionSpec("x"), "bias": PartitionSpec()}}


@check(over=("Auto", "Explicit"), is_heavy=True)
def sharded_is_unsharded(subject: Subject, kind: str) -> None:
    """On eight devices, under jit: the same updates, and a state that is sharded as the params are."""
    mesh, (params, specs) = mesh_of(AxisType[kind]), divided()
    place = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    optimizer = subject.make()
    updates = params
    with jax.set_mesh(mesh):
        sharded = jax.device_put(params, place)
        state = jax.jit(optimizer.init)(sharded)
        for step in range(2):
            gradients = jax.device_put(gradients_at(step, params), place)
            updates, state = jax.jit(optimizer.update)(gradients, state, sharded, value=loss_at(step))
    for what, tree in (("an update", updates), ("the state", state)):
        for leaf in jax.tree.leaves(tree):
            if leaf.shape[:2] == (16, 2):
                expect(leaf.sharding.spec[0] == "x", f"{what} of a sharded leaf has the sharding {leaf.sharding.spec}")
    expected, _ = walk(optimizer, params, steps=2, compiled=True)
    assert_close(jax.device_get(updates), jax.device_get(expected[1]), what="a sharded update")


def takes_axis_name(subject: Subject) -> bool:
    """Return whether a subject takes the axes over which leaves are sharded."""
    return subject.has("axis_name")


def inside_shard_map(subject: Subject, **given: Any) -> tuple[PyTree, PyTree]:
    """Return the last update of a walk inside `shard_map`, and of the same walk on whole leaves."""
    mesh, (params, specs) = mesh_of(AxisType.Auto), divided()

    def last_update(params: PyTree, *gradients: PyTree) -> PyTree:
        return walk(subject.make(**given), params, gradients=list(gradients))[0][-1]

    gradients = [gradients_at(step, params) for step in range(3)]
    mapped = jax.shard_map(last_update, mesh=mesh, in_specs=(specs,) * 4, out_specs=specs)
    updates = jax.jit(mapped)(params, *gradients)
    expected, _ = walk(subject.make(), params, gradients=gradients, compiled=True)
    return updates, expected[-1]


@check(when=takes_axis_name, is_heavy=True)
def sharded_inside_shard_map_is_unsharded(subject: Subject) -> None:
    """With `axis_name`: every shard sees its part of a leaf alone."""
    updates, expected = inside_shard_map(subject, axis_name="x")
    assert_close(updates, expected, what="an update of shards")


@check(when=takes_axis_name, is_heavy=True)
def an_unnamed_axis_changes_nothing_or_is_named(subject: Subject) -> None:
    """Without `axis_name`, what needs whole layers raises `ValueError` and names the axis: a shard is no layer."""
    try:
        updates, expected = inside_shard_map(subject)
    except ValueError as error:
        expect("'x'" in str(error), f"inside shard_map, an error must name the mesh axis 'x', got {error}")
    else:
        assert_close(updates, expected, what="an update of shards")


def takes_stacked(subject: Subject) -> bool:
    """Return whether a subject takes `stacked`, and no `seed`: random draws follow the order of the layers."""
    return subject.has("stacked") and not subject.has("seed")


@check(when=takes_stacked, is_heavy=True)
def stacked_layers_are_separate_leaves(subject: Subject) -> None:
    """With `stacked`: three slices of one tree are three trees side by side, each with its own layers."""
    number, layer_of = 3, subject.layer_of

    def apart(stack: PyTree) -> PyTree:
        return {str(k): tree for k, tree in enumerate(slices_of(stack, number))}

    def of_slices(paths: Sequence[str]) -> list[str]:
        """Return the layers of each slice, as if it were alone."""
        found = {}
        for k in sorted({path.partition("/")[0] for path in paths}):
            own = [path for path in paths if path.partition("/")[0] == k]
            found |= {
                path: f"{k}/{name}" for path, name in zip(own, layers([p[len(k) + 1 :] for p in own]), strict=True)
            }
        return [found[path] for path in paths]

    layers: Any = layer_of
    params = {
        "a": {
            "kernel": jnp.linspace(-1.0, 2.0, 24).reshape(number, 2, 4),
            "bias": jnp.linspace(0.1, 1.0, 12).reshape(3, 4),
        },
        "b": {"kernel": jnp.linspace(2.0, -3.0, 24).reshape(number, 4, 2)},
    }
    gradients = [gradients_at(step, params) for step in range(3)]
    of_stack = {} if layer_of is None else {"layer_of": layer_of}
    of_leaves = {} if layer_of is None else {"layer_of": of_slices}
    together, _ = walk(subject.make(stacked="", **of_stack), params, gradients=gradients, compiled=True)
    separate, _ = walk(subject.make(**of_leaves), apart(params), gradients=[apart(g) for g in gradients], compiled=True)
    assert_close([apart(update) for update in together], separate, what="an update of a stack")
