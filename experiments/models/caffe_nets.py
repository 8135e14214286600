"""The nets of Caffe's prototxt files, with the same names of layers; and a smaller LeNet, for 8 x 8 pictures.

Numbers in a chain are maps or units @ kernel / stride. Biases start at 0, unless the net says otherwise.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.models.caffe_convolution import convolve_by_rows, convolve_by_xla
from experiments.models.caffe_layers import Convolution, InnerProduct, drop, normalize_across, normalize_within
from experiments.models.caffe_pooling import average_pool, max_pool

gaussian = nnx.initializers.normal  # Caffe's filler; takes the standard deviation
# Caffe's "xavier" filler: variance 1 / inputs, uniform.
XAVIER = nnx.initializers.variance_scaling(1.0, "fan_in", "uniform")
within = partial(normalize_within, size=3, alpha=5e-5, beta=0.75)
across = partial(normalize_across, size=5, alpha=1e-4, beta=0.75)


class LeNet(nnx.Module):
    """Two convolutions and two inner products: examples/mnist/lenet_train_test.prototxt.

    conv1 20 @ 5 x 5 → maximum 2/2 → conv2 50 @ 5 x 5 → maximum 2/2 → ip1 500 → ReLU → ip2 10

    The only nonlinearities after the convolutions are the maxima. Kernels start as `xavier`.
    20 · (25 + 1) + 50 · (20 · 25 + 1) + 500 · (800 + 1) + 10 · (500 + 1) = 431,080 weights.
    """

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.conv1 = Convolution(1, 20, 5, rngs=rngs)
        self.conv2 = Convolution(20, 50, 5, rngs=rngs)
        self.ip1 = InnerProduct(4 * 4 * 50, 500, rngs=rngs)
        self.ip2 = InnerProduct(500, 10, rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, 28, 28), scaled by 1/256, to logits (n, 10)."""
        maps = max_pool(self.conv1(pictures[..., None]), 2, 2)  # (n, 12, 12, 20)
        maps = max_pool(self.conv2(maps), 2, 2)  # (n, 4, 4, 50)
        return self.ip2(jax.nn.relu(self.ip1(maps)))


