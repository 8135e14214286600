"""Convolution in two spellings: as a matrix product, or as XLA has it.

The product is of patches, sliced from the maps, and the kernel. Inside `lax.scan` on a CPU, a training step with XLA's
own convolution is many times slower. Patches take window² times the memory of the maps: small nets use them,
AlexNet uses XLA's.
Maps are (n, height, width, channels), kernels (outputs, window, window, inputs of a group).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from experiments.models.caffe_pooling import HEIGHT, WIDTH, taps


def convolve_by_xla(maps: jax.Array, kernel: jax.Array, stride: int, pad: int, groups: int) -> jax.Array:
    """Convolve with `lax.conv_general_dilated`."""
    return lax.conv_general_dilated(
        maps,
        kernel,
        (stride, stride),
        [(pad, pad)] * 2,
        dimension_numbers=("NHWC", "OHWI", "NHWC"),
        feature_group_count=groups,
    )


def convolve_by_product(maps: jax.Array, kernel: jax.Array, stride: int, pad: int, groups: int) -> jax.Array:
    """Convolve by a product of patches and kernel, group by group."""
    maps = jnp.pad(maps, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    groups = zip(jnp.split(maps, groups, -1), jnp.split(kernel, groups), strict=True)
    return jnp.concatenate([_product(part, weights, stride) for part, weights in groups], -1)


def _product(maps: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    outputs, height, width, _ = kernel.shape
    for axis, window in ((WIDTH, width), (HEIGHT, height)):
        maps = lax.collapse(_patches(maps, axis, window, stride), 3)  # at last (n, h', w', height · width · inputs)
    # As matrices, not with einsum: products over several axes make XLA transpose the gradient in memory.
    flat = maps.reshape(-1, maps.shape[-1]) @ kernel.reshape(outputs, -1).T
    return flat.reshape(*maps.shape[:-1], outputs)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _patches(maps: jax.Array, axis: int, window: int, stride: int) -> jax.Array:
    """Gather the windows along an axis: their elements become the last axis but one."""
    return jnp.stack(taps(maps, axis, window, stride), -2)


def _patches_and_shape(maps: jax.Array, axis: int, window: int, stride: int) -> tuple[jax.Array, tuple[int, ...]]:
    return _patches(maps, axis, window, stride), maps.shape


def _from_patches(axis: int, window: int, stride: int, shape: tuple[int, ...], gradient: jax.Array) -> tuple[jax.Array]:
    # JAX would pad each element's share to the full shape before it adds: a tenth of a training step.
    maps = jnp.zeros(shape, gradient.dtype)
    for t in range(window):
        at = (slice(None),) * axis + (slice(t, t + shape[axis] - window + 1, stride),)
        maps = maps.at[at].add(gradient[..., t, :], indices_are_sorted=True, unique_indices=True)
    return (maps,)


_patches.defvjp(_patches_and_shape, _from_patches)
