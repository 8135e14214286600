r"""LAMB: Adam with decay; each layer's step is scaled to the length of its weights; for large batches.

$$ u_t = \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda\, w_{t-1}, \qquad
   \Delta w_l = -\eta\, \frac{\phi(\|w_l\|)}{\|u_l\|}\, u_l, \qquad
   \phi(z) = \min(\max(z, a), b) $$

You et al., Large Batch Optimization for Deep Learning, arXiv:1904.00962, 2019, Algorithm 2.
Symbols      η learning_rate; λ weight_decay; φ's bounds a low, b high; l layer; m, v Adam's moments, β b1 and b2; ε
             eps.
Conventions  moments are corrected for their start at 0. The norm includes the decay, in all leaves. φ is the
             identity unless bounds are given. Where φ(‖w‖) or ‖u‖ is 0, the ratio is 1.
Elsewhere    `optax.lamb` is the same in float32, with λ = 0, but has one ratio for a whole scan-stacked leaf and one
             per shard. pytorch_optimizer bounds ‖w‖ at 10; gluonnlp offers [1e-3, 10] and by default does not correct.
Symmetries   layers are independent; invariant to the scale of g up to eps; not to rotations of a layer, since Adam
             divides weight by weight.
"""

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import PyTree

from adaptax._checks import check_nonnegative
from adaptax._decay import add_decay
from adaptax._inner import Inner, Settings
from adaptax._layers import LayerOf, by_leaf
from adaptax._learning_rate import scale_by_descent
from adaptax._members import AxisName
from adaptax._moments import inner as inner_of_adam
from adaptax._moments import scale_by_moments
from adaptax._rate import rescale
from adaptax.rates.trust_ratio import trust_ratio_rate


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return Adam's corrected moments; the rate needs the params as well."""
    moments = inner_of_adam(gradients, state, settings)
    return {label: values for label, values in moments.items() if not label.startswith("rate")}


def lamb(
    learning_rate: optax.ScalarOrSchedule,
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 1e-6,
    weight_decay: ArrayLike = 0.01,
    low: ArrayLike = 0.0,
    high: ArrayLike = jnp.inf,
    layer_of: LayerOf | None = None,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Return LAMB; every update needs the params.

    Args:
        learning_rate: η, a number or a schedule: the length of a layer's step relative to its weights.
        b1: β₁ in [0, 1) or a schedule (0.9).
        b2: β₂ in [0, 1) or a schedule (0.999).
        eps: ε at least 0, in the gradient's unit (1e-6).
        weight_decay: λ at least 0 (0.01).
        low: a at least 0: a smaller norm of the weights counts as a (0).
        high: b at least a: a larger one counts as b (∞).
        layer_of: what a layer is, see `layer_norms`. None is `by_leaf`, as in the programs named above.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, missing params, a leaf that is not floating; and those of `layer_norms`.

    >>> optimizer, params = lamb(0.01, weight_decay=0.0), jnp.array([3.0, 4.0])
    >>> updates, state = optimizer.update(jnp.array([0.8, -0.6]), optimizer.init(params), params)
    >>> print(updates.round(4))
    [-0.0354  0.0354]
    """
    check_nonnegative("lamb", weight_decay=weight_decay)
    ratio = trust_ratio_rate(
        1.0, low, high, by_leaf if layer_of is None else layer_of, stacked=stacked, axis_name=axis_name
    )
    decayed_adam = optax.chain(scale_by_moments(b1, b2, eps), add_decay("lamb", weight_decay))
    return optax.chain(rescale(decayed_adam, ratio), scale_by_descent("lamb", learning_rate))
