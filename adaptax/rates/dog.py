r"""DoG: a layer's learning rate is its distance from the start, divided by the size of all its gradients.

$$ \bar r_t = \max(\bar r_{t-1}, \|w_t - w_0\|), \qquad G_t = \epsilon + \sum_{i \le t} \|g_i\|^2,
   \qquad \eta_t = \frac{\bar r_t}{\sqrt{G_t}}, \qquad \bar r_0 = \alpha\,(1 + \|w_0\|) $$

Ivgi, Hinder & Carmon, DoG is SGD's Best Friend, arXiv:2302.12022, 2023, and the authors' program.
Symbols      w params, w₀ the first ones; g gradient; r̄ the largest distance so far (`distance`); G the sum of squared
             norms (`root` is √G); α start; ε eps.
Conventions  G includes this step's gradient; the distance is measured before the step. A layer is a leaf (L-DoG); with
             `by_tree` it is the whole model (DoG). ε is added once. An infinite or NaN norm changes nothing.
Elsewhere    `optax.scale_by_distance_over_gradients` is L-DoG as well. It squares norms, so params of 1e25 in float32
             make it infinite; gives a scalar param an update of shape (1,); and rounds w₀ to float32. It does not
             average the params, nor does `contrib.dog`; the average is part of the method: `average_params`.
Units        of w over g: this rate alone is itself a learning rate. Use it with the learning rate 1.
Symmetries   rotating the weights of a layer; scaling the loss, up to ε.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from adaptax._checks import check, check_floating, check_gradients, check_nonnegative, check_params
from adaptax._layers import LayerOf, by_leaf
from adaptax._members import AxisName
from adaptax._numbers import divide, full_like, scalar, wide
from adaptax._per_layer import Layers
from adaptax._rate import Rate

PLACE = "alone"  # the rate goes around the gradient itself; `adaptax.comparison` reads this


def grow(so_far: Float[Array, "*n"], norm: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return √(√G² + ‖g‖²) without a square that could overflow; √G where the norm is not finite."""
    return jnp.where(norm < jnp.inf, jnp.hypot(so_far, norm), so_far)


def farthest(so_far: Float[Array, "*n"], distance: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return the larger distance; the previous one where the new one is not finite."""
    return jnp.where((distance > so_far) & (distance < jnp.inf), distance, so_far)


class DogState(NamedTuple):
    """State of `dog_rate`."""

    count: Int[Array, ""]  # steps taken
    start: PyTree  # like params, float32 at least: a copy of w₀, taken at the first update
    distance: Float[Array, " layers"]  # r̄
    root: Float[Array, " layers"]  # √G


def dog_rate(
    start: ArrayLike = 1e-6,
    eps: ArrayLike = 1e-8,
    layer_of: LayerOf = by_leaf,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return distance over gradients as a `Rate`, one number per layer; use it with the learning rate 1.

    Args:
        start: α above 0, the length of the first step relative to 1 + ‖w₀‖ (1e-6; with batch norm 1e-4).
        eps: ε at least 0, in the unit of g² (1e-8).
        layer_of: what a layer is: `by_leaf` (L-DoG), `by_tree` (DoG), …, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, missing params, a leaf that is not floating; and those of `layer_norms`.

    Use: `chain(scale_by_rate(dog_rate()), scale_by_learning_rate(1.0), average_params())`. It measures the gradient,
    not the direction. Around a finished optimizer such as `optax.adam(1e-3)` it multiplies a step that has its learning
    rate already. The first update copies the params into the state, so `init` needs shapes only.

    >>> rate, w = dog_rate(0.1), jnp.array([3.0, 4.0])
    >>> rates, _ = rate.measure(jnp.array([1.0, 0.0]), rate.init(w), w)
    >>> print(f"{rates:.4f}")
    0.6000
    """
    check("dog", "start", start, lambda v: v > 0, "above 0")
    check_nonnegative("dog", eps=eps)
    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> DogState:
        check_floating("dog", params)
        return DogState(
            count=jnp.zeros([], jnp.int32),
            start=full_like(params, 0),
            distance=layers.full(params, 0.0),
            root=layers.full(params, 0.0),
        )

    def measure(
        gradients: PyTree, state: DogState, params: PyTree = None, *, direction: PyTree = None, **extra_args: Any
    ) -> tuple:
        del direction, extra_args
        check_gradients("dog", gradients, state.start)
        check_params("dog", params)
        is_first = state.count == 0
        first = jax.tree.map(lambda w, w0: jnp.where(is_first, wide(w).astype(w0.dtype), w0), params, state.start)
        moved = jax.tree.map(lambda w, w0: wide(w).astype(w0.dtype) - w0, params, first)
        norm = layers.norms(first)
        distance = jnp.where(is_first, scalar(start, norm) * (1 + norm), farthest(state.distance, layers.norms(moved)))
        root = grow(jnp.where(is_first, jnp.sqrt(scalar(eps, norm)), state.root), layers.norms(gradients))
        state = DogState(count=optax.safe_increment(state.count), start=first, distance=distance, root=root)
        return layers.at_leaves(divide(distance, root), gradients), state

    return Rate(init, measure)
