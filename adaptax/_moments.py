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

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Inexact, Int, PyTree

from adaptax._checks import check, check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._inner import Inner, Settings, find
from adaptax._leaves import map_leaves_rounding
from adaptax._numbers import (
    divide,
    full_like,
    is_positive,
    narrow,
    real_dtype,
    scalar,
    value_at,
    wide,
    wide_dtype,
)
from adaptax._powers import abs_power, root
from adaptax._rounding import check_state_dtype, first_dither, keep, next_dither, stored_as


def ema(average: Inexact[Array, "*n"], sample: Inexact[Array, "*n"], decay: ArrayLike) -> Inexact[Array, "*n"]:
    """Return decay · average + (1 - decay) · sample."""
    return scalar(decay, average) * average + scalar(1 - decay, average) * sample


def log_decay(decay: ArrayLike) -> Float[Array, ""]:
    """Return log(decay), from 1 - decay: in float32 a stored 0.001 is a thousand times more exact than 1 - 0.999.

    At 0 it is log(1e-30) with the slope 1e30, in place of -∞ and ∞: `total_weight` is 1 - decay there, and so is its
    derivative.
    """
    forgotten = jnp.asarray(1 - decay, jnp.result_type(float))
    everything = forgotten == 1
    finite = jnp.log1p(-jnp.where(everything, 0.5, forgotten))
    return jnp.where(everything, math.log(1e-30) + 1e30 * (1 - forgotten), finite)


@jax.custom_jvp
def total_weight(log_decays: Float[Array, ""]) -> Float[Array, ""]:
    """Return 1 - product of the decays so far, given the sum of their logarithms."""
    return -jnp.expm1(log_decays)


@total_weight.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    (logs,), (d_logs,) = primals, tangents
    return total_weight(logs), -jnp.exp(logs) * d_logs  # JAX takes expm1 + 1 for exp, which is 0 for small products


def absolute_moment(
    s: Float[Array, "*n"], g: Inexact[Array, "*n"], decay: ArrayLike, power: float
) -> Float[Array, "*n"]:
    """Return s_t, the average of abs(g)^power, or for power ∞ the decaying maximum of abs(g)."""
    if math.isinf(power):
        return jnp.maximum(scalar(decay, s) * s, jnp.abs(g))
    return ema(s, abs_power(g, power), decay)


class Corrections(NamedTuple):
    """Factors by which averages that start at 0 are corrected, all scalars.

    Numerator and denominator are both multiplied by `unit`, so that s needs no correction at each weight: the order of
    operations at the end of the paper's section 2, but with eps exact.
    """

    m: ArrayLike  # of m
    g: ArrayLike  # of the gradient itself, 0 without a look ahead
    unit: ArrayLike  # of eps: the p-th root of the weight of s


def corrections(
    b1: ArrayLike, b1_next: ArrayLike, logs_1: Array, logs_2: Array, power: float, nesterov: bool
) -> Corrections:
    """Return the corrections after decays whose logarithms sum to `logs_1` and `logs_2`."""
    unit = 1.0 if math.isinf(power) else root(total_weight(logs_2), power)
    weight = total_weight(logs_1)
    if not nesterov:
        return Corrections(m=unit / weight, g=0.0, unit=unit)
    weight_next = total_weight(logs_1 + log_decay(b1_next))
    return Corrections(m=b1_next * unit / weight_next, g=(1 - b1) * unit / weight, unit=unit)


def over_moments(
    mean: Inexact[Array, "*n"], s: Float[Array, "*n"], power: float, eps: ArrayLike, unit: ArrayLike
) -> Inexact[Array, "*n"]:
    """Return mean / (s^(1/p) + unit · eps), for p = ∞ mean / (s + unit · eps); 0 where no gradient was seen."""
    size = (s if math.isinf(power) else root(s, power)) + scalar(scalar(eps, unit) * unit, s)
    return divide(mean, size, is_positive(eps) and float(power) >= 1)


class ScaleByMomentsState(NamedTuple):
    """State of `scale_by_moments`; m and s are float32 at least, for params of any dtype."""

    count: Int[Array, ""]  # steps taken
    log_decay_1: Float[Array, ""]  # sum of log b1 over the steps taken
    log_decay_2: Float[Array, ""]  # the same of b2
    m: PyTree  # moving average of g
    s: PyTree  # moving average of abs(g)^power, or the decaying maximum of abs(g)
    dither: Any = ()  # the seed of the rounding of m and s, if they are rounded


def corrected(average: PyTree, log_decays: Float[Array, ""]) -> PyTree:
    """Return an average that started at 0, divided by the total weight of its samples."""
    return jax.tree.map(lambda leaf: leaf / scalar(total_weight(log_decays), leaf), average)


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return Adam's moments, corrected for their start at 0, and the rate, 0 where no gradient was ever seen."""
    del gradients
    moments = find(state, ScaleByMomentsState)
    v = corrected(moments.s, moments.log_decay_2)

    def rate(v: Array) -> Array:
        return jnp.where(v > 0, scalar(settings["learning_rate"], v) / (jnp.sqrt(v) + scalar(settings["eps"], v)), 0)

    m = corrected(moments.m, moments.log_decay_1)
    return {"corrected moment m̂": m, "corrected square v̂": v, "rate η/(√v̂ + ε)": jax.tree.map(rate, v)}


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
            and underflows float32 early for large p. At p = 2 it overflows above abs(g) = 1.8e19: s stays infinite and
            the weight stops. Clip or guard gradients that may be so large.
        nesterov: look a step ahead in m (Dozat). A scheduled b1 is read at t and t + 1.
        bias_correction: divide by 1 minus the product of the decays, exact also for scheduled ones.
        state_dtype: "bfloat16" halves the state: m and s are rounded stochastically (real leaves only), and the update
            uses the rounded ones. None keeps float32, or the params' own dtype where that is wider.

    Raises:
        ValueError: a number out of range, or a leaf that is not floating.

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
        if bias_correction:
            factors = corrections(b1_t, b1_next, logs_1, logs_2, power, nesterov)
        else:
            factors = Corrections(b1_next, 1 - b1_t, 1.0) if nesterov else Corrections(1.0, 0.0, 1.0)

        def rule(gradient: ArrayLike, m: Array, s: Array, seed: Array | None) -> tuple:
            m, s = wide(m), wide(s)
            g = wide(gradient).astype(m.dtype)
            stored = keep(ema(m, g, b1_t), seed, 0), keep(absolute_moment(s, g, b2_t, power), seed, 1)
            m, s = map(wide, stored)
            mean = scalar(factors.m, m) * m + (scalar(factors.g, m) * g if nesterov else 0)
            return narrow(over_moments(mean, s, power, eps, factors.unit), gradient), *stored

        updates, m, s = map_leaves_rounding(rule, state.dither, updates, state.m, state.s)
        count, dither = optax.safe_increment(state.count), next_dither(state.dither)
        return updates, ScaleByMomentsState(
            count=count, log_decay_1=logs_1, log_decay_2=logs_2, m=m, s=s, dither=dither
        )

    return optax.GradientTransformationExtraArgs(init, update)
