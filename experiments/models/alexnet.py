"""AlexNet as in Caffe's models/bvlc_alexnet/train_val.prototxt: normalization *before* pooling.

conv1 96 @ 11 x 11 / 4 → ReLU → normalization → maximum 3/2 → conv2 256 @ 5 x 5, 2 groups → ReLU → normalization
→ maximum 3/2 → conv3 384 @ 3 x 3 → ReLU → conv4 384 @ 3 x 3, 2 groups → ReLU → conv5 256 @ 3 x 3, 2 groups → ReLU
→ maximum 3/2 → fc6 4,096 → ReLU → dropout → fc7 4,096 → ReLU → dropout → fc8 1,000

Normalization is across 5 channels, α = 1e-4, β = .75. Biases start at 0 in conv1, conv3 and fc8, elsewhere at .1.

96 · (363 + 1) + 256 · (1,200 + 1) + 384 · (2,304 + 1) + 384 · (1,728 + 1) + 256 · (1,728 + 1)
+ 4,096 · (9,216 + 1) + 4,096 · (4,096 + 1) + 1,000 · (4,096 + 1) = 60,965,224 weights.
"""

from functools import partial

import jax
from flax import nnx

from experiments.models.caffe_convolution import convolve_by_xla
from experiments.models.caffe_layers import Convolution, InnerProduct, drop, gaussian, normalize_across
from experiments.models.caffe_pooling import max_pool

normalize = partial(normalize_across, size=5, alpha=1e-4, beta=0.75)


class AlexNet(nnx.Module):
    """Five convolutions and three inner products, named as Caffe's."""

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
        maps = max_pool(normalize(relu(self.conv1(pictures))), 3, 2)  # (n, 27, 27, 96)
        maps = max_pool(normalize(relu(self.conv2(maps))), 3, 2)  # (n, 13, 13, 256)
        maps = relu(self.conv4(relu(self.conv3(maps))))
        maps = max_pool(relu(self.conv5(maps)), 3, 2)  # (n, 6, 6, 256)
        units = drop(relu(self.fc6(maps)), 0.5, key6)
        units = drop(relu(self.fc7(units)), 0.5, key7)
        return self.fc8(units)
