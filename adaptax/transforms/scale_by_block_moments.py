r"""One second moment per block: Adam's direction at half its memory.

$$ v_b \leftarrow \beta_2 v_b + (1 - \beta_2)\, \operatorname{mean}_{i \in b} g_i^2, \qquad
   u_i = \frac{\hat m_i}{\sqrt{\hat v_b} + \epsilon} $$

Zhang et al., Adam-mini, arXiv:2406.16793, 2024, and the authors' program 1.1.1.
Symbols      g gradient; m moving average of g, hats correct for the start at 0; v that of its mean square in block b; β
             b1 and b2.
Conventions  a block is a layer, or a part of a leaf: the mean is over the given axes, which leave one number per output
             unit, token or head. Correction, root and ε come in Adam's order; without any gradient, the step is 0.
Elsewhere    levanter's keeps v at full size, so that no memory is saved. kozistr's steps embeddings as plain Adam.
             The authors find blocks by the parameter's name; too large blocks make large transformers unstable.
Units        none, but for ε, which has that of g.
Symmetries   permuting the weights of a block; odd in g; invariant to the scale of g up to ε.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Inexact, PyTree

from adaptax._block_axes import Axes, block_axes
from adaptax._checks import check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._layers import LayerOf, by_leaf
from adaptax._members import AxisName
from adaptax._moments import corrections, ema, log_decay
from adaptax._numbers import divide, full_like, is_positive, narrow, real_dtype, scalar, value_at, wide
from adaptax._per_layer import Layers
from adaptax._powers import abs_power, safe_sqrt


def block_step(
    m: Inexact[Array, "*n"], v: Float[Array, "..."], factor: Array, eps: ArrayLike, unit: Array
) -> Inexact[Array, "*n"]:
    """Return m̂ / (√v̂ + ε), both corrections in one factor and in the unit of ε."""
    size = safe_sqrt(v) + scalar(scalar(eps, unit) * unit, v)
    return divide(scalar(factor, m) * m, size, is_positive(eps))


class ScaleByBlockMomentsState(NamedTuple):
    """State of `scale_by_block_moments`: 4 bytes a weight, and 4 a block."""

    count: Array  # steps taken, for schedules
    log_decay_1: Float[Array, ""]  # sum of log b1 over the steps taken
    log_decay_2: Float[Array, ""]  # the same of b2
    m: PyTree  # like params, float32 at least: moving average of g
    v: PyTree  # at each leaf the moving averages of its blocks' mean squares, of a shape that broadcasts to the leaf


def scale_by_block_moments(
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 1e-8,
    layer_of: LayerOf = by_leaf,
    *,
    axes: Mapping[str, Axes] | None = None,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Divide the average gradient by the root mean square of its block.

    Args:
        b1: β₁ in [0, 1) or a schedule (0.9).
        b2: β₂ in [0, 1) or a schedule (0.999).
        eps: ε at least 0, in the gradient's unit (1e-8).
        layer_of: the blocks of leaves that `axes` does not name: `by_leaf`, one per leaf, `by_parent`, …
        axes: blocks within leaves, as {regular expression: axes to take the mean over}; the first that matches a
            leaf's path counts. In a stacked leaf, axes are those of a slice. A Flax kernel (in, out) has one block per
            output unit with {"kernel": 0}, an embedding (tokens, width) one per token with {"embedding": 1}, a kernel
            (in, heads, width) one per head with {"query": (0, 2)}.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`. A leaf that
            `axes` names must be whole there; under plain `jit` it may be sharded freely.

    Raises:
        ValueError: a number out of range, a leaf that is not floating, a pattern of `axes` that is the first match
            of no leaf, an axis that a leaf does not have, a leaf of `axes` that is sharded inside `shard_map`; and as
            `layer_norms`.

    >>> direction = scale_by_block_moments()
    >>> updates, _ = direction.update(jnp.array([3.0, 4.0]), direction.init(jnp.zeros(2)))
    >>> print([f"{u:.4f}" for u in updates])
    ['0.8485', '1.1314']
    """
    method = "scale_by_block_moments"
    check_fraction(method, b1=b1)
    check_fraction(method, b2=b2)
    check_nonnegative(method, eps=eps)
    layers = Layers(layer_of, stacked, axis_name)

    def mean_squares(gradients: PyTree, over: list[tuple[int, ...] | None]) -> PyTree:
        leaves, structure = jax.tree.flatten(gradients)
        squares = [abs_power(wide(leaf), 2) for leaf in leaves]
        in_layers = layers.only(structure.unflatten(squares), [at is None for at in over])
        of_layers = jax.tree.leaves(layers.at_leaves(layers.means(in_layers), gradients))
        means = [
            scalar(of_layer, square) if at is None else jnp.mean(square, at, keepdims=True)
            for at, square, of_layer in zip(over, squares, of_layers, strict=True)
        ]
        return structure.unflatten(means)

    def init(params: PyTree) -> ScaleByBlockMomentsState:
        check_floating(method, params)
        means = jax.eval_shape(lambda p: mean_squares(p, block_axes(method, p, axes, stacked)), params)
        return ScaleByBlockMomentsState(
            count=jnp.zeros([], jnp.int32),
            log_decay_1=jnp.zeros([], float),
            log_decay_2=jnp.zeros([], float),
            m=full_like(params, 0),
            v=full_like(means, 0, real_dtype),
        )

    def update(updates: PyTree, state: ScaleByBlockMomentsState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        check_gradients(method, updates, state.m)
        b1_t, b2_t = value_at(b1, state.count), value_at(b2, state.count)
        logs_1, logs_2 = state.log_decay_1 + log_decay(b1_t), state.log_decay_2 + log_decay(b2_t)
        factors = corrections(b1_t, b1_t, logs_1, logs_2, 2.0, False)
        means = mean_squares(updates, block_axes(method, updates, axes, stacked))
        m = jax.tree.map(lambda m, g: ema(m, wide(g).astype(m.dtype), b1_t), state.m, updates)
        v = jax.tree.map(lambda v, mean: ema(v, mean.astype(v.dtype), b2_t), state.v, means)

        def step(g: ArrayLike, m: Array, v: Array) -> Array:
            return narrow(block_step(m, v, factors.m, eps, factors.unit), g)

        return jax.tree.map(step, updates, m, v), ScaleByBlockMomentsState(
            count=optax.safe_increment(state.count), log_decay_1=logs_1, log_decay_2=logs_2, m=m, v=v
        )

    return optax.GradientTransformationExtraArgs(init, update)
