"""The weights of the learned optimizer's net: the ones in the library, and the shapes that all must have."""

import functools
import importlib.resources
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from adaptax._checks import check_floating

UNITS = 20  # the paper's
SHIPPED = ("quadratic", "mnist")  # each in methods/learned_lstm_<name>.npz, with a record of its training beside it


def shipped(method: str, name: str | None) -> PyTree:
    """Return the weights of that name; None means the first name."""
    name = SHIPPED[0] if name is None else name
    if name not in SHIPPED:
        raise ValueError(f"{method}: weights must be one of {SHIPPED} or a dict of arrays, got {name!r}.")
    return _read(name)


@functools.cache
def _read(name: str) -> PyTree:
    file = importlib.resources.files("adaptax.methods") / f"learned_lstm_{name}.npz"
    weights: dict[str, dict[str, Any]] = {}
    with file.open("rb") as opened:
        arrays: Any = jnp.load(opened)  # NumPy's, read one by one
        for key in arrays:
            layer, _, part = key.partition("/")
            weights.setdefault(layer, {})[part] = arrays[key]
    return weights


def shapes(units: int, inputs: int) -> PyTree:
    """Return the shape of every array of a net: four gates of each layer read its input and its own hidden units."""
    return {
        "lstm_1": {"kernel": (inputs + units, 4 * units), "bias": (4 * units,)},
        "lstm_2": {"kernel": (units + units, 4 * units), "bias": (4 * units,)},
        "linear": {"kernel": (units, 1), "bias": (1,)},
    }


def check_weights(method: str, weights: PyTree) -> tuple[int, int]:
    """Return how many units a layer has and how many numbers the first one reads; raise for any other net."""
    check_floating(method, weights, real=True)
    found = _by_path(jax.tree.map(jnp.shape, weights))
    units = (found.get("['linear']['kernel']") or (UNITS,))[0]
    inputs = 2 if found.get("['lstm_1']['kernel']") == (2 + units, 4 * units) else 1
    wanted = _by_path(shapes(units, inputs))
    for path in (*wanted, *found):
        if found.get(path) != wanted.get(path):
            raise ValueError(
                f"{method}: weights{path} must have shape {wanted.get(path)}, got {found.get(path)} (None: no such "
                f"array; the first kernel has 1 or 2 rows for the gradient, and one for each of {units} units)."
            )
    return units, inputs


def _by_path(tree: PyTree) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=lambda node: isinstance(node, tuple))
    return {jax.tree_util.keystr(path): shape for path, shape in leaves}
