r"""The one norm per layer.

$$ \lVert g_l \rVert_2 = \sqrt{\textstyle\sum_{w \in l} |g_w|^2} $$

Norms are taken in float32 (float64 for float64 leaves), without over- or underflow, over all leaves of a layer
together, and are given back at every leaf. Optax's per-layer rules (`lamb`, `lars`, …) take one norm per leaf, also of
a scan-stacked leaf, and one per shard inside `shard_map`; here stacked slices and shards count as what they are.

XLA on CPU takes a time to compile that grows with the number of operations, and with the square of the readers of one
array. So small leaves of one type are summed a few at a time, the arithmetic on norms is done once, on the vector of
all layers, and that is handed out in short pieces.
"""

import functools
import re
from collections.abc import Callable, Hashable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from adaptax._checks import check_floating
from adaptax._layers import LayerOf, by_parent, layer_names, leaf_paths
from adaptax._mesh import types_are_blind, varying_axes
from adaptax._numbers import wide

GROUP = 16  # so many leaves are handled in one go: what 1,000 leaves compile fastest with
SMALL = 2**14  # weights: larger leaves are not worth a copy

AxisName = Hashable | Sequence[Hashable]


def layer_norms(
    tree: PyTree, layer_of: LayerOf = by_parent, *, stacked: str | None = None, axis_name: AxisName | None = None
) -> PyTree:
    r"""Return the l2 norm of every layer, at each of its leaves.

    Args:
        tree: real or complex floating leaves.
        layer_of: which leaves belong together: `by_parent`, `by_leaf`, `by_regex(…)`, or any function from the list
            of all paths to the list of their layers' names.
        stacked: a regular expression; leaves whose path it matches (`re.search`) have a leading layer axis, as
            `nn.scan` or `jax.vmap` makes them, and get one norm per slice, of shape (layers, 1, …, 1).
        axis_name: inside `jax.shard_map`, the mesh axis or axes over which leaves are sharded; each leaf is summed
            over those of them that it varies over, so a replicated leaf counts once. A stacked axis must itself be
            whole on every device. Under `check_vma=False` types do not tell what varies: there only
            `axis_name=()` is accepted, by which you state that no leaf is sharded. Under plain `jit`, sharded
            arrays need nothing.

    Returns:
        A tree like `tree`: at each leaf a float32 scalar (float64 in a layer with a float64 leaf), or a column where
        stacked.

    Raises:
        ValueError: a leaf that varies over a mesh axis not named (the message names both), a pattern that matches
            nothing, a layer in which only some leaves are stacked or stacks differ in length.

    >>> import jax.numpy as jnp
    >>> norms = layer_norms({"dense": {"kernel": jnp.array([3.0, 0.0]), "bias": jnp.array([4.0])}})
    >>> print(norms["dense"]["bias"])
    5.0
    """
    return of_norms(lambda norms: norms, tree, layer_of, stacked=stacked, axis_name=axis_name)


