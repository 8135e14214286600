r"""Hinton's local gains: a gain per weight that grows while its slope keeps its sign.

$$ \Delta w = -\eta\, c_t\, g_t, \qquad c_0 = 1, \qquad
   c_t = \begin{cases} c_{t-1} + b & g_t g_{t-1} > 0 \\ c_{t-1}\, p & g_t g_{t-1} < 0 \end{cases} $$

Hinton, Neural Networks for Machine Learning (Coursera 2012), lecture 6d; article 000 (habr 157179).
Symbols      η learning_rate; c gain; b bonus; p penalty; g gradient.
Conventions  c_t uses g_t itself (`optax.rprop` 0.2.8 is one step late). The lecture's *else* also decays at an exact
             zero (zero="decay"); the default holds, as Jacobs and Rprop do, so dead units keep their gain. The first
             step has c = 1 under both.
Elsewhere    OpenANN and the trainer of article 000's author reward *disagreement*: the inverted rule.
Units        gains are dimensionless; invariant to the scale of the loss.
Symmetries   each weight alone; flipping the sign of all its gradients; scaling each gradient by a positive number.
Good for     full or large batches: with b + p = 1 random signs drive a gain back to 1, but make it noisy.
"""

from typing import Any, NamedTuple

import jax
import optax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, PyTree

from adaptax._agreement import HIDDEN, Zero, adapt_gain, agreement, check_packed, pack, unpack
from adaptax._agreement import inner as inner
from adaptax._checks import check, check_floating, check_gradients, check_nonnegative
from adaptax._learning_rate import scale_by_descent
from adaptax._leaves import map_leaves_rounding
from adaptax._numbers import full_like, wide, wide_dtype
from adaptax._rate import Rate, scale_by_rate
from adaptax._rounding import check_state_dtype, first_dither, keep, next_dither, stored_as


def local_gain(
    packed: Float[Array, "*n"],
    gradient: Float[Array, "*n"],
    bonus: ArrayLike,
    penalty: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    zero: Zero,
) -> Float[Array, "*n"]:
    """Return c_t with the sign of g_t, from c_{t-1} with the sign of g_{t-1} (lecture 6d)."""
    gain, previous, known = unpack(packed)
    return pack(adapt_gain(gain, agreement(gradient, previous, zero, known), bonus, penalty, low, high), gradient)


class LocalGainsState(NamedTuple):
    """State of `local_gains_rate`: four bytes per weight, or two; `gains(opt_state)` reads it."""

    packed: PyTree  # like params, float32 at least: gain in [low, high] and sign of the previous gradient, see `pack`
    dither: Any = ()  # the seed of the rounding of gains, if they are rounded

    @property
    def gains(self) -> PyTree:
        """The gains alone."""
        return jax.tree.map(lambda packed: unpack(wide(packed))[0], self.packed)


def local_gains_rate(
    bonus: ArrayLike = 0.05,
    penalty: ArrayLike = 0.95,
    low: ArrayLike = 0.1,
    high: ArrayLike = 10.0,
    zero: Zero = "hold",
    state_dtype: DTypeLike | None = None,
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
    check_packed("local_gains", low, high, zero)
    check_state_dtype("local_gains", state_dtype)

    def init(params: PyTree) -> LocalGainsState:
        check_floating("local_gains", params, real=True)
        none_before = full_like(params, -HIDDEN, stored_as(state_dtype, wide_dtype))  # gain 1
        return LocalGainsState(packed=none_before, dither=first_dither(state_dtype))

    def measure(gradients: PyTree, state: LocalGainsState, params: Any = None, *, direction: Any = None, **_: Any):
        del params, direction
        check_gradients("local_gains", gradients, state.packed, real=True)

        def rule(gradient: ArrayLike, before: Array, seed: Array | None) -> tuple:
            before = wide(before)
            packed = keep(
                local_gain(before, wide(gradient).astype(before.dtype), bonus, penalty, low, high, zero), seed
            )
            return unpack(wide(packed))[0], packed

        rates, packed = map_leaves_rounding(rule, state.dither, gradients, state.packed)
        return rates, LocalGainsState(packed=packed, dither=next_dither(state.dither))

    return Rate(init, measure, bounds=(low, high))


def local_gains(
    learning_rate: optax.ScalarOrSchedule,
    bonus: ArrayLike = 0.05,
    penalty: ArrayLike = 0.95,
    low: ArrayLike = 0.1,
    high: ArrayLike = 10.0,
    zero: Zero = "hold",
    *,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Gradient descent with a gain per weight: Δw = -η c g.

    Args:
        learning_rate: η, a number or a schedule; a rate that is good for plain descent is good here.
        bonus: added to the gain where the gradient keeps its sign; at least 0 (lecture: 0.05).
        penalty: the gain's factor where the gradient changes sign; in [0, 1] (0.95). With bonus + penalty = 1, random
            signs keep the gain near 1.
        low: least gain, in [0, 1] (0.1; the lecture also names 0.01).
        high: greatest gain, at least 1 (10; also 100).
        zero: what happens if the gradient or the previous one is exactly 0: "hold" keeps the gain, "decay" multiplies
            it by the penalty, as the lecture's literal *else* does.
        state_dtype: "bfloat16" keeps gain and sign in two bytes: a gain that changes is rounded stochastically, by up
            to 1/128 of itself, even beyond its bounds. None: four bytes, exact.

    Raises:
        ValueError: a number out of range, a complex or integer leaf (signs mean nothing there).

    >>> import adaptax
    >>> optimizer = adaptax.local_gains(learning_rate=0.01, low=0.01, high=100.0)
    """
    return optax.chain(
        scale_by_rate(local_gains_rate(bonus, penalty, low, high, zero, state_dtype)),
        scale_by_descent("local_gains", learning_rate),
    )
