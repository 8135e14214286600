r"""Moving averages with bias correction that composes, for any power: the Adam family.

$$ m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad s_t = \beta_2 s_{t-1} + (1-\beta_2) |g_t|^p $$
$$ u_t = \frac{\hat m_t}{\hat s_t^{1/p} + \epsilon}, \qquad
   \hat m_t = \frac{m_t}{1 - \prod_{i \le t} \beta_{1,i}}, \quad
   \hat s_t = \frac{s_t}{1 - \prod_{i \le t} \beta_{2,i}} $$

For p = ∞ the second average is $s_t = \max(\beta_2 s_{t-1}, |g_t|)$, uncorrected. With `nesterov` the first one looks
a step ahead: $\hat m_t = \beta_{1,t+1} m_t / (1 - \prod_{i \le t+1} \beta_{1,i}) + (1 - \beta_{1,t}) g_t /
(1 - \prod_{i \le t} \beta_{1,i})$.

Kingma & Ba 2015, Algorithms 1 and 2; Dozat 2016, Algorithm 2; article 003, eqs. (20)-(28).
Symmetries   each weight alone; odd in g; invariant to the scale of g up to eps.
"""

import math
import numbers
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Inexact, Int, PyTree

from adaptax._checks import check, check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._leaves import map_leaves_rounding
from adaptax._numbers import (
    divide,
    full_like,
    is_exactly,
    is_positive,
    narrow,
    real_dtype,
    scalar,
    value_at,
    wide,
    wide_dtype,
)
from adaptax._rounding import check_state_dtype, first_dither, keep, next_dither, stored_as


def ema(average: Inexact[Array, "*n"], sample: Inexact[Array, "*n"], decay: ArrayLike) -> Inexact[Array, "*n"]:
    """Return decay · average + (1 - decay) · sample."""
    return scalar(decay, average) * average + scalar(1 - decay, average) * sample


def log_decay(decay: ArrayLike) -> Float[Array, ""]:
    """Return log(decay), from 1 - decay: float32 holds .001 a thousand times better than .999 tells it."""
    return jnp.log1p(-jnp.asarray(1 - decay, jnp.result_type(float)))


def total_weight(log_decays: Float[Array, ""]) -> Float[Array, ""]:
    """Return 1 - product of the decays so far, given the sum of their logarithms."""
    return -jnp.expm1(log_decays)


def abs_power(x: Inexact[Array, "*n"], power: ArrayLike) -> Float[Array, "*n"]:
    """Return abs(x)^power, without a root or a logarithm for the powers 1 and 2."""
    if is_exactly(power, 2):
        return x.real**2 + x.imag**2 if jnp.iscomplexobj(x) else x**2
    magnitude = jnp.abs(x)
    if is_exactly(power, 1):
        return magnitude
    return magnitude ** scalar(power, x)


def root(x: Float[Array, "*n"], power: ArrayLike) -> Float[Array, "*n"]:
    """Return x^(1/power)."""
    if is_exactly(power, 2):
        return jnp.sqrt(x)
    return x ** scalar(1 / power, x)


def spread(s: Float[Array, "*n"], g: Inexact[Array, "*n"], decay: ArrayLike, power: float) -> Float[Array, "*n"]:
    """Return the average of abs(g)^power, or for power ∞ the decaying maximum of abs(g)."""
    if math.isinf(power):
        return jnp.maximum(scalar(decay, s) * s, jnp.abs(g))
    return ema(s, abs_power(g, power), decay)


class ScaleByMomentsState(NamedTuple):
    """State of `scale_by_moments`; m and s are float32 at least, whatever the params are."""

    count: Int[Array, ""]  # steps taken
    log_decay_1: Float[Array, ""]  # sum of log b1 over the steps taken
    log_decay_2: Float[Array, ""]  # the same of b2
    m: PyTree  # moving average of g
    s: PyTree  # moving average of abs(g)^power, or the decaying maximum of abs(g)
    dither: Any = ()  # what the rounding of m and s is seeded with, if any


