r"""Caffe's other layers, channels last: convolution, inner product, response normalization, dropout, fillers.

    across channels  x (1 + α/n Σ x²)^-β over the n channels around      within one  x (1 + α average(x²))^-β over n x n
    dropout          x / (1 - rate) with probability 1 - rate, else 0

Jia et al., "Caffe: Convolutional Architecture for Fast Feature Embedding", 2014. As in Caffe's blobs, a kernel's
outputs come first: (outputs, height, width, inputs) and (outputs, inputs). On a CPU, XLA also computes the gradient of
a matrix product fastest in this order.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.models.caffe_convolution import convolve_by_product
from experiments.models.caffe_pooling import average_pool, taps

Filler = Callable[[jax.Array, tuple[int, ...]], jax.Array]  # from a key and the shape of a kernel


def xavier(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw from U(-s, s), s = √(3 / inputs): not Glorot's average of inputs and outputs."""
    s = math.sqrt(3 / math.prod(shape[1:]))
    return jax.random.uniform(key, shape, minval=-s, maxval=s)


class Convolution(nnx.Module):
    """Convolve maps (n, h, w, inputs) with square kernels; groups see only their share of the inputs.

    `convolve` is one of the three ways in `experiments.models.caffe_convolution`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: int,
        *,
        stride: int = 1,
        pad: int = 0,
        groups: int = 1,
        kernel: Filler = xavier,
        bias: float = 0.0,
        convolve: Callable[..., jax.Array] = convolve_by_product,
        rngs: nnx.Rngs,
    ) -> None:
        """Draw the kernel; the bias is constant."""
        self.stride, self.pad, self.groups, self.convolve = stride, pad, groups, convolve
        self.kernel = nnx.Param(kernel(rngs.params(), (outputs, window, window, inputs // groups)))
        self.bias = nnx.Param(jnp.full(outputs, bias))

    def __call__(self, maps: jax.Array) -> jax.Array:
        """Return maps (n, h', w', outputs); incomplete windows are left out, unlike in pooling."""
        return self.convolve(maps, self.kernel[...], self.stride, self.pad, self.groups) + self.bias[None, None, None]


class InnerProduct(nnx.Module):
    """Flatten each picture's maps and multiply them with a matrix."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: Filler = xavier, bias: float = 0.0, rngs: nnx.Rngs
    ) -> None:
        """Draw the kernel; the bias is constant."""
        self.kernel = nnx.Param(kernel(rngs.params(), (outputs, inputs)))
        self.bias = nnx.Param(jnp.full(outputs, bias))

    def __call__(self, maps: jax.Array) -> jax.Array:
        """Map (n, …) to (n, outputs)."""
        return maps.reshape(len(maps), -1) @ self.kernel.T + self.bias[None]


def normalize_across(maps: jax.Array, size: int, alpha: float, beta: float) -> jax.Array:
    """Normalize by the responses of the `size` channels around each; `size` is odd."""
    half = size // 2
    squares = jnp.pad(maps**2, ((0, 0), (0, 0), (0, 0), (half, half)))
    return maps * (1 + alpha / size * sum(taps(squares, 3, size))) ** -beta


def normalize_within(maps: jax.Array, size: int, alpha: float, beta: float) -> jax.Array:
    """Normalize by the responses of the `size` x `size` pixels around each, channel by channel; `size` is odd."""
    return maps * (1 + alpha * average_pool(maps**2, size, 1, size // 2)) ** -beta


def drop(maps: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Drop units at random and scale up the others; without a key, change nothing."""
    if key is None:
        return maps
    return jnp.where(jax.random.bernoulli(key, 1 - rate, maps.shape), maps / (1 - rate), 0)
