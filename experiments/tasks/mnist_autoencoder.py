"""MNIST through a narrow code: Caffe's deep autoencoder at an eighth of its widths, batches of 50.

784-125-62-31-8-31-62-125-784 after 784-1000-500-250-30-250-500-1000-784, sigmoid units but for a linear code and
sigmoid outputs; 15 connections into each unit start from N(0, 1), the others and the biases at 0 (Martens' sparse
initialization, Caffe's `sparse: 15`). The loss is Caffe's sigmoid cross-entropy, summed over the pixels; judged by the
squared error over the pixels, as Sutskever et al. 2013 are. Gradients vanish on the way through eight layers.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import optax

from adaptax.comparison.task import Task
from experiments.data import Split, mnist

WIDTHS = (784, 125, 62, 31, 8, 31, 62, 125, 784)
CONNECTIONS = 15


def sparse(key: jax.Array, inputs: int, outputs: int) -> jax.Array:
    """Draw CONNECTIONS normal weights into every unit, 0 elsewhere."""
    choice, values = jax.random.split(key)
    ranks = jnp.argsort(jnp.argsort(jax.random.uniform(choice, (inputs, outputs)), axis=0), axis=0)
    return jnp.where(ranks < min(CONNECTIONS, inputs), jax.random.normal(values, (inputs, outputs)), 0.0)


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """A chain of dense layers that ends with what it began with."""

    widths: tuple[int, ...]

    def init(self, key: jax.Array) -> list[dict[str, jax.Array]]:
        """Draw sparse kernels."""
        keys = jax.random.split(key, len(self.widths) - 1)
        sizes = zip(keys, self.widths[:-1], self.widths[1:], strict=True)
        return [{"kernel": sparse(key, i, o), "bias": jnp.zeros(o)} for key, i, o in sizes]

    def loss(self, params: list[dict[str, jax.Array]], batch: Split) -> jax.Array:
        """Give the cross-entropy of a picture's pixels, in nats."""
        pixels, logits = self._reconstruct(params, batch)
        return optax.sigmoid_binary_cross_entropy(logits, pixels).sum(axis=1).mean()

    def score(self, params: list[dict[str, jax.Array]], batch: Split) -> jax.Array:
        """Give the squared error of a picture's pixels in [0, 1]."""
        pixels, logits = self._reconstruct(params, batch)
        return ((jax.nn.sigmoid(logits) - pixels) ** 2).sum(axis=1).mean()

    def _reconstruct(self, params: list[dict[str, jax.Array]], batch: Split) -> tuple[jax.Array, jax.Array]:
        pixels = batch.pictures.reshape(len(batch.pictures), -1).astype(jnp.float32) / 255
        outputs, code = pixels, len(params) // 2 - 1
        for number, layer in enumerate(params):
            outputs = outputs @ layer["kernel"] + layer["bias"][None]
            if number not in (code, len(params) - 1):
                outputs = jax.nn.sigmoid(outputs)
        return pixels, outputs


TASK = Task(
    title="MNIST, a deep sigmoid autoencoder",
    problem=Autoencoder(widths=WIDTHS),
    data=partial(mnist.load, validation=2000),
    scored="squared error of a picture",
    batch_size=50,
    steps=500,
    evaluate_every=25,
    train_examples_scored=500,
)