def scale_by_moments(
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 1e-8,
    *,
    power: ArrayLike = 2.0,
    nesterov: bool = False,
    bias_correction: bool = True,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Divide the average gradient by its average size: m / (s^(1/p) + eps).

    Args:
        b1: decay of the gradient's average, in [0, 1), or a schedule of it; 0: no averaging.
        b2: decay of the average of abs(g)^power, in [0, 1), or a schedule. Kingma & Ba's eq. for general p writes
            b2^p here; pass `b2**p` to follow it.
        eps: at least 0, in the gradient's unit, outside the root. Where s is 0 too, the step is 0.
        power: p > 0, a Python number, since it picks the formula; `math.inf` for AdaMax's maximum. abs(g)^p over-
            and underflows float32 early for large p: at p = 2 above abs(g) = 1.8e19, after which s stays infinite and
            the weight still. Clip or guard where gradients may come near it.
        nesterov: look a step ahead in m (Dozat). A scheduled b1 is read at t and t + 1.
        bias_correction: divide by 1 minus the product of the decays, exact also for scheduled ones.
        state_dtype: "bfloat16" halves the state: m and s are rounded stochastically (real leaves only), and the update
            is made of the rounded ones. None keeps float32, or the params' own dtype where wider.

    Raises:
        ValueError: a number out of range, or a leaf that is no floating number.

    Differs from `optax.scale_by_adam`: averages are kept in float32 for half-precision params too (bfloat16 stalls
    at half the true second moment), so a zero fp16 gradient gives a zero step, not NaN; b1 and b2 take schedules.

    >>> import jax.numpy as jnp
    >>> direction = scale_by_moments(power=3.0)
    >>> updates, state = direction.update(jnp.array([8.0, -2.0]), direction.init(jnp.zeros(2)))
    >>> print(updates.round(4))
    [ 1. -1.]
    """
    for name, decay in (("b1", b1), ("b2", b2)):
        check_fraction("scale_by_moments", **{name: decay})
    check_nonnegative("scale_by_moments", eps=eps)
    if not isinstance(power, numbers.Real):
        raise ValueError(
            f"scale_by_moments: power must be a Python number (static under inject_hyperparams), got {power!r}."
        )
    check("scale_by_moments", "power", power, lambda v: v > 0, "above 0")
    check_state_dtype("scale_by_moments", state_dtype)

    def init(params: PyTree) -> ScaleByMomentsState:
        check_floating("scale_by_moments", params, real=state_dtype is not None)
        return ScaleByMomentsState(
            count=jnp.zeros([], jnp.int32),
            log_decay_1=jnp.zeros([], jnp.result_type(float)),
            log_decay_2=jnp.zeros([], jnp.result_type(float)),
            m=full_like(params, 0, stored_as(state_dtype, wide_dtype)),
            s=full_like(params, 0, stored_as(state_dtype, real_dtype)),
            dither=first_dither(state_dtype),
        )

    def update(updates: PyTree, state: ScaleByMomentsState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        check_gradients("scale_by_moments", updates, state.m)
        b1_t, b1_next = value_at(b1, state.count), value_at(b1, state.count + 1)
        b2_t = value_at(b2, state.count)
        logs_1 = state.log_decay_1 + log_decay(b1_t)
        logs_2 = state.log_decay_2 + log_decay(b2_t)
        of_m, of_g = (b1_next, 1 - b1_t) if nesterov else (1.0, 0.0)
        unit: ArrayLike = 1.0
        if bias_correction:
            # In scalars, as at the end of the paper's section 2 but with eps exact: numerator and denominator are both
            # multiplied by the root of the weight of s.
            unit = 1.0 if math.isinf(power) else root(total_weight(logs_2), power)
            of_m = of_m * unit / total_weight(logs_1 + log_decay(b1_next) if nesterov else logs_1)
            of_g = of_g * unit / total_weight(logs_1)

        def rule(gradient: ArrayLike, m: Array, s: Array, seed: Array | None) -> tuple:
            m, s = wide(m), wide(s)
            g = wide(gradient).astype(m.dtype)
            kept = keep(ema(m, g, b1_t), seed, 0), keep(spread(s, g, b2_t, power), seed, 1)
            m, s = map(wide, kept)
            mean = scalar(of_m, m) * m + (scalar(of_g, m) * g if nesterov else 0)
            size = (s if math.isinf(power) else root(s, power)) + scalar(eps * unit, s)
            return narrow(divide(mean, size, is_positive(eps) and float(power) >= 1), gradient), *kept

        updates, m, s = map_leaves_rounding(rule, state.dither, updates, state.m, state.s)
        count, dither = optax.safe_increment(state.count), next_dither(state.dither)
        return updates, ScaleByMomentsState(
            count=count, log_decay_1=logs_1, log_decay_2=logs_2, m=m, s=s, dither=dither
        )

    return optax.GradientTransformationExtraArgs(init, update)
