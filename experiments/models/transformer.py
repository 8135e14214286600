"""Small transformers with normalization before each part: for characters, and for pictures cut into patches.

A block of width d has 12 d² + 13 d weights: two norms 4 d, queries, keys and values 3 d (d + 1), the output
projection d (d + 1), and a layer of 4 d units with GELU, 4 d (d + 1) + d (4 d + 1). Positions are learned.

Characters  81 different ones, context 64, 2 blocks of 64:
            64 · 81 + 64 · 64 + 2 · 49,984 + 2 · 64 + 81 · (64 + 1) = 114,641 weights
Pictures    32 × 32 × 3 in patches of 4, 4 blocks of 64, the mean over patches:
            64 · (48 + 1) + 64 · 64 + 4 · 49,984 + 2 · 64 + 10 · (64 + 1) = 207,946 weights

Vaswani et al. 2017, arXiv:1706.03762; Dosovitskiy et al. 2021, arXiv:2010.11929, but without a class token.
"""

import jax
import jax.numpy as jnp
from flax import nnx

SMALL = nnx.initializers.normal(0.02)  # of embeddings, as in both papers' programs


class Block(nnx.Module):
    """Attention, then two dense layers; each part's output is added to its input."""

    def __init__(self, *, width: int, heads: int, causal: bool, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.heads, self.causal = heads, causal
        self.norm_before = nnx.LayerNorm(width, rngs=rngs)
        self.attend = nnx.Linear(width, 3 * width, rngs=rngs)
        self.merge = nnx.Linear(width, width, rngs=rngs)
        self.norm_between = nnx.LayerNorm(width, rngs=rngs)
        self.widen = nnx.Linear(width, 4 * width, rngs=rngs)
        self.narrow = nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map (n, positions, width) to the same shape; if causal, no position sees a later one."""
        split = self.attend(self.norm_before(x)).reshape(*x.shape[:2], 3, self.heads, -1)
        queries, keys, values = jnp.moveaxis(split, 2, 0)
        seen = jax.nn.dot_product_attention(queries, keys, values, is_causal=self.causal)
        x = x + self.merge(seen.reshape(x.shape))
        return x + self.narrow(nnx.gelu(self.widen(self.norm_between(x))))


class TextTransformer(nnx.Module):
    """Map characters to the logits of the character after each."""

    def __init__(self, *, characters: int, context: int, width: int, blocks: int, heads: int, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.characters = nnx.Param(SMALL(rngs.params(), (characters, width)))
        self.positions = nnx.Param(SMALL(rngs.params(), (context, width)))
        self.blocks = nnx.List([Block(width=width, heads=heads, causal=True, rngs=rngs) for _ in range(blocks)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.output = nnx.Linear(width, characters, rngs=rngs)

    def __call__(self, windows: jax.Array) -> jax.Array:
        """Map numbers (n, context) to logits (n, context, characters)."""
        x = self.characters[...][windows] + self.positions[...][None]
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x))


class VisionTransformer(nnx.Module):
    """Map pictures to the logits of their classes."""

    def __init__(
        self, *, side: int, patch: int, width: int, blocks: int, heads: int, classes: int, rngs: nnx.Rngs
    ) -> None:
        """Draw the initial weights from `rngs`."""
        self.patch = patch
        self.embed = nnx.Linear(3 * patch**2, width, rngs=rngs)
        self.positions = nnx.Param(SMALL(rngs.params(), ((side // patch) ** 2, width)))
        self.blocks = nnx.List([Block(width=width, heads=heads, causal=False, rngs=rngs) for _ in range(blocks)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.output = nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, side, side, 3) to logits (n, classes)."""
        x = self.embed(cut(pictures, self.patch)) + self.positions[...][None]
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x).mean(axis=1))


def cut(pictures: jax.Array, patch: int) -> jax.Array:
    """Cut pictures (n, h, w, c) into patches (n, patches, patch · patch · c), row by row."""
    n, height, width, channels = pictures.shape
    tiles = pictures.reshape(n, height // patch, patch, width // patch, patch, channels)
    return tiles.transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, patch**2 * channels)
