r"""Hypergradient: gradient descent on the learning rate, which grows while the gradient points along the last step.

$$ c_t = c_{t-1}\,(1 + \beta \cos(g_t, u_{t-1})) \qquad \text{or} \qquad
   c_t = c_{t-1} + \beta\, \langle g_t, u_{t-1} \rangle $$

Baydin et al., Online Learning Rate Adaptation with Hypergradient Descent, arXiv:1703.04782, 2018. The second rule is
that of their program: w_t = w_{t-1} - η c_t u_t gives ∂f/∂c = -η ⟨g, u⟩. We did not check the first with the paper.
Symbols      g gradient; u direction, before any rate; c the factor, 1 at first; β beta. With a constant learning rate
             η, their α is η c, and their β is β η.
Conventions  c changes before the step, and is kept between low and high. It stays as it is in the first step, where a
             norm is 0, infinite or NaN, and at a weight where a sign is 0 or a number is not finite. u excludes other
             rates of the same `rescale`.
Elsewhere    their AdamHD changes one shared rate tensor by tensor, so later tensors already use a part of the change.
             It adds ε before it corrects u for its start. Their rate has no bounds and can become negative.
Layers       see each other where all share one factor.
Units        the first rule has none. β of the second has that of 1/(g u): if the loss is scaled by k, it is scaled by
             1/k² around the gradient or momentum, and by 1/k around Adam.
Symmetries   rotating the weights of a scope; the first rule is invariant to the scale of g, and scope by scope.
"""

from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._agreement import check_gain
from adaptax._checks import check_choice, check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._layers import LayerOf, by_parent, by_tree
from adaptax._members import AxisName
from adaptax._numbers import full_like, real_dtype, scalar, wide
from adaptax._per_layer import Layers
from adaptax._rate import Rate

Scope = Literal["all", "layer", "weight"]
Rule = Literal["multiplicative", "additive"]


def follow(
    c: Float[Array, "*n"], slope: Float[Array, "*n"], beta: ArrayLike, rule: Rule, low: ArrayLike, high: ArrayLike
) -> Float[Array, "*n"]:
    """Return c after a cosine or sign (multiplicative) or an inner product (additive); c where the result is NaN."""
    by = scalar(beta, c) * slope
    moved = jnp.clip(c * (1 + by) if rule == "multiplicative" else c + by, scalar(low, c), scalar(high, c))
    return jnp.where(jnp.isnan(moved), c, moved)


def of_weight(g: Float[Array, "*n"], u: Float[Array, "*n"], rule: Rule) -> Float[Array, "*n"]:
    """Return each weight's product of signs (multiplicative) or of numbers (additive); NaN where one is not finite."""
    product = jnp.sign(g) * jnp.sign(u) if rule == "multiplicative" else g * u
    return jnp.where(jnp.isfinite(g) & jnp.isfinite(u), product, jnp.nan)


class HypergradientState(NamedTuple):
    """State of `hypergradient_rate`."""

    factors: PyTree  # c: a number per layer, or a tree like params where each weight has its own
    direction: PyTree  # like params, float32 at least: the previous u, 0 before the first step


def hypergradient_rate(
    beta: ArrayLike,
    scope: Scope = "all",
    rule: Rule = "multiplicative",
    low: ArrayLike = 1e-3,
    high: ArrayLike = 1e3,
    *,
    layer_of: LayerOf = by_parent,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return a factor on the learning rate that follows the slope of the loss in this factor, as a `Rate`.

    Args:
        beta: β: in [0, 1) for the multiplicative rule, at least 0 for the additive one.
        scope: who shares a factor: "all" params, the weights of a "layer", or none: each "weight" has its own.
        rule: "multiplicative", without unit, or "additive", as published.
        low: the least factor, in [0, 1].
        high: the greatest, at least 1.
        layer_of: what a layer is, for that scope, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, a leaf that is not real and floating; and those of `layer_norms`.

    Early gradients agree, so the factor overshoots and then oscillates at the edge of stability: choose a small `high`.
    With mini-batches the factor that is best for one step is too small in the long run. Around a finished optimizer
    such as `optax.adam(1e-3)`, which points downhill, the factor falls where it should rise.

    >>> rate, w = hypergradient_rate(0.1), jnp.zeros(2)
    >>> state = rate.init(w)
    >>> for g in jnp.array([[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]]):
    ...     rates, state = rate.measure(g, state, direction=g)
    ...     print(f"{rates:.2f}")
    1.00
    1.10
    0.99
    """
    (check_fraction if rule == "multiplicative" else check_nonnegative)("hypergradient", beta=beta)
    check_choice("hypergradient", "scope", scope, get_args(Scope))
    check_choice("hypergradient", "rule", rule, get_args(Rule))
    check_gain("hypergradient", low, high)
    layers = Layers(layer_of, stacked, axis_name) if scope == "layer" else Layers(by_tree, None, axis_name)

    def init(params: PyTree) -> HypergradientState:
        check_floating("hypergradient", params, real=True)
        ones = full_like(params, 1, real_dtype) if scope == "weight" else layers.full(params, 1.0)
        return HypergradientState(factors=ones, direction=full_like(params, 0))

    def slopes(gradients: PyTree, before: PyTree) -> PyTree:
        if scope == "weight":
            return jax.tree.map(lambda g, u: of_weight(g, u, rule), gradients, before)
        norms = layers.norms(gradients), layers.norms(before)
        cosines = layers.cosines(gradients, before, norms)
        return cosines if rule == "multiplicative" else cosines * norms[0] * norms[1]

    def measure(
        gradients: PyTree, state: HypergradientState, params: PyTree = None, *, direction: PyTree, **extra_args: Any
    ) -> tuple:
        del params, extra_args
        check_gradients("hypergradient", gradients, state.direction, real=True)
        g, u = (
            jax.tree.map(lambda new, old: wide(new).astype(old.dtype), tree, state.direction)
            for tree in (gradients, direction)
        )
        factors = jax.tree.map(
            lambda c, slope: follow(c, slope, beta, rule, low, high), state.factors, slopes(g, state.direction)
        )
        rates = factors if scope == "weight" else layers.at_leaves(factors, gradients)
        return rates, HypergradientState(factors=factors, direction=u)

    return Rate(init, measure, bounds=(low, high))
