"""How a net is scored: mean cross-entropy and error on every split, in slices that fit the memory."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from experiments.data import Split
from experiments.experiment import Experiment
from experiments.loading import OnDevice
from experiments.models import Net, Params

PICTURES_AT_ONCE = 1_000  # of each seed; the activations of 10,000 pictures on 10 seeds would not fit every device

Scores = dict[str, jax.Array]  # split -> loss, error in per cent


def evaluation(experiment: Experiment, net: Net) -> Callable[[Params, OnDevice], Scores]:
    """Measure one seed on all splits."""

    def score(params: Params, split: Split, mean: jax.Array) -> jax.Array:
        def of_slice(part: Split) -> tuple[jax.Array, jax.Array]:
            logits = net.apply(params, experiment.scale(part.pictures, mean))
            return cross_entropy(logits, part.classes), jnp.argmax(logits, axis=-1) != part.classes

        losses, wrong = _in_slices(of_slice, split)
        return jnp.stack([losses.mean(), 100 * wrong.mean()])

    def evaluate(params: Params, data: OnDevice) -> Scores:
        splits = dict(data.splits)
        splits["train"] = Split(*(part[: experiment.train_pictures_evaluated] for part in splits["train"]))
        return {name: score(params, split, data.mean) for name, split in splits.items()}

    return evaluate


def _in_slices(of_slice: Callable[[Split], tuple], split: Split) -> tuple[jax.Array, ...]:
    """Apply to equal slices one after the other, then to what is left over; a small split is left over as a whole."""
    count = len(split.classes)
    whole = count - count % PICTURES_AT_ONCE if count > PICTURES_AT_ONCE else 0
    parts = []
    if whole:
        slices = jax.tree.map(lambda part: part[:whole].reshape(-1, PICTURES_AT_ONCE, *part.shape[1:]), split)
        parts.append(jax.tree.map(lambda part: part.reshape(whole), jax.lax.map(of_slice, slices)))
    if whole < count:
        parts.append(of_slice(jax.tree.map(lambda part: part[whole:], split)))
    return tuple(jnp.concatenate(pieces) for pieces in zip(*parts, strict=True))


def cross_entropy(logits: jax.Array, classes: jax.Array) -> jax.Array:
    """Give the loss of every picture, in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, classes)
