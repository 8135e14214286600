"""Cutting and mirroring pictures on the device: bytes travel, and only there do they become floats."""

import functools

import jax
import jax.numpy as jnp

from experiments.data.imagenet import CROP, Placed
from experiments.data.scaling import minus_mean


@functools.partial(jax.jit, static_argnames="size")
def crop(batch: Placed, mean: jax.Array, size: int = CROP) -> jax.Array:
    """Subtract the mean and cut each picture where it says: (n, size, size, 3).

    A mean image (256, 256, 3) is cut and mirrored with the picture, as Caffe does; a mean of each channel is (3,).
    """
    pictures = minus_mean(batch.picture, mean)

    def cut(picture: jax.Array, corner: jax.Array, is_mirrored: jax.Array) -> jax.Array:
        part = jax.lax.dynamic_slice(picture, (corner[0], corner[1], 0), (size, size, 3))
        return jnp.where(is_mirrored, part[:, ::-1], part)

    return jax.vmap(cut)(pictures, batch.corner, batch.is_mirrored)
