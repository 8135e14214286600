r"""Held norms: every layer's weights keep the norm they started with; a step only changes their direction.

$$ w' = R_l\, \frac{w + \Delta}{\|w_l + \Delta_l\|}, \qquad R_l = \|w_{0,l}\|, \qquad
   \Delta' = w' - w $$

Hyperball optimization (AdamH, MuonH), arXiv:2606.16899, 2026.
Symbols      w params; Δ the update, learning rate and sign included; R the first norm.
Conventions  the Frobenius norm is held, for leaves of at least two dimensions (within a slice where stacked). Biases,
             gains and a layer that starts at zero are free. R is the norm before the first update. Where ‖w + Δ‖ is 0,
             infinite or NaN, the update passes unchanged.
Elsewhere    the speedrun's scripts and marin's hold the norm of the previous step, which drifts by rounding; in marin's
             a layer of zeros becomes NaN.
Units        those of w.
Symmetries   rotating the weights of a layer; scaling w and Δ together scales w'.
"""

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._checks import check_floating, check_params
from adaptax._layers import LayerOf, by_leaf, leaf_paths
from adaptax._members import AxisName
from adaptax._numbers import narrow, scalar, wide
from adaptax._per_layer import Layers


def holding_factor(first: Float[Array, "*n"], moved: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return R / ‖w + Δ‖, and 1 where the norm is free or cannot be held."""
    known = (first > 0) & (moved > 0) & (moved < jnp.inf)
    return jnp.where(known, first / jnp.where(known, moved, 1), 1)


class HoldNormsState(NamedTuple):
    """State of `hold_norms`."""

    norms: Float[Array, " layers"]  # R of each layer; -1: not yet known, 0: free


def hold_norms(
    layer_of: LayerOf = by_leaf, *, stacked: str | None = None, axis_name: AxisName | None = None
) -> optax.GradientTransformationExtraArgs:
    r"""Return the update after which every layer has its first norm, to rounding.

    Args:
        layer_of: what a layer is: `by_leaf`, as published, or any other, see `layer_norms`. In a layer of several
            leaves, the norm of all its matrices together is held.
        stacked: a regular expression for scan-stacked leaves, whose slices are held one by one, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: missing params, a leaf that is not floating; and those of `layer_norms`.

    It must be the last of its chain, after the learning rate: a later transformation changes the norm. With
    `trust_ratio_rate(layer_of=by_leaf)` around the direction, a layer whose step is perpendicular to its weights turns
    by the angle whose tangent is η. No layer turns by more than the angle whose sine is η. The state keeps one number
    per layer, measured from the params at the first update: `init` needs shapes only.

    >>> hold = hold_norms()
    >>> w, step = jnp.array([[3.0, 4.0]]), jnp.array([[-0.4, 0.3]])
    >>> updates, _ = hold.update(step, hold.init(w), w)
    >>> print(f"{jnp.linalg.norm(w + step):.4f} {jnp.linalg.norm(w + updates):.4f}")
    5.0249 5.0000
    """
    layers = Layers(layer_of, stacked, axis_name)

    def are_matrices(tree: PyTree) -> PyTree:
        stacks = [stacked is not None and bool(re.search(stacked, path)) for path in leaf_paths(tree)]
        leaves, structure = jax.tree.flatten(tree)
        return structure.unflatten([jnp.ndim(leaf) - stack >= 2 for leaf, stack in zip(leaves, stacks, strict=True)])

    def init(params: PyTree) -> HoldNormsState:
        check_floating("hold_norms", params)
        return HoldNormsState(norms=layers.full(params, -1.0))

    def update(updates: PyTree, state: HoldNormsState, params: PyTree = None, **extra_args: Any) -> tuple:
        del extra_args
        check_floating("hold_norms", updates)
        check_params("hold_norms", params)
        wanted = are_matrices(params)
        moved = jax.tree.map(lambda w, step: wide(w) + wide(step).astype(wide(w).dtype), params, updates)
        now = layers.norms(layers.only(params, wanted))
        first = jnp.where((state.norms < 0) & (now < jnp.inf), now, state.norms)
        factors = layers.at_leaves(holding_factor(first, layers.norms(layers.only(moved, wanted))), moved)

        def held(is_matrix: bool, step: ArrayLike, w: ArrayLike, x: Array, factor: Array) -> ArrayLike:
            if not is_matrix:
                return step
            change = x * scalar(factor, x) - wide(w)
            return narrow(jnp.where(factor == 1, wide(step).astype(x.dtype), change), step)

        return jax.tree.map(held, wanted, updates, params, moved, factors), HoldNormsState(norms=first)

    return optax.GradientTransformationExtraArgs(init, update)
