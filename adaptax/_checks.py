"""Bad input gets one sentence with the name and the value; nothing is silently clamped.

Hyperparameters given as Python numbers are checked when a method is built. Traced values and arrays
(`optax.inject_hyperparams`, `jax.vmap` over a rate) pass unchecked: their values are not known then.
"""

import numbers
from collections.abc import Callable
from typing import get_args

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import PyTree


def check(method: str, name: str, value: object, holds: Callable, condition: str) -> None:
    """Raise `ValueError` unless `holds(value)`; values that are not Python numbers pass."""
    if isinstance(value, numbers.Real) and not holds(value):
        raise ValueError(f"{method}: {name} must be {condition}, got {value!r}.")


def check_fraction(method: str, **values: object) -> None:
    """Raise `ValueError` for the first value outside [0, 1): a decay, a momentum."""
    for name, value in values.items():
        check(method, name, value, lambda v: 0 <= v < 1, "in [0, 1)")


def check_nonnegative(method: str, **values: object) -> None:
    """Raise `ValueError` for the first value that is negative or NaN."""
    for name, value in values.items():
        check(method, name, value, lambda v: v >= 0, "at least 0")


def check_order(method: str, low: object, high: object) -> None:
    """Raise `ValueError` for a lower bound above the upper one."""
    if isinstance(high, numbers.Real):
        check(method, "low", low, lambda v: v <= high, f"at most high = {high!r}")


def check_choice(method: str, name: str, value: object, choices: tuple) -> None:
    """Raise `ValueError` for a value that is not among the choices."""
    if value not in choices:
        raise ValueError(f"{method}: {name} must be one of {choices}, got {value!r}.")


def _described(value: object, *kinds: type) -> str | None:
    """Return what a value is; None for one number of these kinds."""
    if not isinstance(value, get_args(ArrayLike)):
        return type(value).__name__
    shape, dtype = jnp.shape(value), jnp.result_type(value)
    is_one = shape == () and any(jnp.issubdtype(dtype, kind) for kind in kinds)
    return None if is_one else f"{dtype} of shape {shape}"


def check_loss(method: str, value: object) -> None:
    """Raise `ValueError` unless an update was given its loss, one real number."""
    if value is None:
        raise ValueError(f"{method}: value must be this step's loss, as in update(…, value=loss), got None.")
    if found := _described(value, jnp.floating, jnp.integer):
        raise ValueError(f"{method}: value must be this step's loss, one real number, got {found}.")


def check_scalar(method: str, value: object) -> None:
    """Raise `ValueError` unless a loss function returned one real floating number."""
    if found := _described(value, jnp.floating):
        raise ValueError(f"{method}: loss must return one real floating number, got {found}.")


def check_floating(method: str, tree: PyTree, *, real: bool = False) -> None:
    """Raise `ValueError` naming the first leaf that is not floating (with `real`: or is complex)."""
    wanted, kind = (jnp.floating, "real floating") if real else (jnp.inexact, "floating")
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        found = getattr(leaf, "dtype", type(leaf))
        if found not in (float, complex)[: 1 if real else 2] and not jnp.issubdtype(found, wanted):
            at = jax.tree_util.keystr(path)
            raise ValueError(f"{method}: leaves must be {kind} numbers, got {found} at {at!r}.")


def check_matches(method: str, what: str, tree: PyTree, like: PyTree) -> None:
    """Raise `ValueError` naming the first leaf whose shape differs from that of `like`, which `init` made."""
    got, seen = (
        {jax.tree_util.keystr(path): jnp.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
        for tree in (tree, like)
    )
    for path in (*got, *seen):
        if got.get(path) != seen.get(path):
            raise ValueError(
                f"{method}: the {what} at {path!r} has shape {got.get(path)}, "
                f"but init saw {seen.get(path)} (None: no such leaf)."
            )


def check_gradients(method: str, gradients: PyTree, like: PyTree, *, real: bool = False) -> None:
    """Raise `ValueError` for gradients that are not floating (with `real`: or complex) or not shaped as `like`."""
    check_floating(method, gradients, real=real)
    check_matches(method, "gradient", gradients, like)


def check_params(method: str, params: PyTree) -> None:
    """Raise `ValueError` if an update that reads the params got none."""
    if params is None:
        raise ValueError(f"{method}: params must be given, as in update(gradients, state, params), got None.")
