r"""Sign agreement: whether a weight's slope keeps its sign, and how its gain changes.

$$ a = \operatorname{sign}(g_t)\,\operatorname{sign}(g_{t-1}), \qquad
   c_t = \operatorname{clip}(a > 0: c_{t-1} + b,\; a < 0: c_{t-1}\,p,\; a = 0: c_{t-1}) $$

The signs are multiplied, not the numbers: a product of small gradients underflows to 0.
Implementations treat an exact zero (dead units, sparse gradients) differently, so the convention is an argument.

A gain is positive, so its sign bit can store the slope's sign: `pack` and `unpack` keep both in one number, exactly.
"""

import re
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, PyTree

from adaptax._checks import check, check_choice
from adaptax._inner import Inner, Settings
from adaptax._numbers import scalar
from adaptax._tags import numbered

Zero = Literal["hold", "decay"]

HIDDEN = 2.0**-64  # a packed gain is multiplied by it, exactly, where the slope has no sign: it is "hidden"
PACKED = 2.0**31  # packed gains lie between 1/PACKED and PACKED, so `unpack` can tell which are hidden


def agreement(
    current: Float[ArrayLike, "*n"],
    previous: Float[ArrayLike, "*n"],
    zero: Zero,
    known: Bool[Array, "*n"] | bool = True,
) -> Float[Array, "*n"]:
    """Return 1 where the signs of two slopes agree, -1 where they oppose, and at a zero 0 ("hold") or -1 ("decay").

    Where a slope is missing, the result is neither 1 nor -1 under both conventions: `current` is NaN, or `known` false.
    """
    product = jnp.sign(current) * jnp.sign(previous)
    return jnp.where((product == 0) & known, -1.0, product) if zero == "decay" else product


def adapt_gain(
    gain: Float[Array, "*n"],
    agreed: Float[Array, "*n"],
    bonus: ArrayLike,
    penalty: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
) -> Float[Array, "*n"]:
    """Return gain + bonus where signs agree, gain · penalty where they oppose; it stays in [low, high]."""
    bonus, penalty, low, high = (scalar(number, gain) for number in (bonus, penalty, low, high))
    # The bounds are inside the choice: XLA on CPU computes a clip at the end, and all before it, again for each reader.
    raised, lowered = jnp.minimum(gain + bonus, high), jnp.maximum(gain * penalty, low)
    return jnp.where(agreed > 0, raised, jnp.where(agreed < 0, lowered, gain))


def pack(gain: Float[Array, "*n"], slope: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return the gain with the slope's sign; hidden at a zero slope, hidden and negative at a NaN.

    >>> packed = pack(jnp.full(4, 1.5), jnp.array([7.0, -7.0, 0.0, jnp.nan]))
    >>> print(packed[:2], packed[2:] / HIDDEN)
    [ 1.5 -1.5] [ 1.5 -1.5]
    """
    magnitude = jnp.where(jnp.abs(slope) > 0, gain, gain * scalar(HIDDEN, gain))
    return jnp.where(slope >= 0, magnitude, -magnitude)


def unpack(
    packed: Float[Array, "*n"],
) -> tuple[Float[Array, "*n"], Float[Array, "*n"], Bool[Array, "*n"]]:
    """Return the gain, a number with the slope's sign (0 for none), and whether there was a slope.

    >>> gain, slope, known = unpack(pack(jnp.full(4, 1.5), jnp.array([7.0, -7.0, 0.0, jnp.nan])))
    >>> print(gain, slope, known)
    [1.5 1.5 1.5 1.5] [ 1.5 -1.5  0.   0. ] [ True  True  True False]
    """
    magnitude = jnp.abs(packed)
    hidden = magnitude < scalar(1 / PACKED / 2, packed)
    gain = jnp.where(hidden, magnitude * scalar(1 / HIDDEN, packed), magnitude)
    return gain, jnp.where(hidden, 0.0, packed), ~hidden | (packed > 0)


def _has_gains(node: object) -> bool:
    return hasattr(node, "gains")


def gains(opt_state: PyTree) -> PyTree:
    """Return the gains of the gain method in an optimizer's state, to log or plot.

    Args:
        opt_state: the state of an optimizer that has `local_gains`, `delta_bar_delta` or `velocity_gains` anywhere in
            it: in a chain, under `optax.MultiSteps`, `optax.masked`, ...

    Returns:
        A tree like params; its numbers are positive, without unit, and 1 at the start. Several gain methods give a dict
        of such trees, in the order of the state: "local_gains", …; a second one of that name is "local_gains 2".

    Raises:
        ValueError: no gain method in the state.

    >>> import adaptax
    >>> optimizer = adaptax.local_gains(0.1)
    >>> state = optimizer.init(jnp.zeros(3))
    >>> for gradient in jnp.array([[1.0, 1.0, 0.0], [2.0, -2.0, 0.0]]):
    ...     updates, state = optimizer.update(gradient, state)
    >>> print(gains(state))
    [1.05 0.95 1.  ]
    """
    found = [node for node in jax.tree.leaves(opt_state, is_leaf=_has_gains) if _has_gains(node)]
    if not found:
        raise ValueError("gains: opt_state must hold a gain method, got none.")
    names = numbered([re.sub(r"\B(?=[A-Z])", "_", type(node).__name__.removesuffix("State")).lower() for node in found])
    return found[0].gains if len(found) == 1 else {name: n.gains for name, n in zip(names, found, strict=True)}


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the gain on the learning rate."""
    del gradients, settings
    return {"gain c": gains(state)}


def check_gain(method: str, low: ArrayLike, high: ArrayLike, zero: str = "hold") -> None:
    """Raise `ValueError` for bounds that exclude the start, 1, or an unknown convention at zero."""
    check(method, "low", low, lambda v: 0 <= v <= 1, "in [0, 1], since gains start at 1")
    check(method, "high", high, lambda v: v >= 1, "at least 1, since gains start at 1")
    check_choice(method, "zero", zero, get_args(Zero))


def check_packed(method: str, low: ArrayLike, high: ArrayLike, zero: str = "hold") -> None:
    """Raise `ValueError` as `check_gain`, and for bounds that do not tell a gain from a hidden one."""
    check_gain(method, low, high, zero)
    check(method, "low", low, lambda v: v * PACKED >= 1, f"at least {1 / PACKED}")
    check(method, "high", high, lambda v: v <= PACKED, f"at most {PACKED}")
