r"""Caffe's pooling, channels last: the number of windows is rounded *up*, and the last may reach beyond the edge.

    windows = ceil((size + 2 pad - window) / stride) + 1,   the last one starting inside size + pad

Jia et al., "Caffe: Convolutional Architecture for Fast Feature Embedding", 2014, pooling_layer.cpp. The maximum
ignores the padding, and its gradient goes to the first of equal pixels, by rows. The average divides by the part of the
window inside size + 2 pad: zeros of the padding count, the part beyond it does not.

Both work along one axis at a time. On CPUs the gradient of `lax.reduce_window`'s maximum is some ten times slower.
"""

from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

HEIGHT, WIDTH = 1, 2  # the axes of maps (n, height, width, channels)


def count_windows(size: int, window: int, stride: int, pad: int) -> int:
    """Count the windows along an axis."""
    count = -(-(size + 2 * pad - window) // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pad else count


def taps(maps: jax.Array, axis: int, window: int, stride: int = 1) -> list[jax.Array]:
    """Return an array for each position t of a window: element t of every whole window along an axis."""
    last = maps.shape[axis] - window
    return [lax.slice_in_dim(maps, t, t + last + 1, stride, axis) for t in range(window)]


def max_pool(maps: jax.Array, window: int, stride: int, pad: int = 0) -> jax.Array:
    """Take the maximum of each window: (n, h, w, c) to (n, windows, windows, c)."""
    if window < stride:
        raise ValueError(f"max_pool: stride must be at most window = {window}, got {stride}.")
    maps = _cover(maps, -jnp.inf, window, stride, pad)
    # Along the width first: of equal pixels the first one by rows wins, as in Caffe's loops.
    return _maximum(_maximum(maps, WIDTH, window, stride), HEIGHT, window, stride)


def average_pool(maps: jax.Array, window: int, stride: int, pad: int = 0) -> jax.Array:
    """Take the average of each window: (n, h, w, c) to (n, windows, windows, c)."""
    areas = np.outer(*(_lengths(maps.shape[axis], window, stride, pad) for axis in (HEIGHT, WIDTH)))
    maps = _cover(maps, 0, window, stride, pad)
    for axis in (WIDTH, HEIGHT):
        maps = sum(taps(maps, axis, window, stride))
    return maps * jnp.asarray(1 / areas, maps.dtype)[None, :, :, None]


def _lengths(size: int, window: int, stride: int, pad: int) -> np.ndarray:
    """Measure each window's part inside the padded axis."""
    starts = stride * np.arange(count_windows(size, window, stride, pad)) - pad
    return np.minimum(starts + window, size + pad) - starts


def _cover(maps: jax.Array, fill: float, window: int, stride: int, pad: int) -> jax.Array:
    """Pad or crop height and width to exactly what the windows cover."""
    edges = [(0, 0, 0)] * 4
    for axis in (HEIGHT, WIDTH):
        size = maps.shape[axis]
        covered = (count_windows(size, window, stride, pad) - 1) * stride + window
        edges[axis] = (pad, covered - size - pad, 0)
    return lax.pad(maps, jnp.asarray(fill, maps.dtype), edges)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _maximum(maps: jax.Array, axis: int, window: int, stride: int) -> jax.Array:
    """Take the maximum of each window along an axis that the windows cover exactly."""
    return reduce(jnp.maximum, taps(maps, axis, window, stride))


def _maximum_and_winner(maps: jax.Array, axis: int, window: int, stride: int) -> tuple[jax.Array, jax.Array]:
    best, *others = taps(maps, axis, window, stride)
    winner = jnp.zeros(best.shape, jnp.uint8)
    for t, tap in enumerate(others, start=1):
        winner = jnp.where(tap > best, jnp.uint8(t), winner)
        best = jnp.maximum(best, tap)
    return best, winner


def _to_winner(axis: int, window: int, stride: int, winner: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    """Give each window's gradient to its first maximum; overlapping windows may share one."""
    reach = -(-window // stride)  # in strides

    def later(part: jax.Array, strides: int) -> jax.Array:
        edges = [(strides, reach - 1 - strides) if i == axis else (0, 0) for i in range(part.ndim)]
        return jnp.pad(part, edges)

    def at(phase: int) -> jax.Array:  # every stride-th pixel: the element t of the window t // stride strides before
        return sum(later(jnp.where(winner == t, gradient, 0), t // stride) for t in range(phase, window, stride))

    phases = jnp.stack([at(phase) for phase in range(stride)], axis + 1)
    maps = lax.collapse(phases, axis, axis + 2)
    return (lax.slice_in_dim(maps, 0, (gradient.shape[axis] - 1) * stride + window, axis=axis),)


_maximum.defvjp(_maximum_and_winner, _to_winner)
