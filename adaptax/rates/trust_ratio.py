r"""Trust ratio: every layer's step is as long as the layer's weights times c, for gradients of any size.

$$ r_l = c\, \frac{\min(\max(\|w_l\|, a), b)}{\|u_l\|}, \qquad
   \text{and } c \text{ where the numerator or } \|u_l\| \text{ is } 0 $$

You, Gitman & Ginsburg, LARS, arXiv:1708.03888, 2017; You et al., LAMB, arXiv:1904.00962, 2019, whose φ is [a, b].
Symbols      w params; u direction; c coefficient; a low, b high; l layer.
Conventions  `layer_of` defines the layers, so with `by_parent` a bias of zeros has its kernel's ratio. A layer of
             zeros has no ratio and moves by c u, as if ‖w‖ were ‖u‖. Where a norm is infinite or NaN, the rate is also
             c.
Elsewhere    `optax.lars` gives a layer of zeros the ratio 1, without c = 0.001: it moves 1,000 times as far as its
             neighbors. `optax.fromage` floors the norms at 1e-6 instead and almost freezes a layer of zeros. Optax has
             one ratio per leaf, scan-stacked leaves and shards included. LARS as printed divides by ‖g‖ + λ ‖w‖; all
             programs named here divide by ‖g + λ w‖, the norm of the sum. Some skip biases and gains (use
             `optax.masked`).
Units        that of w over that of u: the relative step is c for u of any size. Two rates that both set the size of the
             step do not combine.
Symmetries   rotating the weights of a layer; invariant to the scale of a layer's u; layers are independent.
"""

from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._checks import check_floating, check_nonnegative, check_order, check_params
from adaptax._layers import LayerOf, by_parent
from adaptax._members import AxisName
from adaptax._numbers import scalar
from adaptax._per_layer import Layers
from adaptax._rate import Rate


def relative_rate(size: Float[Array, "*n"], norm_u: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return size / ‖u‖, and 1 where either is 0 or not finite, or their ratio is beyond the largest number."""
    known = (size > 0) & (size < jnp.inf) & (norm_u > 0) & (norm_u < jnp.inf)
    ratio = size / jnp.where(known, norm_u, 1)
    return jnp.where(known & (ratio < jnp.inf), ratio, 1)


def trust_ratio_rate(
    coefficient: ArrayLike = 1.0,
    low: ArrayLike = 0.0,
    high: ArrayLike = jnp.inf,
    layer_of: LayerOf = by_parent,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return the trust ratio as a `Rate`, one number per layer, without state.

    Args:
        coefficient: c at least 0: the length of a layer's step, relative to its weights (LARS: 0.001, LAMB: 1).
        low: a at least 0: a smaller norm of the weights counts as a, in their unit (0; gluonnlp 1e-3).
        high: b at least a: a larger one counts as b (∞; gluonnlp 10).
        layer_of: what a layer is: `by_parent`, `by_leaf`, …, see `layer_norms`. Optax's is `by_leaf`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, missing params, a leaf that is not floating; and those of `layer_norms`.

    LAMB is this rate around Adam with decay inside; LARS has rate and learning rate inside the momentum buffer:
    `chain(rescale(add_decayed_weights(λ), trust_ratio_rate(0.001)), scale_by_learning_rate(η), trace(0.9))`. A
    finished optimizer such as `optax.adam(1e-3)` as direction loses its learning rate: the step is c ‖w‖ long for any
    learning rate.

    >>> rate = trust_ratio_rate(0.1)
    >>> params, u = {"w": jnp.array([3.0, 4.0])}, {"w": jnp.array([0.0, 2.0])}
    >>> rates, _ = rate.measure(u, rate.init(params), params, direction=u)
    >>> print(rates["w"])
    0.25
    """
    check_nonnegative("trust_ratio", coefficient=coefficient, low=low, high=high)
    check_order("trust_ratio", low, high)
    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> tuple:
        check_floating("trust_ratio", params)
        return ()

    def measure(
        gradients: PyTree, state: tuple, params: PyTree = None, *, direction: PyTree, **extra_args: Any
    ) -> tuple:
        del gradients, extra_args
        check_params("trust_ratio", params)
        norm_w = layers.norms(params)
        size = jnp.minimum(jnp.maximum(norm_w, scalar(low, norm_w)), scalar(high, norm_w))
        rates = scalar(coefficient, norm_w) * relative_rate(size, layers.norms(direction))
        return layers.at_leaves(rates, direction), state

    return Rate(init, measure)
