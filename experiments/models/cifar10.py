"""The nets of Caffe's examples/cifar10: cifar10_quick_train_test.prototxt and cifar10_full_train_test.prototxt.

The quick one:

conv1 32 @ 5 x 5 → maximum 3/2 → ReLU → conv2 32 @ 5 x 5 → ReLU → average 3/2 → conv3 64 @ 5 x 5 → ReLU → average 3/2
→ ip1 64 → ip2 10

No nonlinearity stands between ip1 and ip2. Biases start at 0.

32 · (75 + 1) + 32 · (800 + 1) + 64 · (800 + 1) + 64 · (1,024 + 1) + 10 · (64 + 1) = 145,578 weights.

The full one:

conv1 32 @ 5 x 5 → maximum 3/2 → ReLU → normalization → conv2 32 @ 5 x 5 → ReLU → average 3/2 → normalization
→ conv3 64 @ 5 x 5 → ReLU → average 3/2 → ip1 10

Normalization is within channels, 3 x 3, α = 5e-5, β = .75. Biases start at 0.

32 · (75 + 1) + 32 · (800 + 1) + 64 · (800 + 1) + 10 · (1,024 + 1) = 89,578 weights.
"""

from functools import partial

import jax
from flax import nnx

from experiments.models.caffe_convolution import convolve_by_rows
from experiments.models.caffe_layers import Convolution, InnerProduct, gaussian, normalize_within
from experiments.models.caffe_pooling import average_pool, max_pool

normalize = partial(normalize_within, size=3, alpha=5e-5, beta=0.75)


class Cifar10Quick(nnx.Module):
    """Three convolutions and two inner products, named as Caffe's."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.conv1 = Convolution(3, 32, 5, pad=2, kernel=gaussian(1e-4), rngs=rngs)
        self.conv2 = Convolution(32, 32, 5, pad=2, kernel=gaussian(0.01), convolve=convolve_by_rows, rngs=rngs)
        self.conv3 = Convolution(32, 64, 5, pad=2, kernel=gaussian(0.01), convolve=convolve_by_rows, rngs=rngs)
        self.ip1 = InnerProduct(4 * 4 * 64, 64, kernel=gaussian(0.1), rngs=rngs)
        self.ip2 = InnerProduct(64, 10, kernel=gaussian(0.1), rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, 32, 32, 3), in 0 … 255 less the mean picture, to logits (n, 10)."""
        maps = jax.nn.relu(max_pool(self.conv1(pictures), 3, 2))  # (n, 16, 16, 32)
        maps = average_pool(jax.nn.relu(self.conv2(maps)), 3, 2)  # (n, 8, 8, 32)
        maps = average_pool(jax.nn.relu(self.conv3(maps)), 3, 2)  # (n, 4, 4, 64)
        return self.ip2(self.ip1(maps))


class Cifar10Full(nnx.Module):
    """Three convolutions and one inner product, named as Caffe's."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.conv1 = Convolution(3, 32, 5, pad=2, kernel=gaussian(1e-4), rngs=rngs)
        self.conv2 = Convolution(32, 32, 5, pad=2, kernel=gaussian(0.01), convolve=convolve_by_rows, rngs=rngs)
        self.conv3 = Convolution(32, 64, 5, pad=2, kernel=gaussian(0.01), convolve=convolve_by_rows, rngs=rngs)
        self.ip1 = InnerProduct(4 * 4 * 64, 10, kernel=gaussian(0.01), rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, 32, 32, 3), in 0 … 255 less the mean picture, to logits (n, 10)."""
        maps = normalize(jax.nn.relu(max_pool(self.conv1(pictures), 3, 2)))  # (n, 16, 16, 32)
        maps = normalize(average_pool(jax.nn.relu(self.conv2(maps)), 3, 2))  # (n, 8, 8, 32)
        maps = average_pool(jax.nn.relu(self.conv3(maps)), 3, 2)  # (n, 4, 4, 64)
        return self.ip1(maps)
