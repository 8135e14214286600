"""Dtypes: methods compute in float32 at least, and return updates in the gradient's dtype."""

import numbers
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree


def is_exactly(number: object, value: int | float) -> bool:
    """Return whether a Python number equals `value`; traced values and arrays never do."""
    return isinstance(number, numbers.Real) and number == value


def value_at(number_or_schedule: optax.ScalarOrSchedule, count: ArrayLike) -> ArrayLike:
    """Return a schedule's value after `count` steps, or the number itself."""
    return number_or_schedule(count) if callable(number_or_schedule) else number_or_schedule


def wide_dtype(leaf: object) -> jnp.dtype:
    """Return the dtype a leaf is computed in: its own, but float32 for half precision."""
    dtype = jnp.result_type(getattr(leaf, "dtype", leaf))
    return jnp.dtype(jnp.float32) if dtype.itemsize < 4 else dtype


def wide(leaf: ArrayLike) -> Array:
    """Return a leaf in the dtype it is computed in."""
    return jnp.asarray(leaf, wide_dtype(leaf))


def narrow(leaf: Array, like: ArrayLike) -> Array:
    """Return a leaf in the dtype of `like`: every update leaves in the dtype of its gradient."""
    return leaf.astype(jnp.result_type(like))


def real_dtype(leaf: object) -> jnp.dtype:
    """Return the dtype of a leaf's absolute value, at least float32."""
    return jnp.finfo(wide_dtype(leaf)).dtype


def scalar(number: ArrayLike, like: ArrayLike) -> Array:
    """Return a hyperparameter in the real dtype of the array it multiplies."""
    return jnp.asarray(number, real_dtype(like))


def full_like(tree: PyTree, value: ArrayLike, dtype_of: Callable = wide_dtype) -> PyTree:
    """Return a tree like `tree` (arrays or `jax.ShapeDtypeStruct`s) filled with `value`."""
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, value, dtype=dtype_of(leaf)), tree)


def is_positive(number: object) -> bool:
    """Return whether a number is known to be above 0, also after rounding to float32."""
    return isinstance(number, numbers.Real) and float(number) >= 1e-30


def divide(numerator: Array, denominator: Array, never_zero: bool = False) -> Array:
    """Return numerator / denominator, and 0 where the denominator is 0: no history, no step."""
    if never_zero:  # thanks to a known eps; a guard would cost a tenth of the step
        return numerator / denominator
    return jnp.where(denominator == 0, 0, numerator / jnp.where(denominator == 0, 1, denominator))
