r"""Random mask: in every step each layer moves with a fixed probability.

$$ r_l \sim \operatorname{Bernoulli}(p) $$

Magma, arXiv:2602.15322, 2026, after others' descriptions and programs; it also has `alignment_rate`.
Symbols      p probability; l layer.
Conventions  only the step is masked: the direction's state follows every gradient. Nothing is divided by p.
Elsewhere    SkipUpdate, the same without a score, divides by p: chain `optax.scale(1 / p)`.
Units        none.
Symmetries   layers are independent; independent of g.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from adaptax._checks import check, check_floating
from adaptax._layers import LayerOf, by_leaf
from adaptax._members import AxisName
from adaptax._per_layer import Layers
from adaptax._rate import Rate


def coins(count: Int[Array, ""], number: int, probability: ArrayLike, seed: ArrayLike) -> Float[Array, " layers"]:
    """Return 1 with the probability, else 0, for each of `number` layers; every count has new coins."""
    key = jax.random.fold_in(jax.random.key(seed), count)
    return jax.random.bernoulli(key, probability, (number,)).astype(float)


class RandomMaskState(NamedTuple):
    """State of `random_mask_rate`."""

    count: Int[Array, ""]  # steps taken


def random_mask_rate(
    probability: ArrayLike = 0.5,
    seed: ArrayLike = 0,
    layer_of: LayerOf = by_leaf,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return a random mask as a `Rate`, 1 or 0 per layer and step.

    Args:
        probability: p in (0, 1], with which a layer moves in a step (0.5).
        seed: an integer; masks with the same seed are the same, on every device and in every member of a `vmap`.
        layer_of: what a layer is: `by_leaf`, `by_parent`, …, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, each slice is masked alone, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating; and those of `layer_norms`.

    Around a finished optimizer such as `optax.adam(1e-3)` it also masks whole steps.

    >>> rate = random_mask_rate()
    >>> state = rate.init(jnp.zeros(2))
    >>> for _ in range(5):
    ...     rates, state = rate.measure(jnp.ones(2), state)
    ...     assert rates in (0.0, 1.0)
    >>> print(state.count)
    5
    """
    check("random_mask", "probability", probability, lambda v: 0 < v <= 1, "in (0, 1]")
    check("random_mask", "seed", seed, lambda v: v == int(v) and v >= 0, "an integer that is at least 0")
    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> RandomMaskState:
        check_floating("random_mask", params)
        layers.number(params)  # raises errors of the layers
        return RandomMaskState(count=jnp.zeros([], jnp.int32))

    def measure(
        gradients: PyTree, state: RandomMaskState, params: PyTree = None, *, direction: PyTree = None, **extra_args: Any
    ) -> tuple:
        del params, direction, extra_args
        check_floating("random_mask", gradients)
        tossed = coins(state.count, layers.number(gradients), probability, seed)
        return layers.at_leaves(tossed, gradients), RandomMaskState(count=optax.safe_increment(state.count))

    return Rate(init, measure)
