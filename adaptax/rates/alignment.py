r"""Alignment: a layer moves farther if its momentum agrees better with the gradient of this step.

$$ \tilde s_t = \sigma\left(\frac{\cos(\mu_t, g_t)}{\tau}\right), \qquad
   s_t = \beta\, s_{t-1} + (1 - \beta)\, \tilde s_t, \qquad r_l = s_t $$

Magma, arXiv:2602.15322, 2026, after others' descriptions and programs; we had no access to the paper's algorithm.
Symbols      g gradient; μ its moving average, g_t included; τ temperature; β decay; s score; σ the logistic function; l
             layer.
Conventions  the cosine is over a whole layer, and 0 where a norm is 0. An infinite or NaN norm changes no score. The
             score starts at `initial`: programs differ (rollfast 0.5, magma-optimizer 1).
Elsewhere    magma-optimizer blends new and old params, which also scales a decoupled weight decay.
Units        none.
Symmetries   rotating the weights of a layer; even in g; invariant to the scale of g.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._checks import check, check_floating, check_fraction, check_gradients
from adaptax._layers import LayerOf, by_leaf
from adaptax._members import AxisName
from adaptax._moments import ema
from adaptax._numbers import full_like, scalar, wide
from adaptax._per_layer import Layers
from adaptax._rate import Rate


def score(
    cosine: Float[Array, "*n"], before: Float[Array, "*n"], temperature: ArrayLike, decay: ArrayLike
) -> Float[Array, "*n"]:
    """Return s_t, given the cosine of momentum and gradient."""
    return ema(before, jax.nn.sigmoid(cosine / scalar(temperature, cosine)), decay)


class AlignmentState(NamedTuple):
    """State of `alignment_rate`."""

    scores: Float[Array, " layers"]  # s
    momentum: PyTree  # like params, float32 at least: μ; empty where the direction is μ


def alignment_rate(
    temperature: ArrayLike = 2.0,
    decay: ArrayLike = 0.9,
    momentum: ArrayLike | None = 0.9,
    initial: ArrayLike = 0.5,
    layer_of: LayerOf = by_leaf,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return the alignment of momentum and gradient as a `Rate`, one number per layer.

    Args:
        temperature: τ above 0 (2).
        decay: β in [0, 1) (0.9).
        momentum: decay of μ, in [0, 1) (0.9); it costs one number of state per weight. None takes the direction for μ
            and keeps no state: this is exact around `optax.trace` and moving averages, since the cosine ignores scale.
            Around Adam it is another rule, since Adam divides weight by weight.
        initial: s before the first step, in [0, 1].
        layer_of: what a layer is: `by_leaf`, `by_parent`, …, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating; and those of `layer_norms`.

    For τ = 2 scores lie between 0.3775 and 0.6225. Magma also multiplies by random_mask_rate(0.5), which halves the
    mean step once more: tune the learning rate anew before you compare. A momentum of its own does not see the
    direction. With `momentum=None` and a finished optimizer such as `optax.adam(1e-3)` as direction, every cosine has
    the wrong sign, without an error.

    >>> rate = alignment_rate()
    >>> state = rate.init(jnp.zeros(2))
    >>> for g in jnp.array([[3.0, 4.0], [4.0, -3.0]]):
    ...     rates, state = rate.measure(g, state)
    ...     print(f"{rates:.4f}")
    0.5122
    0.5202
    """
    check("alignment", "temperature", temperature, lambda v: v > 0, "above 0")
    check_fraction("alignment", decay=decay)
    if momentum is not None:
        check_fraction("alignment", momentum=momentum)
    check("alignment", "initial", initial, lambda v: 0 <= v <= 1, "in [0, 1]")
    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> AlignmentState:
        check_floating("alignment", params)
        averages = () if momentum is None else full_like(params, 0)
        return AlignmentState(scores=layers.full(params, initial), momentum=averages)

    def measure(
        gradients: PyTree, state: AlignmentState, params: PyTree = None, *, direction: PyTree = None, **extra_args: Any
    ) -> tuple:
        del params, extra_args
        if momentum is None:
            check_floating("alignment", gradients)
            averages, mu = (), direction
        else:
            check_gradients("alignment", gradients, state.momentum)
            averages = mu = jax.tree.map(
                lambda m, g: ema(m, wide(g).astype(m.dtype), momentum), state.momentum, gradients
            )
        norms = layers.norms(mu), layers.norms(gradients)
        scores = score(layers.cosines(mu, gradients, norms), state.scores, temperature, decay)
        scores = jnp.where((norms[0] < jnp.inf) & (norms[1] < jnp.inf), scores, state.scores)
        return layers.at_leaves(scores, gradients), AlignmentState(scores=scores, momentum=averages)

    return Rate(init, measure)
