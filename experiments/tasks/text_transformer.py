"""Moby-Dick, the next character by a transformer of two blocks of 64, context 64, batches of 32."""

import dataclasses
import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import optax
from flax import nnx

from adaptax.comparison.task import Task
from experiments.data import text
from experiments.models import Net, functional
from experiments.models.transformer import TextTransformer

CHARACTERS, CONTEXT = 81, 64  # as many as Moby-Dick has


@dataclasses.dataclass(frozen=True)
class NextCharacter:
    """A net's mean cross-entropy of the character that follows, in nats; it is judged by the same."""

    model: Callable[..., nnx.Module]  # called with `rngs`

    @functools.cached_property
    def _net(self) -> Net:
        return functional(self.model)

    def init(self, key: jax.Array) -> Any:
        """Draw the net's weights."""
        return self._net.init(key)

    def loss(self, params: Any, windows: jax.Array) -> jax.Array:
        """Give the cross-entropy at every place of the windows."""
        logits = self._net.apply(params, windows[:, :-1])
        return optax.softmax_cross_entropy_with_integer_labels(logits, windows[:, 1:]).mean()

    score = loss


TASK = Task(
    title="Moby-Dick, a transformer of characters",
    problem=NextCharacter(
        model=partial(TextTransformer, characters=CHARACTERS, context=CONTEXT, width=64, blocks=2, heads=4)
    ),
    data=partial(text.windows, context=CONTEXT, characters=CHARACTERS, held_out=256),
    scored="nats per character",
    batch_size=32,
    steps=500,
    evaluate_every=50,
    tuning_seeds=1,
    train_examples_scored=128,
    layout_on_cpu="threads",
)
