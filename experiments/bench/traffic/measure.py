"""Compile a method's step for a target, and its update alone, and count what they move."""

from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from experiments.bench.roofline.layouts import Shape, one_leaf, resnet50, weights
from experiments.bench.roofline.measure import best_bytes, training_step
from experiments.bench.traffic.kernels import count

LARGE = 0.01  # of the params' bytes: what a kernel moves at least to be called large


# The update and `apply_updates`, params and state donated; and the update alone, gradients and state donated.
PROGRAMS = ("step", "update")


class Layout(NamedTuple):
    """The shapes of the leaves, their dtype, and whether they lie over 2 x 2 devices."""

    title: str
    shapes: list[Shape]
    dtype: str = "float32"
    sharded: bool = False


def layouts(params: int) -> list[Layout]:
    """Return all layouts; the leaf that stands alone has so many weights, a multiple of 4,096."""
    rows = params // 4096
    return [
        Layout(f"one leaf of {params:,} float32 weights", one_leaf(params)),
        Layout(f"one leaf of {params:,} bfloat16 weights", one_leaf(params), "bfloat16"),
        Layout(f"one leaf of {rows:,} × 4,096 float32 weights over 2 × 2 devices", [(rows, 4096)], sharded=True),
        Layout("ResNet-50, 161 leaves, float32", resnet50()),
    ]


class Row(NamedTuple):
    """What one program of one contender moves; all bytes are per weight, on one device."""

    contender: str
    layout: str
    program: str  # of PROGRAMS
    best_bytes: float  # of a perfect single pass
    bytes: float  # to and from main memory, by the kernels that always run
    branch_bytes: float  # by the larger branch of a conditional
    temporary_bytes: float
    kernels: int  # that move LARGE of the params' bytes at least
    xla_bytes: float | None  # XLA's own count, branch and vector memory included; None where XLA has none


def measure(name: str, optimizer: optax.GradientTransformation, layout: Layout, program: str, devices: Any) -> Row:
    """Compile one program and count."""
    params, state = trees(optimizer, layout, devices)
    if program == "step":
        jitted = jax.jit(training_step(optimizer), donate_argnums=(0, 1))
        compiled = jitted.lower(params, state, params).compile()
    else:
        jitted = jax.jit(optax.with_extra_args_support(optimizer).update, donate_argnums=(0, 1))
        compiled = jitted.lower(params, state, params, value=1.0).compile()
    n = weights(layout.shapes) / (4 if layout.sharded else 1)
    width = jnp.dtype(layout.dtype).itemsize
    state_bytes = sum(prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) / weights(
        layout.shapes
    )
    best = best_bytes(name, layout.dtype, state_bytes) - (0 if program == "step" else width)
    traffic = count(compiled.as_text())
    costs = compiled.cost_analysis()
    return Row(
        contender=name,
        layout=layout.title,
        program=program,
        best_bytes=round(best, 2),
        bytes=round(traffic.bytes / n, 2),
        branch_bytes=round(traffic.branch_bytes / n, 2),
        temporary_bytes=round(compiled.memory_analysis().temp_size_in_bytes / n, 3),
        kernels=sum(kernel.bytes >= LARGE * width * n for kernel in traffic.kernels),
        xla_bytes=costs and round(costs["bytes accessed"] / n, 2),
    )


def trees(optimizer: optax.GradientTransformation, layout: Layout, devices: Any) -> tuple[Any, Any]:
    """Return descriptions of params (and gradients, which are like them) and state, with their place."""

    def placed(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place(leaf.shape, layout, devices))

    params = {f"{k:04d}": {"w": jax.ShapeDtypeStruct(shape, layout.dtype)} for k, shape in enumerate(layout.shapes)}
    return jax.tree.map(placed, params), jax.tree.map(placed, jax.eval_shape(optimizer.init, params))


def place(shape: Shape, layout: Layout, devices: Any) -> Sharding:
    """Return where an array lies: a leaf over the mesh, a number of the state on all its devices."""
    if not layout.sharded:
        return SingleDeviceSharding(devices[0])
    mesh = Mesh(np.array(devices[:4]).reshape(2, 2), ("rows", "columns"))
    return NamedSharding(mesh, PartitionSpec("rows", "columns") if shape in layout.shapes else PartitionSpec())
