"""A fully connected net: inputs, one layer of sigmoid units, one output per class.

29 x 29 inputs, 100 units, 26 classes: 100 · (29 · 29 + 1) + 26 · (100 + 1) = 86,826 weights.
"""

import jax
from flax import nnx


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