def of_norms(
    formula: Callable[[Array], Array],
    tree: PyTree,
    layer_of: LayerOf,
    *,
    stacked: str | None,
    axis_name: AxisName | None,
) -> PyTree:
    """Return `formula` of every layer's norm, at each of its leaves; it is applied once, to the norms of all layers."""
    check_floating("layer_norms", tree)
    paths, (leaves, structure) = leaf_paths(tree), jax.tree.flatten(tree)
    if not leaves:
        return tree
    leaves = [wide(leaf) for leaf in leaves]
    names = layer_names(layer_of, paths)
    stacks = _stack_lengths(paths, leaves, names, stacked)
    rows = _rows(names, stacks)
    sums_of = functools.partial(_sums_of_squares, leaves, stacks, _sum_axes(paths, leaves, axis_name), rows)

    def rescaled(unit: Array) -> Array:
        return unit * jnp.sqrt(sums_of(unit))

    sums = sums_of(None)
    # Squares under- or overflow long before norms do. Then, and only then, pay for a second pass, over numbers that a
    # power of 2 (exact) brings into range.
    huge = 2.0 ** (jnp.finfo(sums.dtype).maxexp * 5 // 8)
    unit = jnp.where(sums == jnp.inf, huge, jnp.where(sums < 1 / huge, 1 / huge, 1)).astype(sums.dtype)
    norms = jax.lax.cond(jnp.any(unit != 1), rescaled, lambda _: jnp.sqrt(sums), unit)
    return jax.tree.unflatten(structure, _at_leaves(formula(norms), leaves, names, stacks, rows))


def _rows(names: list[str], stacks: list[int | None]) -> list[range]:
    """Return, for each leaf, where its layer (its layers, where stacked) stand among all layers."""
    start: dict[str, int] = {}
    rows, used = [], 0
    for name, stack in zip(names, stacks, strict=True):
        count = 1 if stack is None else stack
        if name not in start:
            start[name], used = used, used + count
        rows.append(range(start[name], start[name] + count))
    return rows


def _alike(leaves: list[Array], stacks: list[int | None]) -> list[list[int]]:
    """Return the leaves in groups that can be summed in one go: a few small ones of one type, or one alone."""
    groups: list[list[int]] = []
    latest: dict[Hashable, list[int]] = {}
    for index, (leaf, stack) in enumerate(zip(leaves, stacks, strict=True)):
        kind = (jax.typeof(leaf), stack) if leaf.size <= SMALL else index
        if len(latest.get(kind, ())) in (0, GROUP):
            latest[kind] = []
            groups.append(latest[kind])
        latest[kind].append(index)
    return groups


def _sums_of_squares(
    leaves: list[Array],
    stacks: list[int | None],
    axes: list[tuple[str, ...]],
    rows: list[range],
    unit: Array | None,
) -> Array:
    """Return the sum of squares of every layer, in its layer's unit if any."""
    dtype = _widest(leaves)
    groups = _alike(leaves, stacks)
    parts = []
    for group in groups:
        x = jnp.stack([leaves[index] for index in group])
        kept = 1 if stacks[group[0]] is None else 2  # axes: which leaf, and which slice of a stacked one
        divisor = None
        if unit is not None:
            shape = x.shape[:kept] + (1,) * (x.ndim - kept)
            divisor = _pick(unit, [rows[index] for index in group]).reshape(shape)
        parts.append(jnp.sum(_squares(x, dtype, divisor), axis=tuple(range(kept, x.ndim))).reshape(-1))
    for over in set(filter(None, axes)):  # one collective for all leaves that vary over the same axes
        members = [k for k, group in enumerate(groups) if axes[group[0]] == over]
        for k, part in zip(members, jax.lax.psum([parts[k] for k in members], over), strict=True):
            parts[k] = part
    return _sum_by_row(jnp.concatenate(parts), [row for group in groups for index in group for row in rows[index]])


def _widest(leaves: list[Array]) -> jnp.dtype:
    return max((jnp.finfo(leaf.dtype).dtype for leaf in leaves), key=lambda dtype: dtype.itemsize)


def _squares(x: Array, dtype: jnp.dtype, divisor: Array | None) -> Array:
    """Return abs(x / divisor)^2 in a dtype."""
    parts = [part.astype(dtype) for part in ((x.real, x.imag) if jnp.iscomplexobj(x) else (x,))]
    if divisor is not None:  # behind a barrier: of constants XLA would make x² / divisor², 0 / 0
        parts = [jax.lax.optimization_barrier(part / divisor) for part in parts]
    return functools.reduce(jnp.add, (part**2 for part in parts))


def _pick(values: Array, rows: list[range]) -> Array:
    """Return the values at these rows, one range after the other."""
    return values[jnp.array([row for some in rows for row in some], jnp.int32)]


def _sum_by_row(values: Array, rows: list[int]) -> Array:
    """Return the sum of the values of each row, as a gather: XLA on CPU makes a slow loop of a scatter."""
    members: list[list[int]] = [[] for _ in range(max(rows) + 1)]
    for position, row in enumerate(rows):
        members[row].append(position)
    longest = max(map(len, members))
    nothing = len(rows)  # the position of a 0
    table = jnp.array([some + [nothing] * (longest - len(some)) for some in members], jnp.int32)
    return jnp.sum(jnp.pad(values, (0, 1))[table], axis=1)


def _at_leaves(
    values: Array, leaves: list[Array], names: list[str], stacks: list[int | None], rows: list[range]
) -> list[Array]:
    """Return each leaf's value, or column of values where it is stacked, in its layer's dtype."""
    members: dict[str, list[Array]] = {}
    for name, leaf in zip(names, leaves, strict=True):
        members.setdefault(name, []).append(leaf)
    dtypes = {name: _widest(of_layer) for name, of_layer in members.items()}
    results = []
    for start in range(0, len(leaves), GROUP):
        some = range(start, min(start + GROUP, len(leaves)))
        mine = [rows[index] for index in some]
        for index, value in zip(some, jax.lax.split(_pick(values, mine), list(map(len, mine))), strict=True):
            shape = () if stacks[index] is None else (stacks[index],) + (1,) * (leaves[index].ndim - 1)
            results.append(value.reshape(shape).astype(dtypes[names[index]]))
    return results


def _stack_lengths(paths: list[str], leaves: list[Array], names: list[str], stacked: str | None) -> list[int | None]:
    """Return each leaf's number of stacked layers, None where it is not stacked."""
    if stacked is None:
        return [None] * len(leaves)
    lengths = []
    for path, leaf in zip(paths, leaves, strict=True):
        found = re.search(stacked, path)
        if found and leaf.ndim == 0:
            raise ValueError(f"layer_norms: stacked={stacked!r} matches {path!r}, which has no axis to be stacked on.")
        lengths.append(leaf.shape[0] if found else None)
    if all(length is None for length in lengths):
        raise ValueError(f"layer_norms: stacked={stacked!r} matches no leaf of {paths}.")
    layers: dict[str, int | None] = {}
    for path, name, length in zip(paths, names, lengths, strict=True):
        if layers.setdefault(name, length) != length:
            raise ValueError(
                f"layer_norms: layer {name!r} mixes leaves stacked {layers[name]} and {length} deep (None: "
                f"not stacked), see {path!r}."
            )
    return lengths


def _sum_axes(paths: list[str], leaves: list[Array], axis_name: AxisName | None) -> list[tuple[str, ...]]:
    """Return the mesh axes each leaf has to be summed over: those it varies over, all of which must be named."""
    named = () if axis_name is None else axis_name if isinstance(axis_name, tuple | list) else (axis_name,)
    if types_are_blind() and axis_name != ():
        raise ValueError(
            f"layer_norms: axis_name={axis_name!r} under shard_map(check_vma=False), where types do not tell which "
            "leaves are sharded; use check_vma=True, or axis_name=() if none is."
        )
    axes = []
    for path, leaf in zip(paths, leaves, strict=True):
        varying = varying_axes(leaf)
        if unnamed := sorted(varying - set(named)):
            raise ValueError(
                f"layer_norms: leaf {path!r} varies over mesh axis {unnamed[0]!r}, which axis_name={axis_name!r} "
                "does not name."
            )
        axes.append(tuple(axis for axis in named if axis in varying))
    return axes
