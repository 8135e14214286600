r"""Jacobs' delta-bar-delta: a gain per weight grows while the gradient agrees with its average.

$$ \Delta w = -\eta\, c_t\, \delta_t, \qquad
   c_t = \begin{cases} c_{t-1} + \kappa & \bar\delta_{t-1} \delta_t > 0 \\
                       c_{t-1} (1 - \phi) & \bar\delta_{t-1} \delta_t < 0 \\ c_{t-1} & \text{else} \end{cases}, \qquad
   \bar\delta_t = (1 - \theta)\, \delta_t + \theta\, \bar\delta_{t-1} $$

Jacobs, Increased rates of convergence through learning rate adaptation, Neural Networks 1, 1988, eqs. (3)-(4).
Symbols      η learning_rate; c gain; δ gradient; δ̄ its average (`average`); κ, φ, θ as in the paper.
Conventions  Jacobs adapts the rate itself; here it is the gain on a rate, without a unit, so κ is in units of
             `learning_rate`. The average is compared before it takes in the new gradient. There is no momentum, and by
             default no bound. A gradient that is not finite is left out of the average, which would never recover.
             The defaults are ensmallen's, which cites the paper; Jacobs tunes κ, φ, θ to each task.
Symmetries   each weight alone; flipping the sign of all its gradients; scaling all of them by one positive number.
"""

from math import inf
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._agreement import adapt_gain, agreement, check_gain, gains
from adaptax._checks import check, check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._inner import Inner, Settings, find
from adaptax._learning_rate import scale_by_descent
from adaptax._leaves import map_leaves
from adaptax._moments import ema
from adaptax._numbers import full_like, wide
from adaptax._platform import by_platform
from adaptax._rate import Rate, scale_by_rate


def delta_bar_gain(
    gain: Float[Array, "*n"],
    delta: Float[Array, "*n"],
    average: Float[Array, "*n"],
    kappa: ArrayLike,
    phi: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
) -> Float[Array, "*n"]:
    """Return c_t from c_{t-1}, δ_t and δ̄_{t-1} (Jacobs 1988, eq. 3)."""
    return adapt_gain(gain, agreement(delta, average, "hold"), kappa, 1 - phi, low, high)


class DeltaBarDeltaState(NamedTuple):
    """State of `delta_bar_delta_rate`."""

    gains: PyTree  # like params, float32 at least, in [low, high]; starts at 1
    average: PyTree  # like params, float32 at least: δ̄, starts at 0


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the gain, and the averaged gradient that is compared with the next gradient."""
    del gradients, settings
    return {"gain c": gains(state), "averaged gradient δ̄": find(state, DeltaBarDeltaState).average}


def delta_bar_delta_rate(
    kappa: ArrayLike = 0.2, phi: ArrayLike = 0.2, theta: ArrayLike = 0.5, low: ArrayLike = 0.0, high: ArrayLike = inf
) -> Rate:
    """Return Jacobs' gains as a `Rate`; arguments and errors as `delta_bar_delta`.

    >>> rate = delta_bar_delta_rate()
    >>> state = rate.init(jnp.zeros(2))
    >>> for gradient in jnp.array([[1.0, 1.0], [2.0, -2.0]]):
    ...     gains, state = rate.measure(gradient, state)
    >>> print(gains)
    [1.2 0.8]
    """
    check_nonnegative("delta_bar_delta", kappa=kappa)
    check("delta_bar_delta", "phi", phi, lambda v: 0 <= v <= 1, "in [0, 1]")
    check_fraction("delta_bar_delta", theta=theta)
    check_gain("delta_bar_delta", low, high)

    def init(params: PyTree) -> DeltaBarDeltaState:
        check_floating("delta_bar_delta", params, real=True)
        return DeltaBarDeltaState(gains=full_like(params, 1), average=full_like(params, 0))

    def measure(gradients: PyTree, state: DeltaBarDeltaState, params: Any = None, *, direction: Any = None, **_: Any):
        del params, direction
        check_gradients("delta_bar_delta", gradients, state.gains, real=True)

        def adapted(delta: Array, gain: Array, average: Array) -> Array:
            return delta_bar_gain(gain, delta, average, kappa, phi, low, high)

        def averaged(delta: Array, average: Array, counts: Array | bool = True) -> Array:
            return jnp.where(jnp.isfinite(delta) & counts, ema(average, delta, theta), average)

        # Gain and average overwrite their arguments. Neither is ever NaN; the tests for NaN set the order of the loops.
        # XLA on CPU has a loop for each, and must copy the average unless the gain is computed first.
        # On accelerators one loop can write both and the update, but only if the update waits for the average.
        def gain_first(delta: Array, gain: Array, average: Array) -> tuple:
            gain = adapted(delta, gain, average)
            return gain, averaged(delta, average, counts=~jnp.isnan(gain))

        def average_first(delta: Array, gain: Array, average: Array) -> tuple:
            after = averaged(delta, average)
            return jnp.where(jnp.isnan(after), gain, adapted(delta, gain, average)), after

        def rule(gradient: ArrayLike, gain: Array, average: Array) -> tuple:
            delta = wide(gradient).astype(average.dtype)
            gain, average = by_platform(gain_first, average_first, delta, gain, average)
            return gain, gain, average

        rates, gains, average = map_leaves(rule, gradients, state.gains, state.average)
        return rates, DeltaBarDeltaState(gains=gains, average=average)

    return Rate(init, measure, bounds=(low, high))


def delta_bar_delta(
    learning_rate: optax.ScalarOrSchedule,
    kappa: ArrayLike = 0.2,
    phi: ArrayLike = 0.2,
    theta: ArrayLike = 0.5,
    low: ArrayLike = 0.0,
    high: ArrayLike = inf,
) -> optax.GradientTransformationExtraArgs:
    r"""Gradient descent with Jacobs' gain per weight: Δw = -η c δ.

    Args:
        learning_rate: η, a number or a schedule: the rate every weight starts with.
        kappa: κ at least 0, added to the gain where gradient and average agree in sign.
        phi: φ in [0, 1], the share the gain loses where they disagree.
        theta: θ in [0, 1), decay of the gradient's average.
        low: least gain, in [0, 1].
        high: greatest gain, at least 1.

    Raises:
        ValueError: a number out of range, a complex or integer leaf (signs mean nothing there).

    >>> import adaptax
    >>> optimizer = adaptax.delta_bar_delta(learning_rate=0.01, kappa=0.05)
    """
    rate = delta_bar_delta_rate(kappa, phi, theta, low, high)
    return optax.chain(scale_by_rate(rate), scale_by_descent("delta_bar_delta", learning_rate))
