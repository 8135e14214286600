"""Families of functions to minimize. A key draws one of them, with where its minimization starts.

quadratic   ‖W θ − y‖², W, y and the first θ Gaussian
net         cross-entropy of a net on random pictures, others at every step; the first weights Gaussian

Andrychowicz et al. 2016, sections 3.1 and 3.2.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from experiments.data import Dataset, Split
from experiments.data.scaling import by_256
from experiments.engine.evaluation import cross_entropy
from experiments.models import Params, functional
from experiments.models.mlp import Mlp

Key = jax.Array


class Problem(NamedTuple):
    """A family of functions."""

    draw: Callable[[Key], tuple[Params, Any]]  # where a function's minimization starts, and what it is made of
    loss: Callable[[Params, Any, Any, Key], jax.Array]  # of params, what it is made of, data, and the key of the step


def quadratic(dimensions: int) -> Problem:
    """Make ‖W θ − y‖² with a square W, all numbers standard normal; without data, and without chance at a step."""

    def draw(key: Key) -> tuple[Params, Any]:
        drawn = jax.random.normal(key, (dimensions + 2, dimensions))
        return {"theta": drawn[0]}, (drawn[2:], drawn[1])

    def loss(params: Params, made_of: Any, data: Any, key: Key) -> jax.Array:
        del data, key
        w, y = made_of
        return jnp.sum((w @ params["theta"] - y) ** 2)

    return Problem(draw, loss)


def nothing() -> Dataset:
    """Load the data of functions that have none."""
    return {}


def net(widths: tuple[int, ...], nonlinearity: str, batch_size: int, spread: float) -> Problem:
    """Make the mean cross-entropy of a fully connected net for MNIST on a random batch.

    Initial weights and biases have the standard deviation `spread`: the paper says Gaussian, its code .01.
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
