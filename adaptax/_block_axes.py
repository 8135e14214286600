"""Blocks within a leaf: the axes over which its numbers are averaged, found by the leaf's path."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from adaptax._layers import leaf_paths
from adaptax._mesh import varying_axes
from adaptax._names import nearest
from adaptax._tables import search

Axes = int | Sequence[int]


def block_axes(
    method: str, tree: PyTree, axes: Mapping[str, Axes] | None, stacked: str | None
) -> list[tuple[int, ...] | None]:
    """Return the axes of each leaf to take a mean over, counted from its first; None for a leaf that no pattern names.

    Raises:
        ValueError: a pattern that is the first match of no leaf, an axis that a leaf does not have, a named leaf that
            is sharded inside `shard_map` (its type does not tell along which axis).
    """
    table, unused, found = axes or {}, set(axes or ()), []
    paths = leaf_paths(tree)
    for path, leaf in zip(paths, jax.tree.leaves(tree), strict=True):
        pattern = next((pattern for pattern in table if search(method, pattern, path)), None)
        unused.discard(pattern)
        found.append(None if pattern is None else _axes_of(method, path, leaf, table[pattern], stacked))
    if paths and unused:
        pattern = min(unused)
        raise ValueError(
            f"{method}: the pattern {pattern!r} of axes is the first match of no leaf; {nearest(pattern, paths)}."
        )
    return found


def _axes_of(method: str, path: str, leaf: object, axes: Axes, stacked: str | None) -> tuple[int, ...]:
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    first = int(stacked is not None and search(method, stacked, path) is not None)
    ndim = jnp.ndim(leaf) - first
    for axis in axes:
        if not -ndim <= axis < ndim:
            raise ValueError(f"{method}: axes has {axis} for {path!r}, which has {ndim} axes.")
    if isinstance(leaf, jax.Array) and (varying := varying_axes(leaf)):
        raise ValueError(
            f"{method}: {path!r}, which axes names, varies over mesh axis {min(varying)!r} inside shard_map; "
            "it must be whole there."
        )
    return tuple(first + axis % ndim for axis in axes)