class SmallLeNet(nnx.Module):
    """Two convolutions and two dense layers, as in LeNet; kernels start uniform on ±√(3 / inputs).

    convolution 8 @ 3 x 3 → maximum 2/2 → convolution 16 @ 3 x 3 → maximum 2/2 → 32 units → ReLU → 10

    8 · (9 + 1) + 16 · (9 · 8 + 1) + 32 · (2 · 2 · 16 + 1) + 10 · (32 + 1) = 3,658 weights.
    A convolution is one matrix product with sliced patches: see `patches`.
    """

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.convolution_1 = nnx.Linear(9 * 1, 8, kernel_init=XAVIER, rngs=rngs)
        self.convolution_2 = nnx.Linear(9 * 8, 16, kernel_init=XAVIER, rngs=rngs)
        self.hidden = nnx.Linear(2 * 2 * 16, 32, kernel_init=XAVIER, rngs=rngs)
        self.output = nnx.Linear(32, 10, kernel_init=XAVIER, rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, 8, 8) to logits (n, 10)."""
        maps = pictures[..., None]  # (n, 8, 8, 1)
        maps = halve(self.convolution_1(patches(maps)))  # (n, 4, 4, 8)
        maps = halve(self.convolution_2(patches(maps)))  # (n, 2, 2, 16)
        hidden = jax.nn.relu(self.hidden(maps.reshape(len(maps), -1)))
        return self.output(hidden)


def patches(maps: jax.Array) -> jax.Array:
    """Gather each pixel's 3 x 3 neighborhood, zeros outside: (n, h, w, c) to (n, h, w, 9 c).

    A dense layer on them is a convolution whose kernel (3, 3, c, out) is flattened. XLA's own convolution is much
    slower inside `lax.scan` on a CPU, and slower still under `vmap` over the weights, which makes it a grouped one.
    """
    _, height, width, _ = maps.shape
    padded = jnp.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, down : down + height, right : right + width] for down in range(3) for right in range(3)]
    return jnp.concatenate(shifted, axis=-1)


def halve(maps: jax.Array) -> jax.Array:
    """Take the maximum of each 2 x 2 block."""
    count, height, width, channels = maps.shape
    return maps.reshape(count, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


class Cifar10Quick(nnx.Module):
    """Three convolutions and two inner products: examples/cifar10/cifar10_quick_train_test.prototxt.

    conv1 32 @ 5 x 5 → maximum 3/2 → ReLU → conv2 32 @ 5 x 5 → ReLU → average 3/2 → conv3 64 @ 5 x 5 → ReLU
    → average 3/2 → ip1 64 → ip2 10

    There is no nonlinearity between ip1 and ip2.
    32 · (75 + 1) + 32 · (800 + 1) + 64 · (800 + 1) + 64 · (1,024 + 1) + 10 · (64 + 1) = 145,578 weights.
    """

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
    """Three convolutions and one inner product: examples/cifar10/cifar10_full_train_test.prototxt.

    conv1 32 @ 5 x 5 → maximum 3/2 → ReLU → normalization → conv2 32 @ 5 x 5 → ReLU → average 3/2 → normalization
    → conv3 64 @ 5 x 5 → ReLU → average 3/2 → ip1 10

    Normalization is within channels, 3 x 3.
    32 · (75 + 1) + 32 · (800 + 1) + 64 · (800 + 1) + 10 · (1,024 + 1) = 89,578 weights.
    """

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        self.conv1 = Convolution(3, 32, 5, pad=2, kernel=gaussian(1e-4), rngs=rngs)
        self.conv2 = Convolution(32, 32, 5, pad=2, kernel=gaussian(0.01), convolve=convolve_by_rows, rngs=rngs)
        self.conv3 = Convolution(32, 64, 5, pad=2, kernel=gaussian(0.01), convolve=convolve_by_rows, rngs=rngs)
        self.ip1 = InnerProduct(4 * 4 * 64, 10, kernel=gaussian(0.01), rngs=rngs)

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """Map pictures (n, 32, 32, 3), in 0 … 255 less the mean picture, to logits (n, 10)."""
        maps = within(jax.nn.relu(max_pool(self.conv1(pictures), 3, 2)))  # (n, 16, 16, 32)
        maps = within(average_pool(jax.nn.relu(self.conv2(maps)), 3, 2))  # (n, 8, 8, 32)
        maps = average_pool(jax.nn.relu(self.conv3(maps)), 3, 2)  # (n, 4, 4, 64)
        return self.ip1(maps)


class AlexNet(nnx.Module):
    """Five convolutions and three inner products, normalized *before* pooling: models/bvlc_alexnet/train_val.prototxt.

    conv1 96 @ 11 x 11 / 4 → ReLU → normalization → maximum 3/2 → conv2 256 @ 5 x 5, 2 groups → ReLU → normalization
    → maximum 3/2 → conv3 384 @ 3 x 3 → ReLU → conv4 384 @ 3 x 3, 2 groups → ReLU → conv5 256 @ 3 x 3, 2 groups
    → ReLU → maximum 3/2 → fc6 4,096 → ReLU → dropout → fc7 4,096 → ReLU → dropout → fc8 1,000

    Normalization is across 5 channels. Biases start at 0 in conv1, conv3 and fc8, elsewhere at 0.1.
    96 · (363 + 1) + 256 · (1,200 + 1) + 384 · (2,304 + 1) + 384 · (1,728 + 1) + 256 · (1,728 + 1)
    + 4,096 · (9,216 + 1) + 4,096 · (4,096 + 1) + 1,000 · (4,096 + 1) = 60,965,224 weights.
    """

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Draw the initial weights from `rngs`."""
        convolution = partial(Convolution, kernel=gaussian(0.01), convolve=convolve_by_xla, rngs=rngs)
        self.conv1 = convolution(3, 96, 11, stride=4)
        self.conv2 = convolution(96, 256, 5, pad=2, groups=2, bias=0.1)
        self.conv3 = convolution(256, 384, 3, pad=1)
        self.conv4 = convolution(384, 384, 3, pad=1, groups=2, bias=0.1)
        self.conv5 = convolution(384, 256, 3, pad=1, groups=2, bias=0.1)
        self.fc6 = InnerProduct(6 * 6 * 256, 4096, kernel=gaussian(0.005), bias=0.1, rngs=rngs)
        self.fc7 = InnerProduct(4096, 4096, kernel=gaussian(0.005), bias=0.1, rngs=rngs)
        self.fc8 = InnerProduct(4096, 1000, kernel=gaussian(0.01), rngs=rngs)

    def __call__(self, pictures: jax.Array, key: jax.Array | None = None) -> jax.Array:
        """Map pictures (n, 227, 227, 3), in 0 … 255 less their mean, to logits (n, 1000); train with a key."""
        key6, key7 = (None, None) if key is None else jax.random.split(key)
        relu = jax.nn.relu
        maps = max_pool(across(relu(self.conv1(pictures))), 3, 2)  # (n, 27, 27, 96)
        maps = max_pool(across(relu(self.conv2(maps))), 3, 2)  # (n, 13, 13, 256)
        maps = relu(self.conv4(relu(self.conv3(maps))))
        maps = max_pool(relu(self.conv5(maps)), 3, 2)  # (n, 6, 6, 256)
        units = drop(relu(self.fc6(maps)), 0.5, key6)
        units = drop(relu(self.fc7(units)), 0.5, key7)
        return self.fc8(units)
