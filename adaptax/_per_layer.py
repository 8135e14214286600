"""One number per layer: norms, sums, means and sizes of layers, as vectors for calculations, and at the leaves.

Optax's per-layer rules (`lamb`, `lars`, …) take one norm per leaf, even if it is scan-stacked, and one per shard
inside `shard_map`. Here each slice of a stack is a layer, and all shards of a leaf belong to one layer.
"""

import re
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from adaptax._angles import angles_of
from adaptax._checks import check_floating
from adaptax._layers import LayerOf, by_parent, layer_names, leaf_paths
from adaptax._members import (
    MAXIMUM,
    SUM,
    AxisName,
    Group,
    Member,
    Reduction,
    at_leaves,
    by_row,
    groups_of,
    members_of,
    number_of_layers,
    widest,
)
from adaptax._norms import norms_of
from adaptax._numbers import wide, wide_dtype


class Layers(NamedTuple):
    """What a layer is; the methods take a tree and return, or take, a vector of one number per layer.

    Trees of the same structure have their layers in the same order, so their vectors can be combined. A vector can be
    kept in a state; it is not a tree like params.
    """

    layer_of: LayerOf
    stacked: str | None
    axis_name: AxisName | None

    def number(self, tree: PyTree) -> int:
        """Return how many layers a tree has, from shapes alone."""
        return number_of_layers(leaf_paths(tree), jax.tree.leaves(tree), self.layer_of, self.stacked)

    def full(self, tree: PyTree, value: ArrayLike) -> Array:
        """Return the same number for every layer, for `init`."""
        return jnp.full(self.number(tree), value, float)

    def norms(self, tree: PyTree) -> Array:
        """Return every layer's l2 norm."""
        members = self._members(tree)
        return norms_of(members, _rows(members)).astype(float) if members else jnp.zeros(0)

    def sums(self, *trees: PyTree, of: Callable[..., Array] = lambda x: x) -> Array:
        """Return every layer's sum of a function of the trees' numbers, weight by weight; booleans are counted.

        The function is given arrays in which several small leaves may be stacked, since that compiles faster.
        """

        def numbers(group: Group) -> Array:
            x = of(*group.arrays)
            return x.astype(jnp.int32) if _is_boolean(x) else x  # float32 stops counting at 2^24

        return self._reduced(trees, numbers, SUM)

    def maxima(self, tree: PyTree) -> Array:
        """Return every layer's greatest number; -∞ for a layer without numbers."""
        return self._reduced([tree], lambda group: group.arrays[0], MAXIMUM)

    def means(self, *trees: PyTree, of: Callable[..., Array] = lambda x: x) -> Array:
        """Return every layer's mean of such a function over all its weights on all devices."""
        return self.sums(*trees, of=of) / jnp.maximum(self.sizes(trees[0]), 1)

    def cosines(self, one: PyTree, other: PyTree, norms: Sequence[Array]) -> Array:
        """Return the cosine of the angle between two trees in every layer; 0 where a norm is 0 or not finite.

        Each tree is first divided by its given norms, so no product over- or underflows.
        """
        known = [(norm > 0) & (norm < jnp.inf) for norm in norms]
        divisors = [jnp.where(*of, 1) for of in zip(known, norms, strict=True)]

        def products(group: Group) -> Array:
            pairs = zip(group.arrays, divisors, strict=True)
            a, b = (x / group.at(divisor).astype(x.dtype) for x, divisor in pairs)
            return jnp.real(jnp.conj(a) * b.astype(a.dtype))

        sums = self._reduced((one, other), products, SUM)
        return jnp.where(known[0] & known[1], jnp.clip(sums, -1, 1), 0)

    def angles(self, one: PyTree, other: PyTree) -> tuple[Array, Array, Array]:
        """Return the norms of two trees in every layer, and the cosine of the angle between them, as `cosines`.

        It takes one more pass over each leaf, and less memory: no leaf waits until the norms of all leaves are known.
        """
        members, others = self._members(one), self._members(other)
        norms = angles_of(members, others, _rows(members)) if members else (jnp.zeros(0),) * 3
        return norms[0].astype(float), norms[1].astype(float), norms[2].astype(float)

    def sizes(self, tree: PyTree) -> Array:
        """Return every layer's number of weights, those on other devices included."""
        members = self._members(tree)
        sizes: list[Any] = [0] * _rows(members)
        for member in members:
            size = prod(member.leaf.shape[1 if member.is_stacked else 0 :]) * jax.lax.psum(1, member.axes)
            for row in member.rows:
                sizes[row] = sizes[row] + size
        return jnp.stack([jnp.asarray(size, float) for size in sizes]) if sizes else jnp.zeros(0)

    def at_leaves(self, values: Array, tree: PyTree) -> PyTree:
        """Return each layer's number at each of its leaves: a scalar, or a column where slices are layers."""
        members = self._members(tree)
        return jax.tree.unflatten(jax.tree.structure(tree), at_leaves(values, members) if members else [])

    def only(self, tree: PyTree, wanted: PyTree) -> PyTree:
        """Return a tree whose other leaves are empty: they keep their place in a layer and add nothing to it."""
        leaves, structure = jax.tree.flatten(tree)
        stacks = [self.stacked is not None and re.search(self.stacked, path) for path in leaf_paths(tree)]
        kept = [
            leaf if keep else jnp.zeros((*jnp.shape(leaf)[: bool(stack)], 0), wide_dtype(leaf))
            for leaf, keep, stack in zip(leaves, jax.tree.leaves(wanted), stacks, strict=True)
        ]
        return structure.unflatten(kept)

    def names(self, tree: PyTree) -> tuple[str, ...]:
        """Return every layer's name; that of a slice ends with its number."""
        members, names = self._members(tree), {}
        for name, member in zip(layer_names(self.layer_of, leaf_paths(tree)), members, strict=True):
            for index, row in enumerate(member.rows):
                names[row] = f"{name}[{index}]" if member.is_stacked else name or "(root)"
        return tuple(names[row] for row in sorted(names))

    def _reduced(self, trees: Sequence[PyTree], numbers: Callable[[Group], Array], reduction: Reduction) -> Array:
        members = [self._members(tree) for tree in trees]
        if not members[0]:
            return jnp.zeros(0)
        groups = groups_of(*members)
        dtype = widest([member.leaf for of_tree in members for member in of_tree])
        return by_row(groups, list(map(numbers, groups)), _rows(members[0]), dtype, reduction).astype(float)

    def _members(self, tree: PyTree) -> list[Member]:
        leaves = [leaf if _is_boolean(leaf) else wide(leaf) for leaf in jax.tree.leaves(tree)]
        return members_of(leaf_paths(tree), leaves, self.layer_of, self.stacked, self.axis_name)


