r"""Hinton's local gains: a gain per weight that grows while its slope keeps its sign.

$$ \Delta w = -\eta\, c_t\, g_t, \qquad c_0 = 1, \qquad
   c_t = \begin{cases} c_{t-1} + b & g_t g_{t-1} > 0 \\ c_{t-1}\, p & g_t g_{t-1} < 0 \end{cases} $$

Hinton, Neural Networks for Machine Learning (Coursera 2012), lecture 6d; article 000 (habr 157179).
Symbols      η learning_rate; c gain; b bonus; p penalty; g gradient.
Conventions  c_t uses g_t itself, no step late (`optax.rprop` 0.2.8 emits the step of the gradient before). The
             lecture's *else* also decays at an exact zero (zero="decay"); the default holds, as Jacobs and Rprop do,
             so that dead units keep their gain. The first step has c = 1 under both.
Elsewhere    OpenANN and the trainer of article 000's author reward *disagreement*: the inverted rule.
Units        gains are dimensionless; invariant to the scale of the loss.
Symmetries   each weight alone; flipping the sign of all its gradients; scaling each gradient by a positive number.
Good for     full batches or large ones: with b + p = 1 random signs drive a gain back to 1, yet make noise of it.
"""

from typing import Any, NamedTuple

import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int8, PyTree

from adaptax._agreement import NO_SIGN, Zero, adapt_gain, agreement, check_gain, sign_of
from adaptax._checks import check, check_floating, check_nonnegative, scale_by_descent
from adaptax._numbers import full_like, map_leaves
from adaptax._rate import Rate, scale_by_rate


def local_gain(
    gain: Float[Array, "*n"],
    current: Int8[Array, "*n"],
    previous: Int8[Array, "*n"],
    bonus: ArrayLike,
    penalty: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    zero: Zero,
) -> Float[Array, "*n"]:
    """Return c_t from c_{t-1} and the signs of g_t and g_{t-1} (lecture 6d, "One way to determine the gains")."""
    return adapt_gain(gain, agreement(current, previous, zero), bonus, penalty, low, high)


class LocalGainsState(NamedTuple):
    """State of `local_gains_rate`, five bytes per weight."""

    gains: PyTree  # like params, float32 at least, in [low, high]; starts at 1
    previous: PyTree  # like params, int8: sign of the gradient before, NO_SIGN before the first and after a NaN


def local_gains_rate(
    bonus: ArrayLike = 0.05,
    penalty: ArrayLike = 0.95,
    low: ArrayLike = 0.1,
    high: ArrayLike = 10.0,
    zero: Zero = "hold",
) -> Rate:
    """Return Hinton's gains as a `Rate`; arguments and errors as `local_gains`.

    >>> import jax.numpy as jnp
    >>> rate = local_gains_rate()
    >>> state = rate.init(jnp.zeros(3))
    >>> for gradient in jnp.array([[1.0, 1.0, 0.0], [2.0, -2.0, 0.0]]):
    ...     gains, state = rate.measure(gradient, state)
    >>> print(gains)
    [1.05 0.95 1.  ]
    """
    check_nonnegative("local_gains", bonus=bonus)
    check("local_gains", "penalty", penalty, lambda v: 0 <= v <= 1, "in [0, 1]")
    check_gain("local_gains", low, high, zero)

    def init(params: PyTree) -> LocalGainsState:
        check_floating("local_gains", params, real=True)
        return LocalGainsState(gains=full_like(params, 1), previous=full_like(params, NO_SIGN, lambda _: "int8"))

    def measure(gradients: PyTree, state: LocalGainsState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args

        def leaf(gradient: ArrayLike, gain: Array, previous: Array) -> tuple:
            current = sign_of(gradient)
            return local_gain(gain, current, previous, bonus, penalty, low, high, zero), current

        gains, signs = map_leaves("local_gains", leaf, 2, gradients, state.gains, state.previous, real=True)
        return gains, LocalGainsState(gains=gains, previous=signs)

    return Rate(init, measure)


def local_gains(
    learning_rate: optax.ScalarOrSchedule,
    bonus: ArrayLike = 0.05,
    penalty: ArrayLike = 0.95,
    low: ArrayLike = 0.1,
    high: ArrayLike = 10.0,
    zero: Zero = "hold",
) -> optax.GradientTransformationExtraArgs:
    r"""Gradient descent with a gain per weight: Δw = -η c g.

    Args:
        learning_rate: η, a number or a schedule; a good one for plain descent is a good one here.
        bonus: added to the gain where the gradient keeps its sign; at least 0 (lecture: .05).
        penalty: the gain's factor where it changes sign; in [0, 1] (.95). bonus + penalty = 1 has random signs hover
            around gain 1.
        low: least gain, in [0, 1] (.1; the lecture also names .01).
        high: greatest gain, at least 1 (10; also 100).
        zero: what an exactly zero gradient, now or before, does: "hold" keeps the gain, "decay" multiplies it by the
            penalty, the lecture's literal *else*.

    Raises:
        ValueError: a number out of range, a complex or integer leaf (signs mean nothing there).

    >>> import adaptax
    >>> optimizer = adaptax.local_gains(learning_rate=0.01, low=0.01, high=100.0)
    """
    return optax.chain(
        scale_by_rate(local_gains_rate(bonus, penalty, low, high, zero)),
        scale_by_descent("local_gains", learning_rate),
    )
