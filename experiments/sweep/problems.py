"""Problems that several tasks share."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from experiments.data import Split
from experiments.data.scaling import unchanged
from experiments.models import Net, Params, functional


@dataclasses.dataclass(frozen=True)
class Classification:
    """A net's mean cross-entropy in nats; judged by its error in per cent."""

    model: Callable[..., nnx.Module]  # called with `rngs`
    scale: Callable[..., jax.Array] = unchanged  # what the net is fed, of pictures that stay raw bytes in memory

    @functools.cached_property
    def _net(self) -> Net:
        return functional(self.model)

    def init(self, key: jax.Array) -> Params:
        """Draw the net's weights."""
        return self._net.init(key)

    def loss(self, params: Params, batch: Split) -> jax.Array:
        """Give the cross-entropy."""
        return optax.softmax_cross_entropy_with_integer_labels(self._logits(params, batch), batch.classes).mean()

    def score(self, params: Params, batch: Split) -> jax.Array:
        """Give the share of the pictures that are taken for something else; not finite where the net is not."""
        logits = self._logits(params, batch)
        wrong = jnp.argmax(logits, axis=-1) != batch.classes
        return jnp.where(jnp.isfinite(logits).all(), 100 * wrong.mean(dtype=logits.dtype), jnp.nan)

    def _logits(self, params: Params, batch: Split) -> jax.Array:
        return self._net.apply(params, self.scale(batch.pictures))


@dataclasses.dataclass(frozen=True)
class Loss:
    """A user's own loss; judged by it, unless there is a score."""

    init: Callable[[jax.Array], Any]
    loss: Callable[[Any, Any], jax.Array]
    judged_by: Callable[[Any, Any], jax.Array] | None = None

    def score(self, params: Any, batch: Any) -> jax.Array:
        """Give what is judged."""
        return (self.judged_by or self.loss)(params, batch)
