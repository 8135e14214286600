r"""Update floor: no layer moves by less than a fixed fraction of its weights.

$$ r_l = \max\left(1, \rho\, \frac{\|w_l\|}{\|u_l\|}\right) $$

modded-nanogpt's speedrun of GPT-2, records of 2026 (pull requests 274 and 328), around Muon without weight decay.
Symbols      w params; u direction; ρ floor; l layer, there one matrix. With learning rate η, ‖Δw‖ ≥ η ρ ‖w‖.
Conventions  at ‖w‖ = 0, at ‖u‖ = 0 and where a norm is infinite or NaN the rate is 1.
Elsewhere    the record's script floors both norms at 1e-8: only the results for smaller norms differ. Its readme
             says that the ratio is clamped to ρ; the code has a floor and no ceiling. Its row form has one norm per
             output unit.
Units        ρ has that of w over that of u. A tiny u may be noise, and yet becomes as long as any other: a risk with
             directions whose size tells how certain they are.
Symmetries   rotating the weights of a layer; layers are independent.
"""

from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import PyTree

from adaptax._checks import check_floating, check_nonnegative, check_params
from adaptax._layers import LayerOf, by_leaf
from adaptax._members import AxisName
from adaptax._numbers import scalar
from adaptax._per_layer import Layers
from adaptax._rate import Rate
from adaptax.rates.trust_ratio import relative_rate


def update_floor_rate(
    floor: ArrayLike = 0.35,
    layer_of: LayerOf = by_leaf,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> Rate:
    r"""Return the floor under the relative update as a `Rate`, one number per layer and at least 1, without state.

    Args:
        floor: ρ at least 0, the least length of u relative to the weights (0.35, later 0.3825).
        layer_of: what a layer is: `by_leaf`, as published, `by_parent`, …, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: a number out of range, missing params, a leaf that is not floating; and those of `layer_norms`.

    Around a finished optimizer such as `optax.adam(1e-3)`, whose output holds the learning rate, the floor is under the
    step itself: ρ is then the least relative step, and 0.35 is far too large.

    >>> rate = update_floor_rate()
    >>> params, u = {"w": jnp.array([3.0, 4.0])}, {"w": jnp.array([0.6, 0.8])}
    >>> rates, _ = rate.measure(u, rate.init(params), params, direction=u)
    >>> print(rates["w"])
    1.75
    """
    check_nonnegative("update_floor", floor=floor)
    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> tuple:
        check_floating("update_floor", params)
        return ()

    def measure(
        gradients: PyTree, state: tuple, params: PyTree = None, *, direction: PyTree, **extra_args: Any
    ) -> tuple:
        del gradients, extra_args
        check_params("update_floor", params)
        norm_w = layers.norms(params)
        rates = jnp.maximum(relative_rate(scalar(floor, norm_w) * norm_w, layers.norms(direction)), 1)
        return layers.at_leaves(rates, direction), state

    return Rate(init, measure)
