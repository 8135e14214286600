"""Nets in flax nnx, as two pure functions of a nested dict, and as problems for comparisons."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from experiments.data import Split
from experiments.data.scaling import unchanged

Params = dict[str, Any]  # nested by layer: the leaves of one layer share a parent


class Net(NamedTuple):
    """A model as two pure functions, which optimizers need."""

    init: Callable[[jax.Array], Params]  # from a key
    apply: Callable[..., jax.Array]  # from params, pictures and key to logits; without a key, nothing is random
    has_chance: bool  # whether training is random, as with dropout


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


@dataclasses.dataclass(frozen=True)
class Classification:
    """A net's mean cross-entropy in nats; its score is the error in percent."""

    model: Callable[..., nnx.Module]  # called with `rngs`
    scale: Callable[..., jax.Array] = unchanged  # from raw pictures in memory to the net's input

    @functools.cached_property
    def _net(self) -> Net:
        return functional(self.model)

    def init(self, key: jax.Array) -> Params:
        """Draw the net's weights."""
        return self._net.init(key)

    def loss(self, params: Params, batch: Split) -> jax.Array:
        """Return the mean cross-entropy."""
        return optax.softmax_cross_entropy_with_integer_labels(self._logits(params, batch), batch.classes).mean()

    def score(self, params: Params, batch: Split) -> jax.Array:
        """Return the percentage of misclassified pictures; NaN if a logit is not finite."""
        logits = self._logits(params, batch)
        wrong = jnp.argmax(logits, axis=-1) != batch.classes
        return jnp.where(jnp.isfinite(logits).all(), 100 * wrong.mean(dtype=logits.dtype), jnp.nan)

    def _logits(self, params: Params, batch: Split) -> jax.Array:
        return self._net.apply(params, self.scale(batch.pictures))
