"""A fully connected net with any number of hidden layers.

Kernels start as Glorot's uniform ±√(6 / (inputs + outputs)), biases at 0. For inputs 784, widths (64, 64) and 10
classes: 64 · (784 + 1) + 64 · (64 + 1) + 10 · (64 + 1) = 55,050 weights.
"""

import itertools
from typing import Literal

import jax
from flax import nnx

KERNEL = nnx.initializers.glorot_uniform()


class Mlp(nnx.Module):
    """Dense layers with one nonlinearity between them."""

    def __init__(
        self,
        *,
        inputs: int,
        widths: tuple[int, ...],
        classes: int,
        nonlinearity: Literal["relu", "sigmoid", "tanh"],
        rngs: nnx.Rngs,
    ) -> None:
        """Draw the initial weights from `rngs`."""
        sizes = (inputs, *widths, classes)
        self.nonlinearity = getattr(jax.nn, nonlinearity)
        self.layers = nnx.List([nnx.Linear(i, o, kernel_init=KERNEL, rngs=rngs) for i, o in itertools.pairwise(sizes)])

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, …) to logits (n, classes)."""
        outputs = pictures.reshape(len(pictures), -1)
        *hidden, last = self.layers
        for layer in hidden:
            outputs = self.nonlinearity(layer(outputs))
        return last(outputs)
