"""How numbers are held: float32 at least inside, the gradient's dtype outside."""

import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from adaptax._checks import check_floating, check_matches
from adaptax._rounding import leaf_seed


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
    """Return whether a number is known to be above 0, and by so much that float32 never takes it for 0."""
    return isinstance(number, numbers.Real) and float(number) >= 1e-30


def divide(numerator: Array, denominator: Array, never_zero: bool = False) -> Array:
    """Return numerator / denominator, and 0 where the denominator is 0: no history, no step."""
    if never_zero:  # by an eps that is known: a guard would cost a tenth of the step
        return numerator / denominator
    return jnp.where(denominator == 0, 0, numerator / jnp.where(denominator == 0, 1, denominator))


def map_leaves(
    method: str,
    leaf: Callable[..., tuple],
    into: int,
    gradients: PyTree,
    *slots: PyTree,
    real: bool = False,
    dither: Any = None,
    behind: int = 0,
) -> tuple[PyTree, ...]:
    """Apply a rule at every leaf of checked gradients and state slots; return its `into` results as trees.

    Given a `dither`, the rule gets a seed for its rounding as well, see `keep`. `behind` says how many axes a slot's
    leaves have behind those of the gradients.
    """
    check_floating(method, gradients, real=real)
    check_matches(method, gradients, slots[0], behind=behind)
    if any(isinstance(x, Tracer) for x in jax.tree.leaves(gradients)):
        leaf = jax.jit(leaf)  # traced and lowered once for all leaves of the same shapes, then called
    structure = jax.tree.structure(gradients)
    rows = zip(*(structure.flatten_up_to(tree) for tree in (gradients, *slots)), strict=True)
    seeds = [() if dither is None else (leaf_seed(dither, index),) for index in range(structure.num_leaves)]
    results = [leaf(*row, *seed) for row, seed in zip(rows, seeds, strict=True)]
    return tuple(structure.unflatten([result[k] for result in results]) for k in range(into))
