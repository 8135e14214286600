r"""Sign agreement: does a weight's slope keep its direction, and what that does to its gain.

$$ a = \operatorname{sign}(g_t)\,\operatorname{sign}(g_{t-1}), \qquad
   c_t = \operatorname{clip}(a > 0: c_{t-1} + b,\; a < 0: c_{t-1}\,p,\; a = 0: c_{t-1}) $$

Signs are multiplied, never the numbers: a product of small gradients underflows and would read as "no change".
Implementations differ in what an exact zero does (dead units, sparse gradients), so the convention is an argument.
"""

from typing import Literal, get_args

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int8

from adaptax._checks import check
from adaptax._numbers import scalar

Zero = Literal["hold", "decay"]
NO_SIGN = 2  # there is no gradient to speak of: before the first step, or after a NaN


def sign_of(x: Float[ArrayLike, "*n"]) -> Int8[Array, "*n"]:
    """Return -1, 0 or 1, and `NO_SIGN` for NaN, in one byte.

    >>> print(sign_of(jnp.array([-3.0, 0.0, jnp.inf, jnp.nan])))
    [-1  0  1  2]
    """
    x = jnp.asarray(x)
    return jnp.where(jnp.isnan(x), NO_SIGN, (x > 0).astype(jnp.int8) - (x < 0).astype(jnp.int8)).astype(jnp.int8)


def agreement(current: Int8[Array, "*n"], previous: Int8[Array, "*n"], zero: Zero) -> Int8[Array, "*n"]:
    """Return 1 where two signs agree, -1 where they oppose, and at a zero 0 ("hold") or -1 ("decay").

    Where either is `NO_SIGN` nothing is known, and the answer is 0 under both conventions.
    """
    product = current * previous
    if zero == "decay":
        product = jnp.where(product == 0, jnp.int8(-1), product)
    return jnp.where((current == NO_SIGN) | (previous == NO_SIGN), jnp.int8(0), product)


def adapt_gain(
    gain: Float[Array, "*n"],
    agreed: Int8[Array, "*n"],
    bonus: ArrayLike,
    penalty: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
) -> Float[Array, "*n"]:
    """Return gain + bonus where signs agree, gain · penalty where they oppose, kept within [low, high]."""
    bonus, penalty, low, high = (scalar(number, gain) for number in (bonus, penalty, low, high))
    moved = jnp.where(agreed > 0, gain + bonus, jnp.where(agreed < 0, gain * penalty, gain))
    return jnp.minimum(jnp.maximum(moved, low), high)


def check_gain(method: str, low: ArrayLike, high: ArrayLike, zero: str = "hold") -> None:
    """Raise `ValueError` for bounds that exclude the start, 1, or an unknown convention at zero."""
    check(method, "low", low, lambda v: 0 <= v <= 1, "in [0, 1], for gains start at 1")
    check(method, "high", high, lambda v: v >= 1, "at least 1, for gains start at 1")
    if zero not in get_args(Zero):
        raise ValueError(f"{method}: zero must be one of {get_args(Zero)}, got {zero!r}.")
