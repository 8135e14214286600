"""Which leaf belongs to which layers: members and their rows in the vector of all layers.

The compile time of XLA on CPU grows with the number of operations, and with the square of the number of readers of one
array. So small leaves of one type are handled several at a time. The arithmetic on norms is done once, on the vector of
all layers, and the leaves read this vector in short pieces.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from adaptax._layers import LayerOf, layer_names
from adaptax._mesh import types_are_blind, varying_axes
from adaptax._names import nearest
from adaptax._numbers import real_dtype
from adaptax._tables import search

# With these numbers 1,000 leaves compile fastest (`make compile-time`).
STACK = 128  # number of small leaves that are summed together
PIECES = 16  # number of leaves that get their numbers together
SMALL = 2**14  # weights: larger leaves are not worth a copy

AxisName = Hashable | Sequence[Hashable]


class Member(NamedTuple):
    """A leaf as a member of its layer, or of all layers that are stacked in it."""

    leaf: Array  # in the dtype it is computed in; an integer or a boolean only where these are counted
    rows: range  # of its layers, in the vector of all layers
    is_stacked: bool
    axes: tuple[Hashable, ...]  # the mesh axes over which its sums are summed
    dtype: jnp.dtype  # of its layers' sums


class Group(NamedTuple):
    """Leaves that are handled together: one, or several small ones of one type; of one tree, or of similar trees."""

    arrays: tuple[Array, ...]  # one per tree: its leaves, stacked
    rows: list[int]  # of their layers, one leaf after the other
    axis: int  # the first axis to sum over; the axes before it are leaf and slice
    axes: tuple[Hashable, ...]  # the mesh axes over which sums are summed

    def at(self, values: Array) -> Array:
        """Return each layer's value in a shape that broadcasts to the arrays."""
        shape = self.arrays[0].shape
        return values[jnp.array(self.rows, jnp.int32)].reshape(shape[: self.axis] + (1,) * (len(shape) - self.axis))


def members_of(
    paths: list[str], leaves: list[Array], layer_of: LayerOf, stacked: str | None, axis_name: AxisName | None
) -> list[Member]:
    """Return each leaf's place among the layers, once layers, stacks and mesh axes are checked."""
    names = layer_names(layer_of, paths)
    lengths = _stack_lengths(paths, leaves, names, stacked)
    axes = _sum_axes(paths, leaves, axis_name)
    rows = _rows(names, lengths)
    layers: dict[str, list[Array]] = {}
    for name, leaf in zip(names, leaves, strict=True):
        layers.setdefault(name, []).append(leaf)
    dtypes = {name: widest(layer) for name, layer in layers.items()}
    return [
        Member(leaf, rows[name], length is not None, over, dtypes[name])
        for name, leaf, length, over in zip(names, leaves, lengths, axes, strict=True)
    ]


def number_of_layers(paths: list[str], leaves: list[Any], layer_of: LayerOf, stacked: str | None) -> int:
    """Return how many layers there are, from shapes alone."""
    names = layer_names(layer_of, paths)
    return max((rows.stop for rows in _rows(names, _stack_lengths(paths, leaves, names, stacked)).values()), default=0)


def _rows(names: list[str], lengths: list[int | None]) -> dict[str, range]:
    """Return the place of every layer, or of the layers stacked under one name, in the vector of all layers."""
    rows: dict[str, range] = {}
    start = 0
    for name, length in zip(names, lengths, strict=True):
        if name not in rows:
            rows[name] = range(start, start + (1 if length is None else length))
            start = rows[name].stop
    return rows


def widest(leaves: list[Array]) -> jnp.dtype:
    """Return the widest real dtype of some leaves, float32 at least; float32 if leaves are counted."""
    reals = [real_dtype(leaf) if jnp.issubdtype(leaf.dtype, jnp.inexact) else jnp.float32 for leaf in leaves]
    return max(map(jnp.dtype, reals), key=lambda dtype: dtype.itemsize)


def groups_of(*trees: list[Member]) -> list[Group]:
    """Return the leaves in groups that can be summed together; the trees differ in dtypes only."""
    groups: list[list[tuple[Member, ...]]] = []
    latest: dict[Hashable, list[tuple[Member, ...]]] = {}
    for index, members in enumerate(zip(*trees, strict=True)):
        types = (*(jax.typeof(member.leaf) for member in members), members[0].is_stacked)
        kind = types if all(_is_small(member.leaf) for member in members) else index
        if len(latest.get(kind, ())) in (0, STACK):
            latest[kind] = []
            groups.append(latest[kind])
        latest[kind].append(members)
    return list(map(_group, groups))


def _group(members: list[tuple[Member, ...]]) -> Group:
    """Return some leaves as one group; each comes with its counterparts in the other trees."""
    first = members[0]
    arrays = tuple(jnp.stack([member.leaf for member in of_tree]) for of_tree in zip(*members, strict=True))
    axes = tuple(dict.fromkeys(axis for member in first for axis in member.axes))
    return Group(arrays, rows_of([member for member, *_ in members]), 2 if first[0].is_stacked else 1, axes)


def _is_small(leaf: Array) -> bool:
    """Return whether a leaf is known to be small; sizes in `jax.export` may be symbols."""
    return all(isinstance(size, int) for size in leaf.shape) and leaf.size <= SMALL


