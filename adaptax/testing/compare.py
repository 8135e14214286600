"""Comparisons of trees that name the leaf that is wrong."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree


def expect(condition: Any, message: str) -> None:
    """Raise `AssertionError` with a message unless a condition holds, even if Python runs with -O."""
    if not bool(condition):
        raise AssertionError(message)


def _number(leaf: Any) -> np.ndarray:
    """Return a leaf in the widest dtype: NumPy cannot compare bfloat16."""
    is_complex = jnp.issubdtype(jnp.result_type(leaf), jnp.complexfloating)
    return np.asarray(leaf).astype(np.complex128 if is_complex else np.float64)


def assert_close(actual: PyTree, expected: PyTree, rtol: float = 1e-5, atol: float = 1e-7, what: str = "") -> None:
    """Raise unless two trees have the same structure and shapes, and close leaves; NaN equals NaN."""
    got, wanted = jax.tree.structure(actual), jax.tree.structure(expected)
    expect(got == wanted, f"{what} has the structure {got}, not {wanted}")
    paths = jax.tree_util.tree_leaves_with_path(expected)
    for (path, wanted), leaf in zip(paths, jax.tree.leaves(actual), strict=True):
        at = f"{what} at {jax.tree_util.keystr(path)!r}"
        expect(jnp.shape(leaf) == jnp.shape(wanted), f"{at} has shape {jnp.shape(leaf)}, not {jnp.shape(wanted)}")
        np.testing.assert_allclose(_number(leaf), _number(wanted), rtol, atol, err_msg=at)


def assert_equal(actual: PyTree, expected: PyTree, what: str = "") -> None:
    """Raise unless two trees are the same to the last bit."""
    assert_close(actual, expected, 0.0, 0.0, what)


def assert_same_types(actual: PyTree, expected: PyTree, what: str = "the state") -> None:
    """Raise unless two trees have the same structure, shapes and dtypes."""
    got, wanted = jax.tree.structure(actual), jax.tree.structure(expected)
    expect(got == wanted, f"{what} has the structure {got}, not {wanted}")
    paths = jax.tree_util.tree_leaves_with_path(expected)
    for (path, wanted), leaf in zip(paths, jax.tree.leaves(actual), strict=True):
        types = [(jnp.shape(x), jnp.result_type(x).name) for x in (leaf, wanted)]
        expect(types[0] == types[1], f"{what} at {jax.tree_util.keystr(path)!r} is {types[0]}, not {types[1]}")


def assert_finite(tree: PyTree, what: str) -> None:
    """Raise at a leaf that is infinite or NaN."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        expect(jnp.isfinite(leaf).all(), f"{what} at {jax.tree_util.keystr(path)!r} is not finite: {leaf}")


def zeros_of(tree: PyTree) -> PyTree:
    """Return a tree of zeros."""
    return jax.tree.map(jnp.zeros_like, tree)


def dtypes_of(tree: PyTree) -> set[str]:
    """Return the names of the leaves' dtypes."""
    return {jnp.result_type(leaf).name for leaf in jax.tree.leaves(tree)}
