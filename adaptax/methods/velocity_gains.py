r"""Velocity gains: they grow while gradient and velocity agree; Jacobs' and Hinton's advice, and t-SNE's optimizer.

$$ c_t = \begin{cases} c_{t-1} + b & g_t u_{t-1} < 0 \\ c_{t-1}\, p & \text{else} \end{cases}, \qquad
   u_t = \mu\, u_{t-1} - \eta\, c_t\, g_t, \qquad \Delta w = u_t $$

Jacobs 1989, in Hinton's lecture 6d; van der Maaten & Hinton 2008 for t-SNE.
Symbols      η learning_rate; μ momentum; u velocity, which points downhill: gradient and velocity *agree* where
             g u < 0. scikit-learn had this sign inverted until 2017.
Conventions  programs treat an exact zero differently, the first step (u = 0) included; zero="decay" follows
             scikit-learn.

             | program               | rule                                                 | first step |
             | --------------------- | ---------------------------------------------------- | ---------- |
             | scikit-learn, here    | g u < 0: + 0.2, else · 0.8; at least 0.01            | 0.8        |
             | van der Maaten's      | sign g ≠ sign u: + 0.2, else · 0.8; at least 0.01    | 1.2        |
             | openTSNE              | sign g ≠ sign u: + 0.2, else · 0.8 + 0.01            | 1.2        |

Units        gains are dimensionless; invariant to the scale of the loss once η is scaled inversely.
Symmetries   each weight alone; odd in g.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PyTree

from adaptax._agreement import Zero, adapt_gain, agreement, check_gain
from adaptax._agreement import inner as inner
from adaptax._checks import check, check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._learning_rate import check_learning_rate
from adaptax._leaves import map_leaves
from adaptax._lookahead import accelerate
from adaptax._numbers import full_like, narrow, scalar, value_at, wide


def velocity_gain(
    gain: Float[Array, "*n"],
    gradient: Float[Array, "*n"],
    velocity: Float[Array, "*n"],
    bonus: ArrayLike,
    penalty: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    zero: Zero,
) -> Float[Array, "*n"]:
    """Return c_t from c_{t-1}, g_t and u_{t-1}; g and u agree where their signs differ."""
    return adapt_gain(gain, agreement(gradient, -velocity, zero), bonus, penalty, low, high)


class VelocityGainsState(NamedTuple):
    """State of `velocity_gains`."""

    count: Int[Array, ""]  # steps taken, for schedules
    gains: PyTree  # like params, float32 at least, in [low, high]; starts at 1
    velocity: PyTree  # like params, float32 at least: u, holds the learning rate; starts at 0


def velocity_gains(
    learning_rate: optax.ScalarOrSchedule,
    momentum: optax.ScalarOrSchedule,
    bonus: ArrayLike = 0.2,
    penalty: ArrayLike = 0.8,
    low: ArrayLike = 0.01,
    high: ArrayLike = jnp.inf,
    zero: Zero = "decay",
) -> optax.GradientTransformationExtraArgs:
    r"""Momentum with a gain per weight on the gradient: u = μ u - η c g.

    Args:
        learning_rate: η, a number or a schedule (t-SNE: 200, or points / exaggeration).
        momentum: μ in [0, 1), a number or a schedule (t-SNE: 0.5, then 0.8).
        bonus: added to the gain where gradient and velocity agree; at least 0.
        penalty: the gain's factor where they disagree; in [0, 1].
        low: least gain, in [0, 1].
        high: greatest gain, at least 1.
        zero: what happens if gradient or velocity is exactly 0: "decay" multiplies by the penalty (scikit-learn),
            "hold" keeps the gain (Jacobs).

    The update is the velocity: make it the last link of a chain. A gradient that is not finite enters the velocity, as
    in any momentum (guard with `optax.apply_if_finite`), but never a gain.

    Raises:
        ValueError: a number out of range, a complex or integer leaf (signs mean nothing there).

    >>> import adaptax
    >>> tsne = adaptax.velocity_gains(learning_rate=200.0, momentum=lambda step: jnp.where(step < 250, 0.5, 0.8))
    """
    check_learning_rate("velocity_gains", learning_rate)
    check_fraction("velocity_gains", momentum=momentum)
    check_nonnegative("velocity_gains", bonus=bonus)
    check("velocity_gains", "penalty", penalty, lambda v: 0 <= v <= 1, "in [0, 1]")
    check_gain("velocity_gains", low, high, zero)

    def init(params: PyTree) -> VelocityGainsState:
        check_floating("velocity_gains", params, real=True)
        return VelocityGainsState(
            count=jnp.zeros([], jnp.int32), gains=full_like(params, 1), velocity=full_like(params, 0)
        )

    def update(updates: PyTree, state: VelocityGainsState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        check_gradients("velocity_gains", updates, state.velocity, real=True)
        learning_rate_t = value_at(learning_rate, state.count)
        momentum_t = value_at(momentum, state.count)

        def rule(gradient: ArrayLike, gain: Array, u: Array) -> tuple:
            g = wide(gradient).astype(u.dtype)
            gain = velocity_gain(gain, g, u, bonus, penalty, low, high, zero)
            u = accelerate(u, gain * g, scalar(learning_rate_t, u), scalar(momentum_t, u))
            return narrow(u, gradient), gain, u

        updates, gains, velocity = map_leaves(rule, updates, state.gains, state.velocity)
        count = optax.safe_increment(state.count)
        return updates, VelocityGainsState(count=count, gains=gains, velocity=velocity)

    return optax.GradientTransformationExtraArgs(init, update)
