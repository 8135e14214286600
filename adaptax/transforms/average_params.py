r"""Averaged params: the polynomial average of all params so far; evaluate it instead of the params.

$$ \bar w_t = (1 - a_t)\, \bar w_{t-1} + a_t\, w_t, \qquad a_t = \frac{1 + \gamma}{t + \gamma} $$

Shamir & Zhang, Stochastic Gradient Descent for Non-smooth Optimization, ICML 2013; with γ = 8 in DoG, arXiv:2302.12022.
Symbols      w params after step t = 1, 2, …; w̄ their average; γ gamma.
Conventions  the average starts with w₁: a₁ = 1. γ = 0 is the plain mean. A larger γ forgets faster.
Elsewhere    `optax.params_ema` forgets exponentially, at a rate that does not slow down.
Units        those of w.
Symmetries   linear in w; each weight alone.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Int, PyTree

from adaptax._checks import check_floating, check_gradients, check_nonnegative, check_params
from adaptax._numbers import full_like, narrow, scalar, wide


def polynomial_average(
    average: Inexact[Array, "*n"], w: Inexact[Array, "*n"], t: Int[Array, ""], gamma: ArrayLike
) -> Inexact[Array, "*n"]:
    """Return w̄_t; w itself at t = 1."""
    gamma = scalar(gamma, w)
    share = (1 + gamma) / (t.astype(gamma.dtype) + gamma)
    return jnp.where(t == 1, w, average + share * (w - average))


class AverageParamsState(NamedTuple):
    """State of `average_params`."""

    count: Int[Array, ""]  # steps taken
    average: PyTree  # like params, float32 at least: w̄; zeros before the first step


def average_params(gamma: ArrayLike = 8.0) -> optax.GradientTransformationExtraArgs:
    r"""Keep the average of the params; updates pass unchanged.

    Args:
        gamma: γ at least 0 (DoG: 8).

    Raises:
        ValueError: a number out of range, missing params, a leaf that is not floating.

    It must be the last of its chain, after the learning rate: it averages params plus update. Read the average by
    `averaged_params`.

    >>> optimizer, w = optax.chain(optax.sgd(0.5), average_params(gamma=0.0)), jnp.array([4.0])
    >>> state = optimizer.init(w)
    >>> for _ in range(2):
    ...     updates, state = optimizer.update(w, state, w)
    ...     w = optax.apply_updates(w, updates)
    >>> print(w, averaged_params(state, w))
    [1.] [1.5]
    """
    check_nonnegative("average_params", gamma=gamma)

    def init(params: PyTree) -> AverageParamsState:
        check_floating("average_params", params)
        return AverageParamsState(count=jnp.zeros([], jnp.int32), average=full_like(params, 0))

    def update(updates: PyTree, state: AverageParamsState, params: PyTree = None, **extra_args: Any) -> tuple:
        del extra_args
        check_gradients("average_params", updates, state.average)
        check_params("average_params", params)
        count = optax.safe_increment(state.count)

        def averaged(average: Array, w: ArrayLike, step: ArrayLike) -> Array:
            moved = narrow(wide(w).astype(average.dtype) + wide(step).astype(average.dtype), w)  # as it will be stored
            return polynomial_average(average, wide(moved).astype(average.dtype), count, gamma)

        average = jax.tree.map(averaged, state.average, params, updates)
        return updates, AverageParamsState(count=count, average=average)

    return optax.GradientTransformationExtraArgs(init, update)


def averaged_params(opt_state: PyTree, params: PyTree) -> PyTree:
    """Return the averaged params from anywhere in an optimizer's state; the params themselves before the first step.

    Args:
        opt_state: the state of an optimizer that has one `average_params` anywhere in it.
        params: the present params; the average is returned in their dtypes.

    Raises:
        ValueError: no `average_params` in the state, or several.

    >>> w = jnp.array([4.0])
    >>> print(averaged_params(average_params().init(w), w))
    [4.]
    """

    def is_it(node: object) -> bool:
        return isinstance(node, AverageParamsState)

    found = list(filter(is_it, jax.tree.leaves(opt_state, is_leaf=is_it)))
    if len(found) != 1:
        raise ValueError(f"averaged_params: opt_state must hold one average_params, got {len(found)}.")
    count, average = found[0]
    return jax.tree.map(lambda a, w: narrow(jnp.where(count == 0, wide(w).astype(a.dtype), a), w), average, params)