def _is_boolean(leaf: Any) -> bool:
    return jnp.issubdtype(getattr(leaf, "dtype", float), jnp.bool_)


def _rows(members: list[Member]) -> int:
    """Return the length of the vector of all layers."""
    return max((member.rows.stop for member in members), default=0)


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
            over the named axes that it varies over, so a replicated leaf counts once. A stacked axis must be whole on
            every device. Under `check_vma=False` types do not tell what varies: only `axis_name=()` is accepted
            there, and states that no leaf is sharded. Under plain `jit`, sharded arrays need no `axis_name`.

    Returns:
        A tree like `tree`: at each leaf a float32 scalar (float64 in a layer with a float64 leaf), or a column where
        stacked. The derivative of a norm of 0 is 0.

    Raises:
        ValueError: a leaf that varies over a mesh axis not named (the message names both), a pattern that matches
            nothing, a layer in which only some leaves are stacked or stacks differ in length, a stack whose length is
            a symbol of `jax.export`, keys that read alike, a `layer_of` that returns too few or too many names.

    >>> norms = layer_norms({"dense": {"kernel": jnp.array([3.0, 0.0]), "bias": jnp.array([4.0])}})
    >>> print(norms["dense"]["bias"])
    5.0
    """
    check_floating("layer_norms", tree)
    layers = Layers(layer_of, stacked, axis_name)
    return layers.at_leaves(layers.norms(tree), tree)


def layer_sums(
    tree: PyTree, layer_of: LayerOf = by_parent, *, stacked: str | None = None, axis_name: AxisName | None = None
) -> PyTree:
    r"""Return the sum of every layer, at each of its leaves.

    The tree holds the numbers to sum, weight by weight: `jax.tree.map(lambda u, g: u * g, …)`, or booleans, which are
    counted, exactly up to 2^31 a leaf.

    Args:
        tree: real floating leaves, or booleans.
        layer_of: which leaves belong together, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Returns:
        A tree like `tree`, with numbers shaped as in `layer_norms`.

    Raises:
        ValueError: as `layer_norms`.

    Products of gradients under- and overflow: compare signs by `jnp.sign(u) * jnp.sign(g) > 0`, and divide two vectors
    by their norms before you multiply them for their cosine.

    >>> sums = layer_sums({"dense": {"kernel": jnp.array([3.0, -1.0]), "bias": jnp.array([4.0])}})
    >>> print(sums["dense"]["bias"])
    6.0
    """
    _check_summable("layer_sums", tree)
    layers = Layers(layer_of, stacked, axis_name)
    return layers.at_leaves(layers.sums(tree), tree)


def layer_means(
    tree: PyTree, layer_of: LayerOf = by_parent, *, stacked: str | None = None, axis_name: AxisName | None = None
) -> PyTree:
    r"""Return the mean of every layer, at each of its leaves: its sum over its number of weights on all devices.

    Arguments, results and errors are those of `layer_sums`.

    >>> means = layer_means({"dense": {"kernel": jnp.array([True, False, False]), "bias": jnp.array([True])}})
    >>> print(means["dense"]["bias"])
    0.5
    """
    _check_summable("layer_means", tree)
    layers = Layers(layer_of, stacked, axis_name)
    return layers.at_leaves(layers.means(tree), tree)


def _check_summable(method: str, tree: PyTree) -> None:
    """Raise `ValueError` naming the first leaf that is neither real floating nor boolean."""
    numbers = jax.tree.map(lambda leaf: None if _is_boolean(leaf) else leaf, tree)
    check_floating(method, numbers, real=True)
