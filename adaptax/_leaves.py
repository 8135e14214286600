"""A method's rule is written for one leaf; here it is applied to all of them."""

from collections.abc import Callable
from typing import Any

import jax
from jax.core import Tracer
from jaxtyping import PyTree

from adaptax._rounding import leaf_seed

Rule = Callable[..., tuple]


def map_leaves(rule: Rule, gradients: PyTree, *slots: PyTree) -> tuple[PyTree, ...]:
    """Apply `rule(gradient, *slots) -> (update, *slots)` at every leaf.

    Args:
        rule: takes a gradient and what each slot keeps for it; returns the update, or the rate, and the new slots.
        gradients: as they arrive.
        *slots: trees like `gradients`, parts of the state.

    Returns:
        The updates and each new slot, as trees like `gradients`.
    """
    return _map(rule, 1 + len(slots), gradients, *slots)


def map_leaves_rounding(rule: Rule, dither: Any, gradients: PyTree, *slots: PyTree) -> tuple[PyTree, ...]:
    """Apply `rule(gradient, *slots, seed) -> (update, *slots)`, which rounds with its leaf's seed, see `keep`."""
    structure = jax.tree.structure(gradients)
    seeds = structure.unflatten([leaf_seed(dither, index) for index in range(structure.num_leaves)])
    return _map(rule, 1 + len(slots), gradients, *slots, seeds)


def _map(rule: Rule, results: int, *trees: PyTree) -> tuple[PyTree, ...]:
    structure = jax.tree.structure(trees[0])
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees[0])):
        rule = jax.jit(rule)  # traced and lowered once for all leaves of the same shapes, then called
    rows = zip(*(structure.flatten_up_to(tree) for tree in trees), strict=True)
    columns = [rule(*row) for row in rows]
    return tuple(structure.unflatten([row[k] for row in columns]) for k in range(results))
