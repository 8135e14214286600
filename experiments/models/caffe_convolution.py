"""Convolution in three ways: as a matrix product of patches, as one of rows, or by XLA.

Inside `lax.scan` on a CPU, a training step with XLA's own convolution is many times slower than with a matrix product.
Patches are sliced from the maps and take window² times their memory. They are fastest if the maps have few channels.
With many channels, pieces of rows are faster: they take window times the memory of the maps, and so do their products
with every row of the kernel. The products that belong to one output are then added.
AlexNet uses XLA's, because its patches would be too large.
Maps are (n, height, width, channels), kernels (outputs, window, window, inputs of a group).
"""

from collections.abc import Callable
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
    return _by_groups(partial(_product_of_patches, stride=stride), maps, kernel, groups)


def convolve_by_rows(maps: jax.Array, kernel: jax.Array, stride: int, pad: int, groups: int) -> jax.Array:
    """Convolve by a product of pieces of rows and the rows of the kernel, group by group; only with stride 1."""
    if stride != 1:
        raise ValueError(f"convolve_by_rows: stride must be 1, got {stride}.")
    maps = jnp.pad(maps, ((0, 0), (0, 0), (pad, pad), (0, 0)))
    return _by_groups(partial(_product_of_rows, pad=pad), maps, kernel, groups)


def _by_groups(product: Callable[..., jax.Array], maps: jax.Array, kernel: jax.Array, groups: int) -> jax.Array:
    parts = zip(jnp.split(maps, groups, -1), jnp.split(kernel, groups), strict=True)
    return jnp.concatenate([product(part, weights) for part, weights in parts], -1)


def _product_of_rows(maps: jax.Array, kernel: jax.Array, pad: int) -> jax.Array:
    outputs, height, width, _ = kernel.shape
    pieces = lax.collapse(_patches(maps, WIDTH, width, 1), 3)  # (n, h, w', width · inputs)
    rows = jnp.swapaxes(kernel, 0, 1).reshape(height * outputs, -1)
    products = pieces.reshape(-1, pieces.shape[-1]) @ rows.T
    return _sum_rows(products.reshape(*pieces.shape[:-1], height * outputs), height, pad)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _sum_rows(products: jax.Array, height: int, pad: int) -> jax.Array:
    """Add the products of all rows for each output row: (n, h, w', height · outputs) to (n, h', w', outputs)."""
    products = jnp.pad(products, ((0, 0), (pad, pad), (0, 0), (0, 0)))
    return sum(jnp.split(tap, height, -1)[t] for t, tap in enumerate(taps(products, HEIGHT, height)))


def _from_sum(height: int, pad: int, _: None, gradient: jax.Array) -> tuple[jax.Array]:
    # JAX would pad each row's share to the full shape before it adds them, as in `_from_patches`.
    gradient = jnp.pad(gradient, ((0, 0), (height - 1 - pad,) * 2, (0, 0), (0, 0)))
    return (jnp.concatenate(taps(gradient, HEIGHT, height)[::-1], -1),)


_sum_rows.defvjp(lambda products, *how: (_sum_rows(products, *how), None), _from_sum)


def _product_of_patches(maps: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
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


def _from_patches(axis: int, window: int, stride: int, shape: tuple[int, ...], gradient: jax.Array) -> tuple[jax.Array]:
    # JAX would pad each element's share to the full shape before it adds them: a tenth of a training step.
    maps = jnp.zeros(shape, gradient.dtype)
    for t in range(window):
        at = (slice(None),) * axis + (slice(t, t + shape[axis] - window + 1, stride),)
        maps = maps.at[at].add(gradient[..., t, :], indices_are_sorted=True, unique_indices=True)
    return (maps,)


_patches.defvjp(lambda maps, *how: (_patches(maps, *how), maps.shape), _from_patches)
