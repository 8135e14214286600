r"""Truncated backpropagation through an optimizer: what some of its steps cost, as a function of its weights φ.

$$ L(\phi) = \sum_{t=1}^{T} w_t f(\theta_t), \quad w_t = 1, \qquad \theta_{t+1} = \theta_t + g_t(\nabla_t, h_t, \phi) $$

Andrychowicz et al. 2016, eq. (3): ∇_t is taken as given, ∂∇_t/∂φ dropped, so no second derivative of f is needed.
Functions are minimized side by side; the optimizer treats each weight alone, so it gets those of all of them in one
vector, which is also faster.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

import adaptax
from experiments.learned.problems import Key, Params, Problem


class Functions(NamedTuple):
    """Functions to minimize side by side, stacked."""

    params: Params  # where each starts
    made_of: Any
    keys: Key  # (steps + 1, functions): the chance in each evaluation, the first before any step


class Run(NamedTuple):
    """Their minimizations, in progress."""

    params: Params  # θ_t of every function, stacked
    state: Any  # h_t, of the optimizer
    gradient: Params  # ∇_t, where the optimizer wants it: at θ_t, or ahead


def draw(problem: Problem, key: Key, steps: int, count: int) -> Functions:
    """Draw functions and all that is left to chance in so many steps."""
    keys = jax.random.split(key, (1 + steps + 1, count))
    return Functions(*jax.vmap(problem.draw)(keys[0]), keys[1:])


def start(
    problem: Problem, optimizer: optax.GradientTransformation, functions: Functions, data: Any
) -> tuple[Run, jax.Array]:
    """Return the run before its first step, and the losses there."""
    params, made_of, keys = functions
    state = optimizer.init(ravel_pytree(params)[0])
    values, _, gradient = _measure(problem, params, state, made_of, data, keys[0])
    return Run(params, state, gradient), values


def unroll(
    problem: Problem, optimizer: optax.GradientTransformation, run: Run, made_of: Any, data: Any, keys: Key
) -> tuple[Run, jax.Array]:
    """Take a step for each row of keys, one per function; return the run after them and the losses after each."""

    # To keep what is inside the net for every step takes longer than to compute it again.
    update = jax.checkpoint(optimizer.update, prevent_cse=False)

    def step(run: Run, keys: Key) -> tuple[Run, jax.Array]:
        gradient, unravel = ravel_pytree(run.gradient)
        updates, state = update(gradient, run.state)
        params = optax.apply_updates(run.params, unravel(updates))
        there = jax.lax.stop_gradient(params)
        values, slope, gradient = _measure(problem, there, state, made_of, data, keys)
        return Run(params, state, gradient), jax.vmap(linear)(values, slope, params, there)

    return jax.lax.scan(step, run, keys)


def minimize(problem: Problem, optimizer: optax.GradientTransformation, functions: Functions, data: Any) -> jax.Array:
    """Take all steps; return the mean loss of the functions before the first one and after each."""
    run, first = start(problem, optimizer, functions, data)
    losses = unroll(problem, optimizer, run, functions.made_of, data, functions.keys[1:])[1]
    return jnp.concatenate([first[None], losses]).mean(axis=1)


def linear(value: jax.Array, gradient: Params, params: Params, there: Params) -> jax.Array:
    """Return f(θ) with its derivative by θ, of which both are known, so that nobody differentiates f once more."""
    by_leaf = jax.tree.map(lambda g, x, y: jnp.vdot(g, x - y), gradient, params, there)
    return value + sum(jax.tree.leaves(by_leaf))


def _measure(
    problem: Problem, params: Params, state: Any, made_of: Any, data: Any, keys: Key
) -> tuple[jax.Array, Params, Params]:
    """Return every function's loss and gradient on a batch of its own, and the gradient that the optimizer wants."""

    def at(params: Params) -> tuple[jax.Array, Params]:
        return jax.vmap(jax.value_and_grad(problem.loss), in_axes=(0, 0, None, 0))(params, made_of, data, keys)

    values, gradient = at(params)
    flat, unravel = ravel_pytree(params)
    points = adaptax.lookahead_points(flat, state)
    if points[0] is flat:  # the optimizer does not look ahead
        return values, gradient, gradient
    ahead = [at(unravel(point))[1] for point in points]
    return values, gradient, jax.tree.map(lambda *g: sum(g) / len(g), *ahead)
