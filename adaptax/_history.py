r"""Dividing by the history of the gradient's size: the Adagrad family.

$$ s_t = s_{t-1} + |g_t|^p \quad\text{or}\quad s_t = \rho\, s_{t-1} + (1-\rho) |g_t|^p, \qquad
   u_t = \frac{g_t}{(s_t + \epsilon)^{q}} $$

Adagrad is p = 2, q = 1/2 with the sum, RMSProp the same with the average. Article 003 names the family's other
members and does not try them: accumulate absolute values (p = 1), drop the root (q = 1).

Duchi, Hazan & Singer 2011; Hinton, Coursera lecture 6e; article 003, eqs. (11)-(14).
Conventions  eps inside the root, as in the article and in Optax; Duchi et al. and PyTorch add it outside.
Symmetries   each weight alone; odd in g; for q = 1/p invariant to the scale of g up to eps and `initial`.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Inexact, PyTree

from adaptax._checks import check, check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._inner import Inner, Settings, find
from adaptax._leaves import map_leaves_rounding
from adaptax._moments import ema
from adaptax._numbers import divide, full_like, is_exactly, is_positive, narrow, real_dtype, scalar, wide
from adaptax._powers import abs_power, safe_power, safe_sqrt
from adaptax._rounding import check_state_dtype, first_dither, keep, next_dither, stored_as


def over_history(
    g: Inexact[Array, "*n"], s: Float[Array, "*n"], exponent: ArrayLike, eps: ArrayLike
) -> Inexact[Array, "*n"]:
    """Return g / (s + eps)^exponent, and 0 where there is no history."""
    history = s + scalar(eps, s)
    if is_exactly(exponent, 0.5):
        return divide(g, safe_sqrt(history), is_positive(eps))
    return divide(g, safe_power(history, scalar(exponent, s)))


class ScaleByHistoryState(NamedTuple):
    """State of `scale_by_history`."""

    s: PyTree  # like params, real, float32 at least: sum or average of abs(g)^power; starts at `initial`
    dither: Any = ()  # the seed of the rounding of s, if s is rounded


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the sum of squares (the mean if there is a decay), and the rate that follows from it."""
    del gradients
    eta, eps = settings["learning_rate"], settings["eps"]
    s = find(state, ScaleByHistoryState).s
    rate = jax.tree.map(lambda s: divide(scalar(eta, s), jnp.sqrt(s + scalar(eps, s))), s)
    if settings.get("decay") is None:
        return {"sum of squares G": s, "rate η/√(G + ε)": rate}
    return {"mean of squares E": s, "rate η/√(E + ε)": rate}


def scale_by_history(
    power: ArrayLike = 2.0,
    exponent: ArrayLike | None = None,
    decay: ArrayLike | None = None,
    eps: ArrayLike = 1e-8,
    *,
    initial: ArrayLike = 0.0,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Divide the gradient by its history: g / (s + eps)^exponent.

    Args:
        power: p > 0: s collects abs(g)^p.
        exponent: q at least 0; None: 1/power, the root that makes the step independent of the gradient's unit.
        decay: None for the sum of all history, or the average's decay in [0, 1).
        eps: at least 0, in the unit of abs(g)^p; even with 0, a zero gradient without history gives a zero step.
        initial: at least 0, the start of s, same unit.
        state_dtype: "bfloat16" halves the state: s is rounded stochastically (real leaves only), and the update uses
            the rounded s. None keeps float32, or the params' own dtype where that is wider.

    Raises:
        ValueError: a number out of range, or a leaf that is not floating.

    >>> import jax.numpy as jnp
    >>> no_root = scale_by_history(power=1.0, eps=0.0)  # absolute values, summed
    >>> state = no_root.init(jnp.zeros(2))
    >>> for gradient in jnp.array([[4.0, 1.0], [4.0, 3.0]]):
    ...     updates, state = no_root.update(gradient, state)
    >>> print(updates)
    [0.5  0.75]
    """
    check("scale_by_history", "power", power, lambda v: 0 < v < math.inf, "above 0 and finite")
    check_nonnegative("scale_by_history", eps=eps, initial=initial)
    check_state_dtype("scale_by_history", state_dtype)
    if decay is not None:
        check_fraction("scale_by_history", decay=decay)
    if exponent is None:
        exponent = 1 / power
    check_nonnegative("scale_by_history", exponent=exponent)

    def init(params: PyTree) -> ScaleByHistoryState:
        check_floating("scale_by_history", params, real=state_dtype is not None)
        return ScaleByHistoryState(
            s=full_like(params, initial, stored_as(state_dtype, real_dtype)), dither=first_dither(state_dtype)
        )

    def update(updates: PyTree, state: ScaleByHistoryState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        check_gradients("scale_by_history", updates, state.s)

        def rule(gradient: ArrayLike, s: Array, seed: Array | None) -> tuple:
            g, s = wide(gradient), wide(s)
            sample = abs_power(g, power).astype(s.dtype)
            s = keep(s + sample if decay is None else ema(s, sample, decay), seed)
            return narrow(over_history(g, s.astype(real_dtype(g)), exponent, eps), gradient), s

        updates, s = map_leaves_rounding(rule, state.dither, updates, state.s)
        return updates, ScaleByHistoryState(s=s, dither=next_dither(state.dither))

    return optax.GradientTransformationExtraArgs(init, update)
