"""The one training step of every loop that trains a model; learned optimizers unroll their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import optax

import adaptax

Tree = Any


class Step(NamedTuple):
    """The results of a step; a compiled program computes only those that are used."""

    params: Tree
    state: optax.OptState
    value: Any  # the loss where the gradient was taken; with `has_aux` the loss and its auxiliary output
    gradients: Tree
    updates: Tree


def take_step(
    loss: Callable[..., Any],
    optimizer: optax.GradientTransformation,
    params: Tree,
    state: optax.OptState,
    *args: Any,
    has_aux: bool = False,
) -> Step:
    """Take the gradient of `loss(params, *args)` where the optimizer wants it, and pass it the loss as `value`."""
    value, gradients = adaptax.value_and_grad(loss, has_aux)(params, state, *args)
    of_step = value[0] if has_aux else value
    updates, state = optax.with_extra_args_support(optimizer).update(gradients, state, params, value=of_step)
    return Step(optax.apply_updates(params, updates), state, value, gradients, updates)
