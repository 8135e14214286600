r"""Cautious masks: weights whose step disagrees with their gradient stay; the others move farther instead.

$$ \varphi = \mathbb 1[\operatorname{sign} u \cdot \operatorname{sign} g > 0], \qquad
   m = \alpha\, \varphi + \gamma\, (1 - \varphi), \qquad r = \frac{m}{\max(\operatorname{mean}_l m, 0.001)} $$

Liang, Chen, Liu & Liu, Cautious Optimizers, arXiv:2411.16085v4, 2024: α = 1, γ = 0. MGUP's sign form (arXiv:2606.17526,
2026) has no mean: `cautious_rate(aligned=2.0, opposed=0.5, mean=False)`.
Symbols      g gradient; u direction; α aligned; γ opposed; l layer, in the paper one tensor.
Conventions  as in the authors' program since January 2025, the divisor is at least 0.001: a layer in which fewer than 1
             of 1,000 weights agree moves less than before. An exact zero of u or g counts as opposed. With
             zero="ignore" the mean is over the weights with g ≠ 0. zero="count", the published form, takes all: if 5 %
             of an embedding's rows are in the batch, these move 20 times as far. On gradients without zeros both are
             the same. Signs are multiplied, not numbers: 1e-25 · 1e-25 is 0 in float32.
Elsewhere    the authors' first release and their C-Lion divide by (Σ φ + 1) / n, so that a scalar moves half as far. In
             their current C-AdamW one branch (not capturable, foreach) compares the moment with itself: no mask.
             C-Muon masks before it makes the matrix orthogonal; `rescale(muon, cautious_rate())` masks after.
Units        none; invariant to the scale of g and of u.
Symmetries   permuting the weights of a layer; flipping the signs of g and u together.
"""

from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PyTree

from adaptax._checks import check_choice, check_floating, check_nonnegative
from adaptax._layers import LayerOf, by_leaf
from adaptax._members import AxisName
from adaptax._numbers import is_exactly, scalar
from adaptax._per_layer import Layers
from adaptax._rate import Rate

Zeros = Literal["ignore", "count"]

LEAST_MEAN = 1e-3  # the least divisor


def agrees(u: Float[ArrayLike, "*n"], g: Float[ArrayLike, "*n"]) -> Bool[Array, "*n"]:
    """Return where a direction and a gradient have the same sign, and neither is 0."""
    return jnp.sign(u) * jnp.sign(g) > 0


def mean_multiplier(
    aligned_weights: Float[Array, "*n"], weights: Float[Array, "*n"], aligned: ArrayLike, opposed: ArrayLike
) -> Float[Array, "*n"]:
    """Return the mean of α φ + γ (1 - φ) over the counted weights, at least 0.001; 1 if none is counted."""
    fraction = aligned_weights / jnp.maximum(weights, 1)
    mean = scalar(aligned, fraction) * fraction + scalar(opposed, fraction) * (1 - fraction)
    return jnp.where(weights > 0, jnp.maximum(mean, LEAST_MEAN), 1)


def cautious_rate(
    aligned: ArrayLike = 1.0,
    opposed: ArrayLike = 0.0,
    mean: bool = True,
    zero: Zeros = "ignore",
    layer_of: LayerOf = by_leaf,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return the cautious mask as a `Rate`, one number per weight, without state.

    Args:
        aligned: α at least 0: the multiplier where signs agree.
        opposed: γ at least 0: the multiplier where they do not agree.
        mean: whether to divide by the layer's mean multiplier, so that a layer moves as far as before if its weights
            take steps of equal size.
        zero: which weights the mean counts: "ignore" leaves out those whose gradient is exactly 0, "count" counts all.
        layer_of: the layer that the mean is over: `by_leaf`, as published, `by_parent`, …, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, a complex or integer leaf (signs mean nothing there); those of `layer_norms`.

    The direction must point uphill, as all `scale_by_*` and `optax.trace` do. A finished optimizer such as
    `optax.adam(1e-3)` points downhill: around it the mask keeps exactly the weights that it should stop, without an
    error. A mask follows most batches, not their mean: where few examples have large gradients, a masked method may
    climb where the method alone descends (`docs/rates.md` shows it).

    >>> rate = cautious_rate()
    >>> g, u = jnp.array([-0.5, -1.0, 1.0, 4.0]), jnp.array([0.4, -2.8, 3.7, 0.4])
    >>> rates, _ = rate.measure(g, rate.init(g), direction=u)
    >>> print(rates.round(4))
    [0.     1.3333 1.3333 1.3333]
    """
    check_nonnegative("cautious", aligned=aligned, opposed=opposed)
    check_choice("cautious", "zero", zero, get_args(Zeros))
    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> tuple:
        check_floating("cautious", params, real=True)
        return ()

    def measure(
        gradients: PyTree, state: tuple, params: PyTree = None, *, direction: PyTree, **extra_args: Any
    ) -> tuple:
        del params, extra_args
        check_floating("cautious", gradients, real=True)
        aligns = jax.tree.map(agrees, direction, gradients)
        divisors = jnp.ones(layers.number(gradients))
        if mean:
            count_all = zero == "count"
            weights = layers.sizes(gradients) if count_all else layers.sums(gradients, of=lambda g: g != 0)
            divisors = mean_multiplier(layers.sums(direction, gradients, of=agrees), weights, aligned, opposed)
        # Divided as one vector of all layers: that compiles in a fraction of the time.
        of_aligned, of_opposed = (
            jax.tree.map(lambda _: 0.0, gradients)
            if is_exactly(number, 0)
            else layers.at_leaves(scalar(number, divisors) / divisors, gradients)
            for number in (aligned, opposed)
        )
        return jax.tree.map(jnp.where, aligns, of_aligned, of_opposed), state

    return Rate(init, measure)
