"""A small residual net with group normalization before each convolution; a convolution is a product of patches.

It has a first convolution with stride 2, three blocks of 16, 32 and 64 channels on maps of 16 × 16, 8 × 8 and 4 × 4,
and the mean over the last maps. Groups have 8 channels. Kernels start as He's normal ones. Weights, 78,186 in all:

first convolution            16 · (27 + 1)
a block of i to o channels   2 i + o · (9 i + 1) + 2 o + o · (9 o + 1), and o · (i + 1) if its stride is 2
last norm and output         2 · 64 + 10 · (64 + 1)

He et al. 2016, arXiv:1603.05027; Wu & He 2018, arXiv:1803.08494.
"""

import math

import jax
from flax import nnx

from experiments.models.caffe_layers import Convolution

GROUP = 8  # channels


def he(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw a kernel (outputs, window, window, inputs) from N(0, 2 / inputs of a window)."""
    return math.sqrt(2 / math.prod(shape[1:])) * jax.random.normal(key, shape)


def _norm(channels: int, rngs: nnx.Rngs) -> nnx.GroupNorm:
    return nnx.GroupNorm(channels, num_groups=None, group_size=GROUP, rngs=rngs)


class Block(nnx.Module):
    """Two convolutions, whose result is added to the input or, with stride 2, to a 1 x 1 convolution of it."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.norm_before, self.norm_between = _norm(inputs, rngs), _norm(outputs, rngs)
        self.first = Convolution(inputs, outputs, 3, stride=stride, pad=1, kernel=he, rngs=rngs)
        self.second = Convolution(outputs, outputs, 3, pad=1, kernel=he, rngs=rngs)
        self.shortcut = None if stride == 1 else Convolution(inputs, outputs, 1, stride=stride, kernel=he, rngs=rngs)

    def __call__(self, maps: jax.Array) -> jax.Array:
        """Map (n, h, w, inputs) to (n, h / stride, w / stride, outputs)."""
        x = self.first(nnx.relu(self.norm_before(maps)))
        x = self.second(nnx.relu(self.norm_between(x)))
        return x + (maps if self.shortcut is None else self.shortcut(maps))


class ResidualNet(nnx.Module):
    """Map color pictures to the logits of their classes."""

    def __init__(self, *, channels: tuple[int, ...], classes: int, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.first = Convolution(3, channels[0], 3, stride=2, pad=1, kernel=he, rngs=rngs)
        sizes = zip((channels[0], *channels), channels, strict=False)
        self.blocks = nnx.List([Block(i, o, 1 if i == o else 2, rngs=rngs) for i, o in sizes])
        self.norm = _norm(channels[-1], rngs)
        self.output = nnx.Linear(channels[-1], classes, rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, height, width, 3) to logits (n, classes)."""
        maps = self.first(pictures)
        for block in self.blocks:
            maps = block(maps)
        return self.output(nnx.relu(self.norm(maps)).mean(axis=(1, 2)))
