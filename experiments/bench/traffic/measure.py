"""Compile a method's step for a target, and its update alone, and count what they move."""

from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from adaptax.comparison.record import Line
from experiments.bench.roofline.measure import Shape, best_bytes, resnet50, training_step, trees, weights
from experiments.bench.traffic.kernels import count

LARGE = 0.01  # of the params' bytes: what a kernel moves at least to be called large

# The update and `apply_updates`, params and state donated; and the update alone, gradients and state donated.
PROGRAMS = ("step", "update")


class Layout(NamedTuple):
    """The shapes of the leaves, their dtype, and whether they lie over 2 x 2 devices."""

    shapes: list[Shape]
    dtype: str = "float32"
    sharded: bool = False


def layouts(params: int) -> dict[str, Layout]:
    """Return all layouts by title; the leaf that stands alone has so many weights, a multiple of 4,096."""
    rows = params // 4096
    return {
        f"one leaf of {params:,} float32 weights": Layout([(params,)]),
        f"one leaf of {params:,} bfloat16 weights": Layout([(params,)], "bfloat16"),
        f"one leaf of {rows:,} × 4,096 float32 weights over 2 × 2 devices": Layout([(rows, 4096)], sharded=True),
        "ResNet-50, 161 leaves, float32": Layout(resnet50()),
    }


def measure(
    name: str, optimizer: optax.GradientTransformation, title: str, layout: Layout, program: str, devices: Any
) -> Line:
    """Compile one program and count; all bytes are per weight, on one device."""
    params, state = placed(optimizer, layout, devices)
    function, extra = training_step(optimizer), {}
    if program == "update":
        function, extra = optax.with_extra_args_support(optimizer).update, {"value": 1.0}
    compiled = jax.jit(function, donate_argnums=(0, 1)).lower(params, state, params, **extra).compile()
    n, width = weights(layout.shapes), jnp.dtype(layout.dtype).itemsize
    state_bytes = sum(prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) / n
    best = best_bytes(name, layout.dtype, state_bytes) - (width if program == "update" else 0)
    n /= 4 if layout.sharded else 1
    traffic, costs = count(compiled.as_text()), compiled.cost_analysis()
    return {
        "contender": name,
        "layout": title,
        "program": program,
        "best_bytes": round(best, 2),  # of a perfect single pass
        "bytes": round(traffic.bytes / n, 2),  # to and from main memory, by the kernels that always run
        "branch_bytes": round(traffic.branch_bytes / n, 2),  # by the larger branch of a conditional
        "temporary_bytes": round(compiled.memory_analysis().temp_size_in_bytes / n, 3),
        "kernels": sum(kernel.bytes >= LARGE * width * n for kernel in traffic.kernels),
        # XLA's own count, branch and vector memory included; None where XLA has none.
        "xla_bytes": costs and round(costs["bytes accessed"] / n, 2),
    }


def placed(optimizer: optax.GradientTransformation, layout: Layout, devices: Any) -> tuple[Any, Any]:
    """Return descriptions of params (and gradients, which are like them) and state, with their place."""
    params, _ = jax.eval_shape(lambda: trees(layout.shapes, layout.dtype))
    return jax.tree.map(
        lambda leaf: leaf.update(sharding=place(leaf.shape, layout, devices)),
        (params, jax.eval_shape(optimizer.init, params)),
    )


def place(shape: Shape, layout: Layout, devices: Any) -> Sharding:
    """Return where an array lies: a leaf over the mesh, a number of the state on all its devices."""
    if not layout.sharded:
        return SingleDeviceSharding(devices[0])
    mesh = Mesh(np.array(devices[:4]).reshape(2, 2), ("rows", "columns"))
    return NamedSharding(mesh, PartitionSpec("rows", "columns") if shape in layout.shapes else PartitionSpec())
