r"""A gated recurrent net that reads characters, with the reset gate in the same place as in PyTorch.

$$ z, r = \sigma(W x + U h), \qquad n = \tanh(W_n x + r \cdot U_n h), \qquad h' = (1 - z)\, n + z\, h $$

Cho et al. 2014, arXiv:1406.1078. For 81 characters, embeddings of 32 and 96 units:
81 · 32 + 3 · 96 · (32 + 1) + 3 · 96 · (96 + 1) + 81 · (96 + 1) = 47,889 weights.
"""

import jax
import jax.numpy as jnp
from flax import nnx


class RecurrentText(nnx.Module):
    """Map characters to the logits of the character after each."""

    def __init__(self, *, characters: int, embedding: int, units: int, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.units = units
        self.characters = nnx.Param(nnx.initializers.normal(1.0)(rngs.params(), (characters, embedding)))
        self.inputs = nnx.Linear(embedding, 3 * units, rngs=rngs)
        self.recurrent = nnx.Linear(units, 3 * units, kernel_init=nnx.initializers.orthogonal(), rngs=rngs)
        self.output = nnx.Linear(units, characters, rngs=rngs)

    def __call__(self, windows: jax.Array) -> jax.Array:
        """Map numbers (n, context) to logits (n, context, characters)."""
        seen = jnp.moveaxis(self.inputs(self.characters[...][windows]), 1, 0)
        kernel, bias = self.recurrent.kernel[...], self.recurrent.bias[...]

        def step(h: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
            h = gated(h, x, h @ kernel + bias[None])
            return h, h

        start = jnp.zeros((len(windows), self.units), seen.dtype)
        _, states = jax.lax.scan(step, start, seen)
        return self.output(jnp.moveaxis(states, 0, 1))


def gated(h: jax.Array, of_input: jax.Array, of_state: jax.Array) -> jax.Array:
    """Return the next state, given W x and U h for update gate, reset gate and candidate."""
    (update, reset, candidate), others = (jnp.split(part, 3, axis=-1) for part in (of_input, of_state))
    z, r = jax.nn.sigmoid(update + others[0]), jax.nn.sigmoid(reset + others[1])
    return (1 - z) * jnp.tanh(candidate + r * others[2]) + z * h
