r"""AdaGC: the norm of a layer's gradient is clipped at 1.05 times its running average.

$$ r_l = \min\left(1, \lambda_r \frac{\gamma_l}{\|g_l\|}\right), \qquad
   \gamma_l \leftarrow \beta\, \gamma_l + (1 - \beta)\, r_l \|g_l\| $$
$$ \text{while warming up:} \qquad r = \min\left(1, \frac{\lambda_a}{\|g\|}\right), \qquad
   \gamma_l \leftarrow \min(\gamma_l,\ r \|g_l\|) $$

Wang et al., AdaGC: Adaptive Gradient Clipping, arXiv:2502.11034, 2025.
Symbols      g gradient of all layers, g_l of layer l; γ the usual norm of a layer (`usual`); λ_a absolute; λ_r
             relative; β decay.
Conventions  γ follows the clipped norm, so in a step it grows at most by a factor of 1 + (λ_r - 1)(1 - β), which is
             1.001 by default. A norm that is 0, infinite or NaN does not change γ: in the published rule one gradient
             of zeros while warming up makes γ = 0, and stops its layer for good. A layer whose gradients were all 0 has
             no γ yet, and goes on warming up. Where a norm is not finite the rate is 1.
Elsewhere    pytorch_optimizer divides by the square of the global norm, and with a warm-up of one step reads γ before
             it is set. ZClip clips the global norm 2.5 standard deviations above its mean.
Layers       see each other while warming up, by the norm of all.
Units        none, but for λ_a, which has that of g.
Symmetries   rotating the weights of a layer.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from adaptax._checks import check, check_floating, check_fraction
from adaptax._layers import LayerOf, by_leaf
from adaptax._members import AxisName
from adaptax._moments import ema
from adaptax._numbers import scalar
from adaptax._per_layer import Layers
from adaptax._powers import safe_sqrt
from adaptax._rate import Rate

PLACE = "before"  # the rate limits the gradient before momentum; `adaptax.comparison` reads this


def limit(norm: Float[Array, "*n"], greatest: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return min(1, greatest / ‖g‖); 1 where the norm is 0 or not finite."""
    above = (norm > greatest) & (norm < jnp.inf)
    return jnp.where(above, greatest / jnp.where(above, norm, 1), 1)


def norm_of_all(norms: Float[Array, " layers"]) -> Float[Array, ""]:
    """Return the norm of all layers together, without those whose norm is not finite."""
    known = jnp.where(norms < jnp.inf, norms, 0)
    largest = jnp.max(known, initial=0)
    return largest * safe_sqrt(jnp.sum((known / jnp.where(largest == 0, 1, largest)) ** 2))


class AdagcState(NamedTuple):
    """State of `adagc_rate`."""

    count: Int[Array, ""]  # steps taken
    usual: Float[Array, " layers"]  # γ; ∞ until the first norm


def adagc_rate(
    absolute: ArrayLike = 1.0,
    relative: ArrayLike = 1.05,
    decay: ArrayLike = 0.98,
    warm_up: ArrayLike = 100,
    layer_of: LayerOf = by_leaf,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return AdaGC's clipping as a `Rate`, one number in (0, 1] per layer.

    Args:
        absolute: λ_a above 0, in the gradient's unit: the greatest norm of all layers while warming up (1).
        relative: λ_r at least 1: the greatest norm relative to the usual one (1.05).
        decay: β in [0, 1) (0.98).
        warm_up: steps at least 1 (100).
        layer_of: what a layer is: `by_leaf`, as published, `by_parent`, …, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating; and those of `layer_norms`.

    It limits the gradient, so it belongs before momentum: `chain(scale_by_rate(adagc_rate()), direction, …)`. In
    `rescale(direction, adagc_rate())`, and around a finished optimizer, it still measures the gradient but shortens the
    step, so a spike still enters the momentum.

    >>> rate = adagc_rate(warm_up=1)
    >>> state = rate.init(jnp.zeros(2))
    >>> for g in jnp.array([[3.0, 4.0], [0.6, 0.8], [6.0, 8.0]]):
    ...     rates, state = rate.measure(g, state)
    ...     print(f"{rates:.4f} {state.usual[0]:.4f}")
    0.2000 1.0000
    1.0000 1.0000
    0.1050 1.0010
    """
    check("adagc", "absolute", absolute, lambda v: v > 0, "above 0")
    check("adagc", "relative", relative, lambda v: v >= 1, "at least 1")
    check_fraction("adagc", decay=decay)
    check("adagc", "warm_up", warm_up, lambda v: v >= 1, "at least 1")
    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> AdagcState:
        check_floating("adagc", params)
        return AdagcState(count=jnp.zeros([], jnp.int32), usual=layers.full(params, jnp.inf))

    def measure(
        gradients: PyTree, state: AdagcState, params: PyTree = None, *, direction: PyTree = None, **extra_args: Any
    ) -> tuple:
        del params, direction, extra_args
        check_floating("adagc", gradients)
        norms = layers.norms(gradients)
        warms_up = (state.count < warm_up) | (state.usual == jnp.inf)
        of_all = limit(norm_of_all(norms), scalar(absolute, norms))
        learned = jnp.where(warms_up, 1, state.usual)  # an ∞ would make derivatives NaN
        rates = jnp.where(warms_up, of_all, limit(norms, scalar(relative, norms) * learned))
        rates = jnp.where(norms < jnp.inf, rates, 1)
        clipped = rates * norms
        usual = jnp.where(warms_up, jnp.minimum(state.usual, clipped), ema(learned, clipped, decay))
        usual = jnp.where((norms > 0) & (norms < jnp.inf), usual, state.usual)
        state = AdagcState(count=optax.safe_increment(state.count), usual=usual)
        return layers.at_leaves(rates, gradients), state

    return Rate(init, measure)
