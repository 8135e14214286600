"""One training step, written once, for every loop that trains a model; learned optimizers unroll theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import optax

import adaptax

Tree = Any


class Step(NamedTuple):
    """Where a step led, and what it saw; a compiled program computes only what is used of it."""

    params: Tree
    state: optax.OptState
    value: Any  # the loss, at the points where the gradient was taken; with `has_aux` that and what came with it
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
    """Take the gradient of `loss(params, *args)` where the optimizer wants it, and hand on the loss as `value`."""
    value, gradients = adaptax.value_and_grad(loss, has_aux)(params, state, *args)
    of_step = value[0] if has_aux else value
    updates, state = optax.with_extra_args_support(optimizer).update(gradients, state, params, value=of_step)
    return Step(optax.apply_updates(params, updates), state, value, gradients, updates)
