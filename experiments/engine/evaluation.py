"""How a net is scored: mean cross-entropy and error on every split, in slices that fit the memory."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.data import Split
from experiments.engine.experiment import Experiment
from experiments.engine.placement import Placement
from experiments.models import Net, Params

PICTURES_AT_ONCE = 1_000  # of each seed; the activations of 10,000 pictures on 10 seeds would not fit every device

Scores = dict[str, jax.Array]  # split -> loss, error in per cent
cross_entropy = optax.softmax_cross_entropy_with_integer_labels  # of logits and classes: every picture's, in nats
OfPictures = tuple[jax.Array, jax.Array]  # the loss of each, and whether it was taken for another class


class OnDevice(NamedTuple):
    """A data set as the programs take it."""

    splits: dict[str, Split]  # none where batches come from a stream
    mean: jax.Array  # of the training pictures


def evaluation(experiment: Experiment, net: Net, placement: Placement) -> Callable[[Params, OnDevice], Scores]:
    """Measure one seed on all splits of a data set."""
    judge = _judge(experiment, net, placement)

    def score(params: Params, split: Split, mean: jax.Array) -> jax.Array:
        losses, wrong = _in_slices(lambda part: judge(params, part, mean), split)
        return jnp.stack([losses.mean(), 100 * wrong.mean()])

    def evaluate(params: Params, data: OnDevice) -> Scores:
        splits = dict(data.splits)
        splits["train"] = Split(*(part[: experiment.train_pictures_evaluated] for part in splits["train"]))
        return {name: score(params, split, data.mean) for name, split in splits.items()}

    return evaluate


def tally(experiment: Experiment, net: Net, placement: Placement) -> Callable[[Params, Split, jax.Array], jax.Array]:
    """Sum loss and error of one seed over a batch of a stream; divided by all pictures they are its scores."""
    judge = _judge(experiment, net, placement)

    def sums(params: Params, batch: Split, mean: jax.Array) -> jax.Array:
        losses, wrong = judge(params, batch, mean)
        return jnp.stack([losses.sum(), 100 * wrong.sum(dtype=losses.dtype)])

    return sums


def _judge(experiment: Experiment, net: Net, placement: Placement) -> Callable[[Params, Split, jax.Array], OfPictures]:
    def judge(params: Params, part: Split, mean: jax.Array) -> OfPictures:
        part = placement.divide_batch(part)
        logits = net.apply(params, experiment.scale(part.pictures, mean))
        return cross_entropy(logits, part.classes), jnp.argmax(logits, axis=-1) != part.classes

    return judge


def _in_slices(of_slice: Callable[[Split], OfPictures], split: Split) -> tuple[jax.Array, ...]:
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
