"""LeNet as in Caffe's examples/mnist/lenet_train_test.prototxt.

conv1 20 @ 5 x 5 → maximum 2/2 → conv2 50 @ 5 x 5 → maximum 2/2 → ip1 500 → ReLU → ip2 10

No nonlinearity follows the convolutions but the maxima. Kernels start as `xavier`, biases at 0.

20 · (25 + 1) + 50 · (20 · 25 + 1) + 500 · (800 + 1) + 10 · (500 + 1) = 431,080 weights.
"""

import jax
from flax import nnx

from experiments.models.caffe_layers import Convolution, InnerProduct
from experiments.models.caffe_pooling import max_pool


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
