"""Moby-Dick, embeddings of its 4,000 most frequent words by skip-gram with five drawn words, batches of 256.

Most rows of both embeddings have no gradient at a step. Mikolov et al. 2013, arXiv:1310.4546, equation 4.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from adaptax.comparison.task import Task
from experiments.data import text

WORDS = 4000


@dataclasses.dataclass(frozen=True)
class SkipGram:
    """Tell a word's neighbor from words that were drawn, by the products of their embeddings."""

    words: int
    width: int

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        """Draw the words' embeddings as word2vec does; those of neighbors start at 0."""
        half = 0.5 / self.width
        words = jax.random.uniform(key, (self.words, self.width), minval=-half, maxval=half)
        return {"words": words, "neighbors": jnp.zeros((self.words, self.width))}

    def loss(self, params: dict[str, jax.Array], pairs: jax.Array) -> jax.Array:
        """Give - log σ(u · v) of the neighbor, and - log σ(- u · v) of each drawn word, added."""
        word, others = params["words"][pairs[:, 0]], params["neighbors"][pairs[:, 1:]]
        products = jnp.einsum("nd,nkd->nk", word, others)
        return (jax.nn.softplus(-products[:, 0]) + jax.nn.softplus(products[:, 1:]).sum(axis=1)).mean()

    score = loss


TASK = Task(
    title="Moby-Dick, embeddings of words",
    problem=SkipGram(words=WORDS, width=32),
    data=partial(text.word_pairs, words=WORDS, reach=4, negatives=5),
    scored="loss, nats",
    batch_size=256,
    steps=500,
    evaluate_every=50,
    tuning_seeds=1,
)
