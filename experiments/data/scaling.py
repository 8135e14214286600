"""What the networks are fed: Caffe's scalings, on the device, of pictures that stay raw bytes in memory.

LeNet      x / 256            (`transform_param { scale: 0.00390625 }`)
CIFAR-10   x - mean image     raw 0 to 255, no division
ImageNet   x - mean image     of 256 x 256, cut and mirrored with the picture: `experiments.data.imagenet.crop`

Every scaling is called with the pictures and the mean training picture, whether it needs that or not.
"""

import jax
import jax.numpy as jnp
import numpy as np


def unchanged(pictures: jax.Array, mean: jax.Array | None = None) -> jax.Array:
    """Feed pictures that are floats already."""
    del mean
    return pictures


def by_256(pictures: jax.Array, mean: jax.Array | None = None) -> jax.Array:
    """Scale to [0, 1): 1/256, not 1/255, as Caffe's LeNet does."""
    del mean
    return pictures.astype(jnp.float32) / 256


def minus_mean(pictures: jax.Array, mean: jax.Array) -> jax.Array:
    """Subtract from every picture the mean picture, or the mean of each channel."""
    return pictures.astype(jnp.float32) - mean.reshape((1,) * (pictures.ndim - mean.ndim) + mean.shape)


def mean_image(pictures: np.ndarray) -> np.ndarray:
    """Average pictures, pixel by pixel; of the training pictures only, or the test set is no longer unseen."""
    return pictures.mean(axis=0, dtype=np.float64).astype(np.float32)
