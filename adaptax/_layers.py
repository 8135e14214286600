r"""What a layer is, and the one norm per layer.

$$ \lVert g_l \rVert_2 = \sqrt{\textstyle\sum_{w \in l} |g_w|^2} $$

A layer is a name given to leaves by a function from paths ("block/dense/kernel") to names. Norms are taken in
float32 (float64 for float64 leaves), without over- or underflow, over all leaves of the name together, and are
given back at every leaf. Optax's per-layer rules (`lamb`, `lars`, …) take one norm per leaf, also of a scan-stacked
leaf, and one per shard inside `shard_map`; here stacked slices and shards count as what they are.
"""

import functools
import re
from collections.abc import Callable, Hashable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from adaptax._checks import check_floating
from adaptax._mesh import types_are_blind, varying_axes
from adaptax._numbers import wide

LayerOf = Callable[[Sequence[str]], Sequence[str]]
AxisName = Hashable | Sequence[Hashable]


def by_parent(paths: Sequence[str]) -> list[str]:
    """Leaves that share a parent, such as kernel and bias, are one layer; so are all leaves of a flat tree.

    >>> by_parent(["conv/kernel", "conv/bias", "scale"])
    ['conv', 'conv', '']
    """
    return [path.rpartition("/")[0] for path in paths]


def by_leaf(paths: Sequence[str]) -> list[str]:
    """Every leaf is a layer, as each blob is in Caffe.

    >>> by_leaf(["conv/kernel", "conv/bias"])
    ['conv/kernel', 'conv/bias']
    """
    return list(paths)


def by_regex(patterns: Sequence[str]) -> LayerOf:
    r"""Leaves whose path the same pattern matches first (`re.search`) are one layer; groups tell layers apart.

    Args:
        patterns: regular expressions, tried in order. The layer's name is the text of the pattern's groups joined
            by "/", or the pattern itself where it has none.

    Raises:
        ValueError: on use, naming a path that no pattern matches or a pattern that matches no path.

    >>> by_regex([r"(block_\d+)", "head"])(["block_0/attn/kernel", "block_0/mlp/kernel", "head/bias"])
    ['block_0', 'block_0', 'head']
    """

    def layer_of(paths: Sequence[str]) -> list[str]:
        names, used = [], set()
        for path in paths:
            for pattern in patterns:
                if match := re.search(pattern, path):
                    names.append("/".join(filter(None, match.groups())) or pattern)
                    used.add(pattern)
                    break
            else:
                raise ValueError(f"by_regex: no pattern of {list(patterns)} matches the leaf {path!r}.")
        for pattern in patterns if paths else ():
            if pattern not in used:
                raise ValueError(f"by_regex: pattern {pattern!r} comes first for no leaf of {list(paths)}.")
        return names

    return layer_of


def _is_box(node: object) -> bool:
    # flax hands `init` boxes around arrays (nnx.Variable, linen's Partitioned) and `update` bare arrays. A layer must
    # have one name in both, so a box is a leaf here and its inner ".value" no part of the path.
    return hasattr(node, "get_raw_value") or hasattr(node, "unbox")


def leaf_paths(tree: PyTree) -> list[str]:
    """Return the "/"-joined path of every leaf, in order."""
    boxes = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_box)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, box in boxes for _ in jax.tree.leaves(box)]


