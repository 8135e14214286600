r"""Adadelta: steps in the weight's own unit, from the ratio of two running root mean squares.

$$ E_t = \rho E_{t-1} + (1 - \rho) g_t^2, \qquad \Delta_t = -\sqrt{\frac{D_{t-1} + \epsilon}{E_t + \epsilon}}\; g_t $$
$$ D_t = \rho D_{t-1} + (1 - \rho) \Delta_t^2, \qquad \Delta w = \eta\, \Delta_t $$

Zeiler, ADADELTA, arXiv:1212.5701, Algorithm 1; article 003, eqs. (16)-(19).
Symbols      η learning_rate; E mean square of gradients (`squares`); D of steps (`steps`); ρ rho; ε eps.
Conventions  D takes in the step before the learning rate scales it, as in Lasagne, Keras, Optax and PyTorch.
             `initial` is D's start. D grows only by steps. So, unlike in Adagrad, a weight with rare gradients does not
             take larger steps; with gradients of constant size it takes smaller ones. A large start (article: 50) makes
             the first steps large, for longer if ρ is nearer to 1; D also decays while a weight has no gradient.
             A gradient whose square would overflow counts as the largest one whose square does not (1.8e19 in float32).
Elsewhere    `optax.adadelta()` without a learning rate climbs: its default None skips the change of sign.
Symmetries   each weight alone; odd in g.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Inexact, PyTree

from adaptax._checks import check_floating, check_fraction, check_gradients, check_nonnegative
from adaptax._inner import Inner, Settings, find
from adaptax._learning_rate import scale_by_descent
from adaptax._leaves import map_leaves_rounding
from adaptax._moments import ema
from adaptax._numbers import divide, full_like, is_positive, narrow, real_dtype, scalar, wide
from adaptax._powers import abs_power, safe_sqrt
from adaptax._rounding import check_state_dtype, first_dither, keep, next_dither, stored_as


def bounded(g: Inexact[Array, "*n"]) -> Inexact[Array, "*n"]:
    """Return g, shortened where its square would overflow: above 1.8e19 in float32, 1.3e154 in float64."""
    largest = scalar(0.98 * 2.0 ** (jnp.finfo(g.dtype).maxexp // 2), g)
    if jnp.iscomplexobj(g):
        return g * (largest / jnp.maximum(jnp.abs(g), largest))
    return jax.lax.clamp(-largest, g, largest)


def adadelta_step(
    g: Inexact[Array, "*n"], squares: Float[Array, "*n"], steps: Float[Array, "*n"], rho: ArrayLike, eps: ArrayLike
) -> Inexact[Array, "*n"]:
    r"""Return sqrt((D_{t-1} + eps) / (E_t + eps)) g_t, uphill, from E_t and D_t (Algorithm 1, lines 5 and 6).

    Line 6 gives $\Delta_t^2 = g_t^2 (D_t + \rho \epsilon) / (\rho (E_t + \epsilon) + (1 - \rho) g_t^2)$. So the step
    reads no state that is about to be overwritten. The quotient of g_t and one root is near 1 for every g_t; the
    quotient of both averages can underflow.
    """
    weight = scalar(rho, squares) * (squares + scalar(eps, squares)) + scalar(1 - rho, squares) * abs_power(g, 2)
    normalized = divide(g, safe_sqrt(weight), is_positive(rho * eps))
    return normalized * safe_sqrt(steps + scalar(rho * eps, steps))


class ScaleByAdadeltaState(NamedTuple):
    """State of `scale_by_adadelta`."""

    squares: PyTree  # like params, real, float32 at least: E, average of abs(g)^2; starts at 0
    steps: PyTree  # the same for the steps: D; starts at `initial`
    dither: Any = ()  # the seed of the rounding of both, if they are rounded


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return both mean squares, and the rate of the next step, from their ratio."""
    del gradients
    eta, eps = settings["learning_rate"], settings["eps"]
    E, D, _ = find(state, ScaleByAdadeltaState)
    rate = jax.tree.map(lambda E, D: scalar(eta, E) * jnp.sqrt(divide(D + scalar(eps, D), E + scalar(eps, E))), E, D)
    return {"gradients' mean square E": E, "steps' mean square D": D, "rate η√((D + ε)/(E + ε))": rate}


def scale_by_adadelta(
    rho: ArrayLike = 0.95, eps: ArrayLike = 1e-6, *, initial: ArrayLike = 0.0, state_dtype: DTypeLike | None = None
) -> optax.GradientTransformationExtraArgs:
    """Return Adadelta's direction, uphill and without a learning rate; arguments and errors as `adadelta`.

    >>> direction = scale_by_adadelta(rho=0.5, initial=0.5)
    >>> updates, state = direction.update(jnp.array([4.0, -2.0]), direction.init(jnp.zeros(2)))
    >>> print(updates.round(3))
    [ 1. -1.]
    """
    check_fraction("adadelta", rho=rho)
    check_nonnegative("adadelta", eps=eps, initial=initial)
    check_state_dtype("adadelta", state_dtype)

    def init(params: PyTree) -> ScaleByAdadeltaState:
        check_floating("adadelta", params, real=state_dtype is not None)
        dtype_of = stored_as(state_dtype, real_dtype)
        squares, steps = (full_like(params, start, dtype_of) for start in (0, initial))
        return ScaleByAdadeltaState(squares=squares, steps=steps, dither=first_dither(state_dtype))

    def update(updates: PyTree, state: ScaleByAdadeltaState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        check_gradients("adadelta", updates, state.squares)

        def rule(gradient: ArrayLike, squares: Array, steps: Array, seed: Array | None) -> tuple:
            g, squares, steps = bounded(wide(gradient)), wide(squares), wide(steps)
            square = abs_power(g, 2).astype(squares.dtype)
            squares = keep(ema(squares, square, rho), seed, 0)
            eps_t = scalar(eps, steps)
            share = divide(square, wide(squares) + eps_t, is_positive(eps))  # the share of Δ² in D + eps
            steps = keep(ema(steps, (steps + eps_t) * share, rho), seed, 1)
            step = adadelta_step(g, squares.astype(real_dtype(g)), steps.astype(real_dtype(g)), rho, eps)
            return narrow(step, gradient), squares, steps

        updates, squares, steps = map_leaves_rounding(rule, state.dither, updates, state.squares, state.steps)
        return updates, ScaleByAdadeltaState(squares=squares, steps=steps, dither=next_dither(state.dither))

    return optax.GradientTransformationExtraArgs(init, update)


def adadelta(
    learning_rate: optax.ScalarOrSchedule = 1.0,
    rho: ArrayLike = 0.95,
    eps: ArrayLike = 1e-6,
    *,
    initial: ArrayLike = 0.0,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Scale by the ratio of past steps' size to past gradients' size.

    Args:
        learning_rate: η, a number or a schedule; the paper has none, which means 1.
        rho: ρ in [0, 1), decay of both averages (paper: 0.95).
        eps: ε at least 0 (paper: 1e-6). It starts the method: if eps and `initial` are 0, no weight ever moves.
        initial: at least 0, the start of D, in the weight's unit squared.
        state_dtype: "bfloat16" halves the state, see `scale_by_history`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> import adaptax
    >>> cautious, bold = adaptax.adadelta(), adaptax.adadelta(initial=50.0)
    """
    return optax.chain(
        scale_by_adadelta(rho, eps, initial=initial, state_dtype=state_dtype),
        scale_by_descent("adadelta", learning_rate),
    )
