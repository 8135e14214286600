"""Bad input gets one sentence with the name and the value; nothing is silently clamped.

Hyperparameters given as Python numbers are checked when a method is built. Traced values and arrays
(`optax.inject_hyperparams`, `jax.vmap` over a rate) pass unchecked: their values are not known then.
"""

import numbers
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree


def check(method: str, name: str, value: object, holds: Callable, condition: str) -> None:
    """Raise `ValueError` unless `holds(value)`; values that are no Python numbers pass."""
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


def check_learning_rate(method: str, learning_rate: object) -> None:
    """Raise `ValueError` for a missing or negative rate (None would turn descent into ascent)."""
    if learning_rate is None:
        raise ValueError(f"{method}: learning_rate must be a number or a schedule, got None.")
    check_nonnegative(method, learning_rate=learning_rate)


def scale_by_descent(method: str, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Return `optax.scale_by_learning_rate(learning_rate)` once the rate is checked."""
    check_learning_rate(method, learning_rate)
    return optax.scale_by_learning_rate(learning_rate)


def check_loss(method: str, value: object) -> None:
    """Raise `ValueError` unless an update was given its loss, one real number."""
    if value is None:
        raise ValueError(f"{method}: value must be this step's loss, as in update(…, value=loss), got None.")
    if jnp.shape(value) or jnp.iscomplexobj(value):
        found = f"{jnp.result_type(value)} of shape {jnp.shape(value)}"
        raise ValueError(f"{method}: value must be this step's loss, one real number, got {found}.")


def check_floating(method: str, tree: PyTree, *, real: bool = False) -> None:
    """Raise `ValueError` naming the first leaf that is not floating (with `real`: or is complex)."""
    wanted, kind = (jnp.floating, "real floating") if real else (jnp.inexact, "floating")
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        found = getattr(leaf, "dtype", type(leaf))
        if found not in (float, complex)[: 1 if real else 2] and not jnp.issubdtype(found, wanted):
            at = jax.tree_util.keystr(path)
            raise ValueError(f"{method}: leaves must be {kind} numbers, got {found} at {at!r}.")


def check_matches(method: str, tree: PyTree, kept: PyTree, what: str = "gradient", behind: int = 0) -> None:
    """Raise `ValueError` naming the first leaf whose shape differs from what `init` saw, less `behind` last axes."""
    got, seen = (
        {jax.tree_util.keystr(path): jnp.shape(leaf)[: jnp.ndim(leaf) - axes] for path, leaf in leaves}
        for axes, leaves in zip((0, behind), map(jax.tree_util.tree_leaves_with_path, (tree, kept)), strict=True)
    )
    for path in (*got, *seen):
        if got.get(path) != seen.get(path):
            raise ValueError(
                f"{method}: the {what} at {path!r} has shape {got.get(path)}, "
                f"but init saw {seen.get(path)} (None: no such leaf)."
            )