def layer_table(params: PyTree, layer_of: LayerOf = by_parent) -> str:
    """Return a printable table of layers: name, leaves, shapes, number of weights.

    >>> import jax.numpy as jnp
    >>> params = {"dense": {"kernel": jnp.zeros((3, 2)), "bias": jnp.zeros(2)}, "scale": jnp.zeros(())}
    >>> print(layer_table(params))
    layer   leaves                   shapes       weights
    dense   dense/bias dense/kernel  (2,) (3, 2)        8
    (root)  scale                    ()                 1
    total                                               9
    """
    paths, leaves = leaf_paths(params), jax.tree.leaves(params)
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(layer_of(paths)):
        groups.setdefault(name, []).append(index)
    rows = [("layer", "leaves", "shapes", "weights")]
    for name, members in groups.items():
        where, shapes = (" ".join(str(x[i]) for i in members) for x in (paths, [jnp.shape(leaf) for leaf in leaves]))
        rows.append((name or "(root)", where, shapes, str(sum(jnp.size(leaves[i]) for i in members))))
    rows.append(("total", "", "", str(sum(jnp.size(leaf) for leaf in leaves))))
    wide_as = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(n) for cell, n in zip(row[:3], wide_as, strict=False)), row[3].rjust(wide_as[3])])
        for row in rows
    )


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
    check_floating("layer_norms", tree)
    paths, (leaves, structure) = leaf_paths(tree), jax.tree.flatten(tree)
    if not leaves:
        return tree
    leaves = [wide(leaf) for leaf in leaves]
    names = list(layer_of(paths))
    stacks = _stack_lengths(paths, leaves, names, stacked)
    axes = _sum_axes(paths, leaves, axis_name)

    sum_of_squares = functools.partial(_reduce, jnp.sum, jnp.add, jax.lax.psum, names, stacks, axes)
    largest_of = functools.partial(_reduce, _largest, jnp.maximum, jax.lax.pmax, names, stacks, axes)

    def scaled(leaves: list[Array]) -> dict[str, Array]:
        largest = largest_of([jnp.abs(leaf) for leaf in leaves])
        unit = {name: jnp.where((m > 0) & (m < jnp.inf), m, 1) for name, m in largest.items()}
        columns = [_column(unit[name], leaf, stack) for name, leaf, stack in zip(names, leaves, stacks, strict=True)]
        ratios = [jnp.abs(leaf).astype(column.dtype) / column for leaf, column in zip(leaves, columns, strict=True)]
        sums = sum_of_squares([_square(ratio) for ratio in ratios])
        return {name: unit[name] * jnp.sqrt(total) for name, total in sums.items()}

    sums = sum_of_squares([_square(leaf) for leaf in leaves])
    # Squares under- or overflow long before norms do. Then, and only then, pay for a second, scaled pass.
    unsafe = functools.reduce(jnp.logical_or, (jnp.any((s < 2.0**-60) | (s == jnp.inf)) for s in sums.values()))
    norms = jax.lax.cond(unsafe, scaled, lambda _: {name: jnp.sqrt(s) for name, s in sums.items()}, leaves)
    columns = [_column(norms[name], leaf, stack) for name, leaf, stack in zip(names, leaves, stacks, strict=True)]
    return jax.tree.unflatten(structure, columns)


def _largest(x: Array, axis: tuple[int, ...]) -> Array:
    return jnp.max(x, axis=axis, initial=0)  # an empty leaf has a largest magnitude, too


def _square(x: Array) -> Array:
    return x.real**2 + x.imag**2 if jnp.iscomplexobj(x) else x**2


def _column(value: Array, leaf: Array, stack: int | None) -> Array:
    return value if stack is None else value.reshape((stack,) + (1,) * (leaf.ndim - 1))


def _reduce(within: Callable, across: Callable, over_mesh: Callable, names, stacks, axes, leaves) -> dict[str, Array]:
    """Reduce each leaf (each slice, where stacked), then over the mesh axes it varies over, then over its layer."""
    parts = [
        within(leaf, axis=tuple(range(0 if stack is None else 1, leaf.ndim)))
        for leaf, stack in zip(leaves, stacks, strict=True)
    ]
    for over in set(filter(None, axes)):  # one collective for all leaves that vary over the same axes
        members = [index for index, axis in enumerate(axes) if axis == over]
        reduced = over_mesh([parts[index] for index in members], over)
        parts = [reduced[members.index(index)] if index in members else part for index, part in enumerate(parts)]
    layers: dict[str, Array] = {}
    for name, part in zip(names, parts, strict=True):
        if name in layers:
            dtype = max(layers[name].dtype, part.dtype, key=lambda d: d.itemsize)
            part = across(layers[name].astype(dtype), part.astype(dtype))
        layers[name] = part
    return layers


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
