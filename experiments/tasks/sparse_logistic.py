"""Logistic regression on rare features: 1,000 of them, the k-th present with probability 1 / (1 + k), batches of 32.

Synthetic, as word counts are: a few features are in most examples, most in hardly any, and each of them matters as much
where it is present. Labels are drawn from a logistic model with normal weights. Judged by the mean loss in nats.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax.comparison.task import Splits, Task
from experiments.data import Split


@dataclasses.dataclass(frozen=True)
class Logistic:
    """Linear logits, sigmoid cross-entropy."""

    features: int

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        """Start at 0, whatever the seed: seeds differ in their batches."""
        del key
        return {"weights": jnp.zeros(self.features), "bias": jnp.zeros(())}

    def loss(self, params: dict[str, jax.Array], batch: Split) -> jax.Array:
        """Give the cross-entropy."""
        logits = batch.pictures.astype(jnp.float32) @ params["weights"] + params["bias"]
        return optax.sigmoid_binary_cross_entropy(logits, batch.classes).mean()

    score = loss


def load(features: int, train: int, held_out: int) -> Splits:
    """Draw examples and labels."""
    random = np.random.default_rng(0)
    weights = random.standard_normal(features)
    count = train + 2 * held_out
    present = random.random((count, features)) < 1 / (1 + np.arange(1, features + 1))
    labels = random.random(count) < 1 / (1 + np.exp(-(present @ weights)))
    whole = Split(present.astype(np.uint8), labels.astype(np.float32))
    cuts = {"train": (0, train), "validation": (train, train + held_out), "test": (train + held_out, count)}
    return {name: Split(*(part[first:last] for part in whole)) for name, (first, last) in cuts.items()}


TASK = Task(
    title="Logistic regression on rare features",
    problem=Logistic(features=1000),
    data=partial(load, features=1000, train=8000, held_out=2000),
    scored="loss, nats",
    batch_size=32,
    steps=500,
    evaluate_every=20,
)
