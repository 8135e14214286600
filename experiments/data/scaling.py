"""Caffe's scalings of the inputs of nets; they run on the device, so that pictures stay raw bytes in memory.

LeNet      x / 256            (`transform_param { scale: 0.00390625 }`)
CIFAR-10   x - mean image     raw 0 to 255, no division
ImageNet   x - mean image     of 256 x 256, cropped and mirrored with the picture: `experiments.data.imagenet.crop`

Every scaling takes the pictures and the mean training picture, even if it does not need the mean.
"""

import jax
import jax.numpy as jnp
import numpy as np


def unchanged(pictures: jax.Array, mean: jax.Array | None = None) -> jax.Array:
    """Return pictures that are floats already."""
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
    """Average pictures pixel by pixel. Give only training pictures, so that the test set stays unseen."""
    return pictures.mean(axis=0, dtype=np.float64).astype(np.float32)
