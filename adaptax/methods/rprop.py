r"""Rprop: every weight has its own step size, which grows while its slope keeps its sign; the slope's size is ignored.

$$ \Delta_t = \operatorname{clip}(g_t g_{t-1} > 0: 1.2\, \Delta_{t-1},\; < 0: 0.5\, \Delta_{t-1},\; = 0: \Delta_{t-1}),
   \qquad \Delta w = -\operatorname{sign}(g_t)\, \Delta_t $$

Riedmiller & Braun, A Direct Adaptive Method for Faster Backpropagation Learning, ICNN 1993; Igel & Hüsken, Improving
the Rprop Learning Algorithm, NC 2000. Its variants differ where a sign changes: Rprop- steps with the smaller Δ; the
others forget the sign, and iRprop- rests, Rprop+ takes the last step back, iRprop+ does so if the loss has risen.
Symbols      g gradient; Δ step size, Δ_0 the learning rate; as a rate it is Δ_t / Δ_0.
Conventions  bounds are relative to Δ_0: the paper's 1e-6 and 50 are 1e-5 and 500 of its 0.1. A weight without a slope
             rests and forgets its sign; NaN counts as none.
Elsewhere    `optax.rprop` is a step late: no first step, and no step for two steps where a sign changes. PyTorch's is
             iRprop-, but by products of slopes: 0 for two of 1e-25. Shark's iRprop- steps where the paper rests.
Symmetries   each weight alone; odd in g; invariant to the scale of g. Full batches only: noise changes signs.
"""

from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._agreement import HIDDEN, check_packed, pack, unpack
from adaptax._agreement import inner as inner
from adaptax._checks import check, check_choice, check_floating, check_gradients, check_loss
from adaptax._learning_rate import scale_by_descent
from adaptax._leaves import map_leaves
from adaptax._numbers import full_like, scalar, wide
from adaptax._rate import Rate, rescale

Variant = Literal["irprop-", "irprop+", "rprop-", "rprop+"]
PLACE = "alone"  # the rate goes around the sign of the gradient; `adaptax.comparison` reads this


def resilient(
    size: Float[Array, "*n"], slope: Float[Array, "*n"], before: Float[Array, "*n"], undo: Any, *numbers: ArrayLike
) -> tuple[Float[Array, "*n"], Float[Array, "*n"], Float[Array, "*n"]]:
    """Return Δ_t / Δ_0, the rate, and the slope to store; `undo` at a turn: True undoes, False rests, None goes on."""
    increase, decrease, low, high = (scalar(number, size) for number in numbers)
    agreed = jnp.sign(slope) * jnp.sign(before)  # NaN is neither above nor below 0; for `pack` it is no slope
    new = jnp.where(agreed > 0, jnp.minimum(size * increase, high), size)
    new = jnp.where(agreed < 0, jnp.maximum(size * decrease, low), new)
    if undo is None:
        return new, new, slope
    rate = jnp.where(agreed < 0, jnp.where(jnp.asarray(undo), size, 0), new)  # the old size along the new sign
    return new, rate, jnp.where(agreed < 0, 0, slope)


class RpropState(NamedTuple):
    """State of `rprop_rate`; `gains(opt_state)` reads it."""

    packed: PyTree  # like params, float32 at least: Δ_t / Δ_0 and the slope's sign, hidden where it is forgotten
    loss: Any  # the previous one, for iRprop+; () for the others

    @property
    def gains(self) -> PyTree:
        """The step sizes alone, relative to the learning rate."""
        return jax.tree.map(lambda packed: unpack(packed)[0], self.packed)


def rprop_rate(
    variant: Variant = "irprop-",
    increase: ArrayLike = 1.2,
    decrease: ArrayLike = 0.5,
    low: ArrayLike = 1e-5,
    high: ArrayLike = 500.0,
) -> Rate:
    """Return Rprop's step sizes as a `Rate` around the gradient's sign; arguments and errors are those of `rprop`.

    Taking a step back is exact only without momentum and other rates, and at a constant learning rate. Around a
    finished optimizer such as `optax.adam(1e-3)` the rate multiplies the steps of that optimizer.

    >>> state = (rate := rprop_rate()).init(jnp.zeros([]))
    >>> for g in (1.0, 1.0, -1.0, 1.0):
    ...     rates, state = rate.measure(jnp.float32(g), state)
    >>> print(rates)
    0.6
    """
    check_choice("rprop", "variant", variant, get_args(Variant))
    check("rprop", "increase", increase, lambda v: v >= 1, "at least 1")
    check("rprop", "decrease", decrease, lambda v: 0 < v <= 1, "in (0, 1]")
    check_packed("rprop", low, high)

    def init(params: PyTree) -> RpropState:
        check_floating("rprop", params, real=True)
        return RpropState(full_like(params, HIDDEN), jnp.full([], jnp.inf, float) if variant == "irprop+" else ())

    def measure(
        gradients: PyTree, state: RpropState, params: Any = None, *, direction: Any = None, value: Any = None, **_: Any
    ) -> tuple:
        del params, direction
        check_gradients("rprop", gradients, state.packed, real=True)
        loss, undo = (), {"irprop-": False, "rprop+": True}.get(variant)
        if variant == "irprop+":
            check_loss("rprop", value)
            undo = (loss := jnp.asarray(value, state.loss.dtype)) > state.loss

        def rule(gradient: ArrayLike, packed: Array) -> tuple:
            size, before, _ = unpack(packed)
            slope = wide(gradient).astype(size.dtype)
            size, rate, slope = resilient(size, slope, before, undo, increase, decrease, low, high)
            packed = pack(size, slope)
            # The rate is read from the new state if possible: then TPUs need one pass in half precision, too.
            return jnp.where(unpack(packed)[1] == 0, 0, unpack(packed)[0]) if undo is False else rate, packed

        rates, packed = map_leaves(rule, gradients, state.packed)
        return rates, RpropState(packed=packed, loss=loss)

    return Rate(init, measure)


def rprop(
    learning_rate: optax.ScalarOrSchedule = 0.1,
    variant: Variant = "irprop-",
    increase: ArrayLike = 1.2,
    decrease: ArrayLike = 0.5,
    low: ArrayLike = 1e-5,
    high: ArrayLike = 500.0,
) -> optax.GradientTransformationExtraArgs:
    """Return Rprop.

    Args:
        learning_rate: Δ_0, a number or a schedule: the first step of every weight (0.1).
        variant: what happens where a sign changes; "irprop+" needs the loss, `update(…, value=loss)`.
        increase: the factor while a sign stays, at least 1 (1.2).
        decrease: the factor where a sign changes, in (0, 1] (0.5).
        low: the least Δ / Δ_0, in [2^-31, 1] (1e-5).
        high: the greatest Δ / Δ_0, in [1, 2^31] (500).

    Raises:
        ValueError: an unknown variant, a number out of range, a missing loss, a leaf that is not real and floating.

    >>> optimizer = rprop(0.1)
    >>> print(optimizer.update(jnp.array([3.0, -0.001]), optimizer.init(jnp.zeros(2)))[0])
    [-0.1  0.1]
    """
    rate = rprop_rate(variant, increase, decrease, low, high)
    return optax.chain(rescale(optax.scale_by_sign(), rate), scale_by_descent("rprop", learning_rate))
