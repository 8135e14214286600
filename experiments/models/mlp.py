"""Fully connected nets: one with any number of hidden layers, one with a hidden layer of sigmoid units.

Mlp starts kernels as Glorot's uniform ±√(6 / (inputs + outputs)), biases at 0. With inputs 784, widths (64, 64) and 10
classes: 64 · (784 + 1) + 64 · (64 + 1) + 10 · (64 + 1) = 55,050 weights.

SigmoidNet, 29 x 29 inputs, 100 units, 26 classes: 100 · (29 · 29 + 1) + 26 · (100 + 1) = 86,826 weights.
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


class SigmoidNet(nnx.Module):
    """All weights, biases included, start uniform on [-half_width, half_width]."""

    def __init__(self, *, inputs: int, hidden: int, classes: int, half_width: float, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""

        def uniform(key: jax.Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike):
            return jax.random.uniform(key, shape, dtype, -half_width, half_width)

        self.hidden = nnx.Linear(inputs, hidden, kernel_init=uniform, bias_init=uniform, rngs=rngs)
        self.output = nnx.Linear(hidden, classes, kernel_init=uniform, bias_init=uniform, rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, height, width) to logits (n, classes)."""
        inputs = pictures.reshape(len(pictures), -1)
        return self.output(jax.nn.sigmoid(self.hidden(inputs)))
