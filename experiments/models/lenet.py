"""LeNet as in Caffe's examples/mnist/lenet_train_test.prototxt, and a smaller one for 8 x 8 pictures.

conv1 20 @ 5 x 5 → maximum 2/2 → conv2 50 @ 5 x 5 → maximum 2/2 → ip1 500 → ReLU → ip2 10

No nonlinearity follows the convolutions but the maxima. Kernels start as `xavier`, biases at 0.

20 · (25 + 1) + 50 · (20 · 25 + 1) + 500 · (800 + 1) + 10 · (500 + 1) = 431,080 weights.

The smaller one: convolution 3 x 3, 8 maps → maximum of 2 x 2 → convolution 3 x 3, 16 maps → maximum of 2 x 2
→ 32 units, ReLU → one output per class. Nonlinearities and first weights are the same: uniform on ±√(3 / inputs).

8 · (9 + 1) + 16 · (9 · 8 + 1) + 32 · (2 · 2 · 16 + 1) + 10 · (32 + 1) = 3,658 weights.

Its convolutions are spelled as sliced patches and one matrix product: see `patches`.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.models.caffe_layers import Convolution, InnerProduct
from experiments.models.caffe_pooling import max_pool

# Caffe's "xavier" filler: variance 1 / inputs, uniform.
XAVIER = nnx.initializers.variance_scaling(1.0, "fan_in", "uniform")


class LeNet(nnx.Module):
    """Two convolutions and two inner products, named as Caffe's."""

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
    """Two convolutions and two dense layers."""

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

    A dense layer on it is a convolution with kernel (3, 3, c, out) flattened. XLA's own
    convolution is far slower inside `lax.scan` on a CPU, and slower still under `vmap` over the
    weights, which makes it a grouped one.
    """
    _, height, width, _ = maps.shape
    padded = jnp.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, down : down + height, right : right + width] for down in range(3) for right in range(3)]
    return jnp.concatenate(shifted, axis=-1)


def halve(maps: jax.Array) -> jax.Array:
    """Take the maximum of each 2 x 2 block."""
    count, height, width, channels = maps.shape
    return maps.reshape(count, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
