r"""Adam-mini: Adam with one second moment per block of weights, at half the memory.

$$ v_b \leftarrow \beta_2 v_b + (1 - \beta_2)\, \operatorname{mean}_{i \in b} g_i^2, \qquad
   \Delta w_i = -\eta \left( \frac{\hat m_i}{\sqrt{\hat v_b} + \epsilon} + \lambda\, w_i \right) $$

Zhang et al., Adam-mini: Use Fewer Learning Rates To Gain More, arXiv:2406.16793, 2024.
Symbols      η learning_rate; m moving average of g; v of its mean square in block b; β b1 and b2; ε eps; λ
             weight_decay.
Conventions  `layer_of` and `axes` define the blocks; by default every leaf is one. The authors' blocks for a
             transformer in Flax are {"embedding": 1, "(query|key)/kernel": (0, 2), "out/kernel": (0, 1), "kernel": 0,
             "bias": ()}, with the names of your model: a block per token, per head, per output unit, per bias. Every
             other leaf is one block.
Elsewhere    see `scale_by_block_moments`.
Symmetries   permuting the weights of a block; odd in g; invariant to the scale of g up to eps.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from adaptax._block_axes import Axes
from adaptax._checks import check_nonnegative
from adaptax._decay import add_decay
from adaptax._inner import Inner, Settings, find
from adaptax._layers import LayerOf, by_leaf
from adaptax._learning_rate import scale_by_descent
from adaptax._members import AxisName
from adaptax._moments import corrected
from adaptax._numbers import is_exactly, scalar
from adaptax.transforms.scale_by_block_moments import ScaleByBlockMomentsState, scale_by_block_moments


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the corrected moments, and the rate of each block, 0 where no gradient was ever seen."""
    moments = find(state, ScaleByBlockMomentsState)
    blocks = corrected(moments.v, moments.log_decay_2)
    v = jax.tree.map(lambda block, gradient: jnp.broadcast_to(block, jnp.shape(gradient)), blocks, gradients)

    def rate(v: Array) -> Array:
        return jnp.where(v > 0, scalar(settings["learning_rate"], v) / (jnp.sqrt(v) + scalar(settings["eps"], v)), 0)

    m = corrected(moments.m, moments.log_decay_1)
    return {"corrected moment m̂": m, "block's corrected square v̂": v, "rate η/(√v̂ + ε)": jax.tree.map(rate, v)}


def adam_mini(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 1e-8,
    weight_decay: ArrayLike = 0.0,
    layer_of: LayerOf | None = None,
    *,
    axes: Mapping[str, Axes] | None = None,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Return Adam-mini: 4 bytes of state a weight, and 4 a block.

    Args:
        learning_rate: η, a number or a schedule (0.001).
        b1: β₁ in [0, 1) or a schedule (0.9).
        b2: β₂ in [0, 1) or a schedule (0.999).
        eps: ε at least 0, in the gradient's unit (1e-8).
        weight_decay: λ at least 0 (0), decoupled as in `adamw`. If it is above 0 or traced, every update needs the
            params.
        layer_of: the blocks of leaves that `axes` does not name, see `scale_by_block_moments`. None is `by_leaf`.
        axes: blocks within leaves, see `scale_by_block_moments`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `scale_by_block_moments`.

    Raises:
        ValueError: a number out of range, missing params if there is a weight decay, a leaf that is not floating; and
            those of `scale_by_block_moments`.

    >>> optimizer = adam_mini(0.1, axes={"kernel": 0})
    >>> params = {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)}
    >>> gradients = {"kernel": jnp.array([[3.0, 1.0], [4.0, 1.0]]), "bias": jnp.array([1.0, 7.0])}
    >>> updates, state = optimizer.update(gradients, optimizer.init(params))
    >>> print([f"{u:.4f}" for u in updates["kernel"].ravel()])
    ['-0.0849', '-0.1000', '-0.1131', '-0.1000']
    """
    check_nonnegative("adam_mini", weight_decay=weight_decay)
    layer_of = by_leaf if layer_of is None else layer_of
    direction = scale_by_block_moments(b1, b2, eps, layer_of, axes=axes, stacked=stacked, axis_name=axis_name)
    decay = optax.identity() if is_exactly(weight_decay, 0) else add_decay("adam_mini", weight_decay)
    return optax.chain(direction, decay, scale_by_descent("adam_mini", learning_rate))
