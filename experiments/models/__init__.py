"""Nets in flax nnx, one file each, and their view as two pure functions of a nested dict."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import nnx

Params = dict[str, Any]  # nested by layer: the leaves of one layer share a parent


class Net(NamedTuple):
    """A model as optimizers want it."""

    init: Callable[[jax.Array], Params]  # from a key
    apply: Callable[..., jax.Array]  # params, pictures, key to logits; without a key nothing is left to chance
    has_chance: bool  # whether training is: dropout


def functional(build: Callable[..., nnx.Module]) -> Net:
    """View the model that `build(rngs=...)` makes as functions of its parameters."""
    module = nnx.eval_shape(lambda: build(rngs=nnx.Rngs(0)))
    has_chance = "key" in inspect.signature(module.__call__).parameters
    graph, abstract = nnx.split(module)

    def init(key: jax.Array) -> Params:
        return nnx.to_pure_dict(nnx.state(build(rngs=nnx.Rngs(key)), nnx.Param))

    def apply(params: Params, pictures: jax.Array, key: jax.Array | None = None) -> jax.Array:
        state = jax.tree.map(lambda leaf: leaf, abstract)  # a copy, filled in place
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)(pictures, **({"key": key} if has_chance else {}))

    return Net(init, apply, has_chance)


def count_weights(params: Params) -> int:
    """Count all weights, biases included."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
