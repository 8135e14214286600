r"""Families of functions to minimize. A key draws a function and the first params of its minimization.

quadratic   ‖W θ − y‖² with Gaussian W, y and first θ
net         cross-entropy of a net on random pictures, new ones at every step; Gaussian first weights

Andrychowicz et al. 2016, sections 3.1 and 3.2.

The file also minimizes functions, and backpropagates through some of the steps: the sum of their losses is a function
of the optimizer's weights φ,

$$ L(\phi) = \sum_{t=1}^{T} w_t f(\theta_t), \quad w_t = 1, \qquad \theta_{t+1} = \theta_t + g_t(\nabla_t, h_t, \phi) $$

Ibid., eq. (3): ∇_t is treated as constant, ∂∇_t/∂φ is dropped, so no second derivative of f is needed. Functions are
minimized side by side. The optimizer treats each weight alone, so it gets the weights of all functions in one vector,
which is also faster.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

import adaptax
from experiments.data import Dataset, Split
from experiments.data.scaling import by_256
from experiments.engine.programs import cross_entropy
from experiments.models import Params, functional
from experiments.models.mlp import Mlp

Key = jax.Array


class Problem(NamedTuple):
    """A family of functions."""

    draw: Callable[[Key], tuple[Params, Any]]  # from a key to the first params and the function's constants
    loss: Callable[[Params, Any, Any, Key], jax.Array]  # from params, constants, data and the step's key


def quadratic(dimensions: int) -> Problem:
    """Make ‖W θ − y‖² with a square W, all numbers standard normal; its steps need no data and no random numbers."""

    def draw(key: Key) -> tuple[Params, Any]:
        drawn = jax.random.normal(key, (dimensions + 2, dimensions))
        return {"theta": drawn[0]}, (drawn[2:], drawn[1])

    def loss(params: Params, made_of: Any, data: Any, key: Key) -> jax.Array:
        del data, key
        w, y = made_of
        return jnp.sum((w @ params["theta"] - y) ** 2)

    return Problem(draw, loss)


def nothing() -> Dataset:
    """Return no data, for functions that need none."""
    return {}


def net(widths: tuple[int, ...], nonlinearity: str, batch_size: int, spread: float) -> Problem:
    """Make the mean cross-entropy of a fully connected net for MNIST on a random batch.

    Initial weights and biases have the standard deviation `spread`: the paper says Gaussian, its code has 0.01.
    """
    model = functional(partial(Mlp, inputs=28 * 28, widths=widths, classes=10, nonlinearity=nonlinearity))
    vector, unravel = ravel_pytree(model.init(jax.random.key(0)))

    def draw(key: Key) -> tuple[Params, Any]:
        return unravel(spread * jax.random.normal(key, vector.shape)), ()

    def loss(params: Params, made_of: Any, data: Split, key: Key) -> jax.Array:
        del made_of
        batch = jax.random.randint(key, (batch_size,), 0, len(data.classes))
        logits = model.apply(params, by_256(data.pictures[batch]))
        return cross_entropy(logits, data.classes[batch]).mean()

    return Problem(draw, loss)


class Functions(NamedTuple):
    """Functions to minimize side by side, stacked."""

    params: Params  # where each starts
    made_of: Any
    keys: Key  # (steps + 1, functions): the random keys of the evaluations; the first is before any step


class Run(NamedTuple):
    """The state of their minimizations."""

    params: Params  # θ_t of every function, stacked
    state: Any  # h_t, of the optimizer
    gradient: Params  # ∇_t at θ_t or, if the optimizer looks ahead, at its points


def draw_functions(problem: Problem, key: Key, steps: int, count: int) -> Functions:
    """Draw functions and the random keys of so many steps."""
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
    """Take a step for each row of keys; return the run after the last step, and the losses after each."""

    # Computing the net's inner values again takes less time than keeping them for every step.
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
    """Return the known f(θ) with its known derivative by θ, so that JAX does not differentiate f again."""
    by_leaf = jax.tree.map(lambda g, x, y: jnp.vdot(g, x - y), gradient, params, there)
    return value + sum(jax.tree.leaves(by_leaf))


def _measure(
    problem: Problem, params: Params, state: Any, made_of: Any, data: Any, keys: Key
) -> tuple[jax.Array, Params, Params]:
    """Return every function's loss and gradient on a batch of its own, and the gradient for the optimizer."""

    def at(params: Params) -> tuple[jax.Array, Params]:
        return jax.vmap(jax.value_and_grad(problem.loss), in_axes=(0, 0, None, 0))(params, made_of, data, keys)

    values, gradient = at(params)
    flat, unravel = ravel_pytree(params)
    points = adaptax.lookahead_points(flat, state)
    if points[0] is flat:  # the optimizer does not look ahead
        return values, gradient, gradient
    ahead = [at(unravel(point))[1] for point in points]
    return values, gradient, jax.tree.map(lambda *g: sum(g) / len(g), *ahead)
