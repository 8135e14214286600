r"""LARS: momentum in which each layer's step is a fixed fraction of its weights; for large batches.

$$ u = g + \lambda\, w, \qquad v \leftarrow \mu\, v + \eta\, c\, \frac{\|w_l\|}{\|u_l\|}\, u, \qquad
   \Delta w = -v $$

You, Gitman & Ginsburg, Large Batch Training of Convolutional Networks, arXiv:1708.03888, 2017.
Symbols      η learning_rate; μ momentum; λ weight_decay; c coefficient; v velocity; l layer.
Conventions  ratio and learning rate stand inside the momentum buffer. The ratio divides by the norm of the sum g + λ w,
             as programs do; the paper prints the sum of the norms, ‖g‖ + λ ‖w‖. A layer of zeros moves by η c u.
Elsewhere    `optax.lars` is the same in float32, with three exceptions: a layer of zeros moves by η u, 1,000 times as
             far; all slices of a scan-stacked leaf share one ratio; each shard has its own ratio.
             pytorch_optimizer leaves λ out of the norm, and gives biases neither ratio nor decay.
Symmetries   rotating the weights of a layer; with λ = 0 invariant to the scale of each layer's gradient.
"""

import optax
from jax.typing import ArrayLike
from jaxtyping import PyTree

from adaptax._checks import check_nonnegative
from adaptax._decay import add_decay
from adaptax._inner import Inner, Settings, find
from adaptax._layers import LayerOf, by_leaf
from adaptax._learning_rate import scale_by_descent
from adaptax._members import AxisName
from adaptax._rate import rescale
from adaptax._trace import trace
from adaptax.rates.trust_ratio import trust_ratio_rate


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the velocity, which is the step just taken."""
    del gradients, settings
    return {"velocity v": find(state, optax.TraceState).trace}


def lars(
    learning_rate: optax.ScalarOrSchedule,
    momentum: ArrayLike = 0.9,
    weight_decay: ArrayLike = 5e-4,
    coefficient: ArrayLike = 0.001,
    nesterov: bool = False,
    layer_of: LayerOf | None = None,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Return LARS; every update needs the params.

    Args:
        learning_rate: η, a number or a schedule. The paper's decays as (1 - t/T)².
        momentum: μ in [0, 1) (0.9). The buffer is float32 at least.
        weight_decay: λ at least 0 (5e-4).
        coefficient: c at least 0 (0.001).
        nesterov: look ahead as `optax.trace(nesterov=True)` does.
        layer_of: what a layer is, see `layer_norms`. None is `by_leaf`, as in the programs named above.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, missing params, a leaf that is not floating; and those of `layer_norms`.

    >>> import jax.numpy as jnp
    >>> optimizer, params = lars(1.0, weight_decay=0.0), jnp.array([3.0, 4.0])
    >>> updates, state = optimizer.update(jnp.array([0.8, -0.6]), optimizer.init(params), params)
    >>> print(updates)
    [-0.004  0.003]
    """
    check_nonnegative("lars", weight_decay=weight_decay)
    layer_of = by_leaf if layer_of is None else layer_of
    ratio = trust_ratio_rate(coefficient, layer_of=layer_of, stacked=stacked, axis_name=axis_name)
    return optax.chain(
        rescale(add_decay("lars", weight_decay), ratio),
        scale_by_descent("lars", learning_rate),
        trace("lars", momentum, nesterov),
    )
