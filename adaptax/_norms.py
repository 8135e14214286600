r"""The one norm per layer.

$$ \lVert g_l \rVert_2 = \sqrt{\textstyle\sum_{w \in l} |g_w|^2} $$

Norms are taken in float32 (float64 for float64 leaves), without over- or underflow, over all leaves of a layer
together, and are given back at every leaf. Optax's per-layer rules (`lamb`, `lars`, …) take one norm per leaf, also of
a scan-stacked leaf, and one per shard inside `shard_map`; here stacked slices and shards count as what they are.

Squares under- or overflow long before norms do. Then the squares of numbers that a power of 2 (exact) brings into range
are summed instead. On CPU that is a second pass, run only where it is needed. Accelerators wait for memory, not for
arithmetic: there all sums are taken in one pass, since a second one would move more bytes and need a copy of a leaf.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from adaptax._checks import check_floating
from adaptax._layers import LayerOf, by_parent, leaf_paths
from adaptax._members import AxisName, Member, at_leaves, in_groups, members_of, rows_of, widest
from adaptax._numbers import wide
from adaptax._platform import by_platform
from adaptax._powers import safe_sqrt


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
        stacked. The derivative of a norm of 0 is 0.

    Raises:
        ValueError: a leaf that varies over a mesh axis not named (the message names both), a pattern that matches
            nothing, a layer in which only some leaves are stacked or stacks differ in length, a stack whose length is
            a symbol of `jax.export`, keys that read alike, a `layer_of` that returns too few or too many names.

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
    leaves, structure = jax.tree.flatten(tree)
    if not leaves:
        return tree
    members = members_of(leaf_paths(tree), list(map(wide, leaves)), layer_of, stacked, axis_name)
    return jax.tree.unflatten(structure, at_leaves(formula(_norms(members)), members))


def _norms(members: list[Member]) -> Array:
    """Return the norms of all layers."""
    dtype = widest([member.leaf for member in members])
    exponent = jnp.finfo(dtype).maxexp * 5 // 16
    small, tiny, huge = 2.0**-exponent, 4.0**-exponent, 4.0**exponent  # tiny is the square of small
    sums_of_squares = functools.partial(_sums_of_squares, in_groups(members), dtype)
    sums = sums_of_squares(lambda x, _: x)
    unit = jnp.where(sums == jnp.inf, huge, jnp.where(sums < tiny, tiny, 1)).astype(dtype)

    def in_units(x: Array, group: list[Member]) -> Array:
        units = unit[jnp.array(rows_of(group), jnp.int32)]
        units = units.reshape(x.shape[: group[0].axis] + (1,) * (x.ndim - group[0].axis))
        # Behind a barrier: of constants XLA would make x² / units², 0 / 0.
        return jax.lax.optimization_barrier(x / units)

    def second_pass(sums: Array) -> Array:
        return jax.lax.cond(jnp.any(unit != 1), lambda _: sums_of_squares(in_units), lambda sums: sums, sums)

    def same_pass(sums: Array) -> Array:
        # Where a sum is tiny, all its numbers are small; where it overflows, numbers up to 1 do not count. The others
        # are left out: they might overflow, and of constants XLA would make x² / tiny².
        of_small = sums_of_squares(lambda x, _: jnp.where(jnp.abs(x) < small, x / tiny, 0))
        of_large = sums_of_squares(lambda x, _: jnp.where(jnp.abs(x) > 1, x / huge, 0))
        return jnp.where(unit == huge, of_large, jnp.where(unit == tiny, of_small, sums))

    return unit * safe_sqrt(by_platform(second_pass, same_pass, sums))


def _sums_of_squares(
    groups: list[list[Member]], dtype: jnp.dtype, rescale: Callable[[Array, list[Member]], Array]
) -> Array:
    """Return every layer's sum of squares of numbers that are rescaled first, group by group."""
    sums = []
    for group in groups:
        x = jnp.stack([member.leaf for member in group])
        parts = (x.real, x.imag) if jnp.iscomplexobj(x) else (x,)
        parts = [rescale(part.astype(dtype), group) for part in parts]
        squares = functools.reduce(jnp.add, (part * part for part in parts))
        sums.append(jnp.sum(squares, axis=tuple(range(group[0].axis, x.ndim))).reshape(-1))
    for axes in dict.fromkeys(group[0].axes for group in groups if group[0].axes):
        # One collective for all leaves that vary over the same axes.
        indices = [index for index, group in enumerate(groups) if group[0].axes == axes]
        for index, total in zip(indices, jax.lax.psum([sums[index] for index in indices], axes), strict=True):
            sums[index] = total
    return _sum_by_row(jnp.concatenate(sums), [row for group in groups for row in rows_of(group)])


def _sum_by_row(values: Array, rows: list[int]) -> Array:
    """Return the sum of the values of each row, as a gather: XLA on CPU makes a slow loop of a scatter."""
    positions: list[list[int]] = [[] for _ in range(max(rows) + 1)]
    for position, row in enumerate(rows):
        positions[row].append(position)
    longest = max(map(len, positions))
    zero = len(rows)  # the position of a 0
    table = [of_row + [zero] * (longest - len(of_row)) for of_row in positions]
    return jnp.sum(jnp.pad(values, (0, 1))[jnp.array(table, jnp.int32)], axis=1)