def rows_of(members: list[Member]) -> list[int]:
    """Return the rows of some members, one member after the other."""
    return [row for member in members for row in member.rows]


def at_leaves(values: Array, members: list[Member]) -> list[Array]:
    """Return each leaf's value, or column of values where it is stacked, in its layer's dtype."""
    results = []
    for start in range(0, len(members), PIECES):
        group = members[start : start + PIECES]
        rows = jnp.array(rows_of(group), jnp.int32)
        pieces = jax.lax.split(values[rows], [len(member.rows) for member in group])
        for member, piece in zip(group, pieces, strict=True):
            shape = (len(member.rows),) + (1,) * (member.leaf.ndim - 1) if member.is_stacked else ()
            results.append(piece.reshape(shape).astype(member.dtype))
    return results


class Reduction(NamedTuple):
    """How many numbers become one: within an array, over devices, and the result for no numbers."""

    over_axes: Callable[..., Array]  # (x, axis=…)
    over_devices: Callable[..., list[Array]]  # (arrays, axes)
    of_none: float


SUM = Reduction(jnp.sum, jax.lax.psum, 0.0)
MAXIMUM = Reduction(lambda x, axis: jnp.max(x, axis, initial=-jnp.inf), jax.lax.pmax, -jnp.inf)


def by_row(groups: list[Group], numbers: list[Array], rows: int, dtype: jnp.dtype, reduction: Reduction = SUM) -> Array:
    """Return one number for every layer, by default their sum; a group's numbers have the shape of its arrays."""
    parts = []
    for group, x in zip(groups, numbers, strict=True):
        part = reduction.over_axes(x, axis=tuple(range(group.axis, x.ndim)))
        parts.append(part.reshape(-1).astype(dtype))
    for axes in dict.fromkeys(group.axes for group in groups if group.axes):
        # One collective for all leaves that vary over the same axes.
        indices = [index for index, group in enumerate(groups) if group.axes == axes]
        wholes = reduction.over_devices([parts[index] for index in indices], axes)
        for index, whole in zip(indices, wholes, strict=True):
            parts[index] = whole
    return _by_row(jnp.concatenate(parts), [row for group in groups for row in group.rows], rows, reduction)


def _by_row(values: Array, rows: list[int], number: int, reduction: Reduction) -> Array:
    """Reduce the values of each row by a gather: XLA on CPU compiles a scatter to a slow loop."""
    positions: list[list[int]] = [[] for _ in range(number)]
    for position, row in enumerate(rows):
        positions[row].append(position)
    longest = max(map(len, positions))
    nothing = len(rows)  # the position of the result for no numbers
    table = [of_row + [nothing] * (longest - len(of_row)) for of_row in positions]
    padded = jnp.pad(values, (0, 1), constant_values=reduction.of_none)
    return reduction.over_axes(padded[jnp.array(table, jnp.int32)], axis=1)


def _stack_lengths(paths: list[str], leaves: list[Any], names: list[str], stacked: str | None) -> list[int | None]:
    """Return each leaf's number of stacked layers, None where it is not stacked."""
    if stacked is None:
        return [None] * len(leaves)
    lengths = []
    for path, leaf in zip(paths, leaves, strict=True):
        found, shape = search("layers", stacked, path), jnp.shape(leaf)
        if found and not shape:
            raise ValueError(f"layers: stacked={stacked!r} matches {path!r}, which has no axis to be stacked on.")
        if found and not isinstance(shape[0], int):
            raise ValueError(f"layers: the stack {path!r} must have a length that is a number, got {shape[0]}.")
        lengths.append(shape[0] if found else None)
    if paths and all(length is None for length in lengths):
        raise ValueError(f"layers: stacked={stacked!r} matches no leaf; {nearest(stacked, paths)}.")
    layers: dict[str, int | None] = {}
    for path, name, length in zip(paths, names, lengths, strict=True):
        if layers.setdefault(name, length) != length:
            raise ValueError(
                f"layers: layer {name!r} mixes leaves stacked {layers[name]} and {length} deep (None: "
                f"not stacked), see {path!r}."
            )
    return lengths


def _sum_axes(paths: list[str], leaves: list[Array], axis_name: AxisName | None) -> list[tuple[Hashable, ...]]:
    """Return the mesh axes each leaf has to be summed over: those it varies over, all of which must be named."""
    named = () if axis_name is None else axis_name if isinstance(axis_name, tuple | list) else (axis_name,)
    if types_are_blind() and axis_name != ():
        raise ValueError(
            f"layers: axis_name={axis_name!r} under shard_map(check_vma=False), where types do not tell which "
            "leaves are sharded; use check_vma=True, or axis_name=() if none is."
        )
    axes = []
    for path, leaf in zip(paths, leaves, strict=True):
        varying = varying_axes(leaf)
        if unnamed := sorted(varying - set(named)):
            raise ValueError(
                f"layers: leaf {path!r} varies over mesh axis {unnamed[0]!r}, which axis_name={axis_name!r} "
                "does not name."
            )
        axes.append(tuple(axis for axis in named if axis in varying))
    return axes
