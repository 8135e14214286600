r"""Cautious weight decay: it acts only on weights that the step does not grow.

$$ u' = u + \lambda\, \mathbb 1[\operatorname{sign} u \cdot \operatorname{sign} w \ge 0]\, w $$

Chen et al., Cautious Weight Decay, arXiv:2510.12402, 2025, Algorithm 1.
Symbols      u the whole update, momentum and preconditioner included, before the learning rate; w params; λ
             weight_decay.
Conventions  a weight whose u is exactly 0 decays, as in the paper and nanochat. About half of the weights decay in a
             step, and their decay is not scaled up for the others. λ can stay that of plain decay.
Elsewhere    modded-nanogpt decays where u w > 0: rows of an embedding that were in no batch keep their size there.
Units        λ has that of u over w.
Symmetries   each weight alone; flipping the signs of u and w together.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from adaptax._checks import check_floating, check_nonnegative, check_params
from adaptax._numbers import narrow, scalar, value_at, wide


def cautious_decay(u: Float[Array, "*n"], w: Float[Array, "*n"], weight_decay: ArrayLike) -> Float[Array, "*n"]:
    """Return u + λ w where the step along -u shrinks w or leaves it unchanged, else u (Algorithm 1)."""
    shrinks = jnp.sign(u) * jnp.sign(w) >= 0
    return u + jnp.where(shrinks, scalar(weight_decay, u) * w, 0)


class AddCautiousDecayState(NamedTuple):
    """State of `add_cautious_decay`."""

    count: Int[Array, ""]  # steps taken, for schedules


def add_cautious_decay(weight_decay: optax.ScalarOrSchedule) -> optax.GradientTransformationExtraArgs:
    r"""Add weight decay where the update shrinks the weight anyway; it replaces `optax.add_decayed_weights`.

    Args:
        weight_decay: λ at least 0, a number or a schedule.

    Raises:
        ValueError: a negative number, missing params, a leaf that is not real and floating (signs mean nothing in
            others).

    Put it after the direction and before the learning rate: it expects an update that points uphill. After a finished
    optimizer, whose update points downhill, it makes weights grow. `optax.masked` leaves biases out.

    >>> decay = add_cautious_decay(0.5)
    >>> w, u = jnp.array([1.0, -2.0, 0.0, 0.5]), jnp.array([0.3, 0.4, -0.2, -0.1])
    >>> updates, _ = decay.update(u, decay.init(w), w)
    >>> print(updates)
    [ 0.8  0.4 -0.2 -0.1]
    """
    check_nonnegative("add_cautious_decay", weight_decay=weight_decay)

    def init(params: PyTree) -> AddCautiousDecayState:
        check_floating("add_cautious_decay", params, real=True)
        return AddCautiousDecayState(count=jnp.zeros([], jnp.int32))

    def update(updates: PyTree, state: AddCautiousDecayState, params: PyTree = None, **extra_args: Any) -> tuple:
        del extra_args
        check_floating("add_cautious_decay", updates, real=True)
        check_params("add_cautious_decay", params)
        decay = value_at(weight_decay, state.count)

        def decayed(u: ArrayLike, w: ArrayLike) -> Array:
            return narrow(cautious_decay(wide(u), wide(w).astype(wide(u).dtype), decay), u)

        return jax.tree.map(decayed, updates, params), AddCautiousDecayState(count=optax.safe_increment(state.count))

    return optax.GradientTransformationExtraArgs(init, update)
