"""Compile a method's step for a target, and its update alone, and count the bytes that each kernel moves.

The count includes only traffic to and from main memory. It comes from the program's HLO text, because XLA's GPU
compiler gives no count, and its TPU compiler also counts moves within the chip.

A kernel reads each of its operands once and writes each of its results. An operand and a result that share memory both
count. An array in another memory space does not count; S(1), for example, is a TPU's vector memory.
"""

import re
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from adaptax.comparison.record import Line
from experiments.bench.roofline.measure import Shape, best_bytes, resnet50, training_step, trees

# Instructions that move nothing. A name that ends in -done is not here: its work counts at the matching -start.
FREE = {"parameter", "constant", "iota", "bitcast", "get-tuple-element", "tuple", "opt-barrier", "partition-id"}

COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.*?) ([a-z][a-z\-]*)\(([^)]*)\)(.*)$")
ARRAY = re.compile(r"\b([a-z]+)(\d*)\w*\[([\d,]*)\](?:\{[^}]*?(S\(\d+\))?\})?")
NAME = re.compile(r"%([\w.\-]+)")
CALLED = re.compile(r"(?:to_apply|calls|body)=%([\w.\-]+)")
BRANCHES = re.compile(r"(?:branch_computations=\{[^}]*\}|(?:true|false)_computation=%[\w.\-]+)")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
LARGE = 0.01  # a large kernel moves at least this share of the params' bytes

# A step is the update and `apply_updates`, with params and state donated. The update alone has gradients and state
# donated.
PROGRAMS = ("step", "update")


class Kernel(NamedTuple):
    """A kernel and the bytes it moves."""

    name: str
    bytes: int


class Traffic(NamedTuple):
    """The kernels that a program always runs, and those of each branch of its conditionals."""

    kernels: list[Kernel]
    branches: list[list[Kernel]]

    @property
    def bytes(self) -> int:
        """The bytes of the kernels that always run."""
        return sum(kernel.bytes for kernel in self.kernels)

    @property
    def branch_bytes(self) -> int:
        """The bytes of the branch that moves the most."""
        return max((sum(kernel.bytes for kernel in branch) for branch in self.branches), default=0)


Instruction = tuple[str, ...]  # name, shape, opcode, operands, and the rest of the line


def count(text: str) -> Traffic:
    """Count a program's traffic, given `compiled.as_text()`."""
    computations: dict[str, list[Instruction]] = {}
    entry = current = ""
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            current = head[2]
            computations[current] = []
            entry = current if head[1] else entry
        elif match := INSTRUCTION.match(line):
            computations[current].append(match.groups())
    return _count(computations, entry)


def _count(computations: dict[str, list[Instruction]], entry: str) -> Traffic:
    traffic, shapes = Traffic([], []), {}
    for name, shape, opcode, operands, rest in computations[entry]:
        shapes[name] = shape
        if opcode == "conditional":
            for branch in NAME.findall(" ".join(BRANCHES.findall(rest))):
                inner = _count(computations, branch)
                traffic.branches.extend([inner.kernels, *inner.branches])
        elif opcode in ("call", "while"):
            inner, trips = _count(computations, CALLED.search(rest)[1]), TRIPS.search(rest)
            traffic.kernels.extend(inner.kernels * (int(trips[1]) if trips else 1))
            traffic.branches.extend(inner.branches)
        elif moved := _bytes(shape, opcode, [shapes[operand] for operand in dict.fromkeys(NAME.findall(operands))]):
            traffic.kernels.append(Kernel(name, moved))
    return traffic


def _bytes(shape: str, opcode: str, operands: list[str]) -> int:
    if opcode in FREE or opcode.endswith("-done"):
        return 0
    if opcode in ("copy-start", "slice-start"):  # the result also lists the source and a flag
        size, written = arrays(shape)[opcode == "slice-start"]
        return size * (written + ("S(" not in operands[0]))
    return sum(size * main for of in (shape, *operands) for size, main in arrays(of))


def arrays(shape: str) -> list[tuple[int, bool]]:
    """Return the bytes of each array in a shape like f32[2,3]{1,0:T(8,128)S(1)}, and whether it is in main memory."""
    return [
        (prod(int(size) for size in sizes.split(",") if size) * max(1, int(bits or 8) // 8), not space)
        for _, bits, sizes, space in ARRAY.findall(shape)
    ]


class Layout(NamedTuple):
    """The shapes of the leaves, their dtype, and whether they are divided over 2 x 2 devices."""

    shapes: list[Shape]
    dtype: str = "float32"
    sharded: bool = False


def layouts(params: int) -> dict[str, Layout]:
    """Return all layouts by title; the single leaf has `params` weights, a multiple of 4,096."""
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
    """Compile one program and count its traffic; all bytes are per weight, on one device."""
    params, state = placed(optimizer, layout, devices)
    function, extra = training_step(optimizer), {}
    if program == "update":
        function, extra = optax.with_extra_args_support(optimizer).update, {"value": 1.0}
    compiled = jax.jit(function, donate_argnums=(0, 1)).lower(params, state, params, **extra).compile()
    n, width = sum(map(prod, layout.shapes)), jnp.dtype(layout.dtype).itemsize
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
    """Return the shapes, dtypes and shardings of params and state; gradients have those of the params."""
    params, _ = jax.eval_shape(lambda: trees(layout.shapes, layout.dtype))
    return jax.tree.map(
        lambda leaf: leaf.update(sharding=place(leaf.shape, layout, devices)),
        (params, jax.eval_shape(optimizer.init, params)),
    )


def place(shape: Shape, layout: Layout, devices: Any) -> Sharding:
    """Return an array's sharding: a leaf is divided over the mesh, a number of the state is on all its devices."""
    if not layout.sharded:
        return SingleDeviceSharding(devices[0])
    mesh = Mesh(np.array(devices[:4]).reshape(2, 2), ("rows", "columns"))
    return NamedSharding(mesh, PartitionSpec("rows", "columns") if shape in layout.shapes else PartitionSpec())
