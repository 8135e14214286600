"""A problem for the programs: pure functions of the params, and of the rest that a model carries.

Params are the arrays that `init` returns; its other leaves (Equinox keeps functions there) are put back before each
call. A problem can also give these functions itself, by `functions()`: a flax nnx module does (`module.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

Tree = Any


class Functions(NamedTuple):
    """The functions that a program calls; the rest is what a model carries and no optimizer changes."""

    init: Callable[[jax.Array], tuple[Tree, Tree]]  # from a seed to params and rest
    loss: Callable[[Tree, Tree, Tree, jax.Array | None], tuple[jax.Array, Tree]]  # params, rest, batch, key
    train_score: Callable[[Tree, Tree, Tree], jax.Array]  # params, rest, batch: the loss, as it is reported
    score: Callable[[Tree, Tree, Tree], jax.Array]  # params, rest, batch
    has_key: bool  # whether the loss wants a key at every step


def of(problem: Any) -> Functions:
    """Return the functions of a problem: its own `functions()`, or those made from its parts."""
    return problem.functions() if hasattr(problem, "functions") else _of_arrays(problem)


def takes_key(loss: Callable) -> bool:
    """Say whether a loss has a third positional argument without a default: the key of a step."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except ValueError:  # a builtin
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters) == 3


def _of_arrays(problem: Any) -> Functions:
    has_key = takes_key(problem.loss)
    whole = _Whole(problem.init)

    def loss(params: Tree, rest: Tree, batch: Tree, key: jax.Array | None) -> tuple[jax.Array, Tree]:
        return problem.loss(whole(params), batch, *([key] if has_key else [])), rest

    return Functions(
        init=lambda seed: (whole.init(jax.random.key(seed)), ()),
        loss=loss,
        # A random loss is reported for one draw.
        train_score=lambda params, rest, batch: loss(params, rest, batch, jax.random.key(0) if has_key else None)[0],
        score=lambda params, rest, batch: problem.score(whole(params), batch),
        has_key=has_key,
    )


class _Whole:
    """Convert params: None in place of what is not an array, and back."""

    def __init__(self, init: Callable[[jax.Array], Tree]) -> None:
        self._init, self._others = init, {}

    def init(self, key: jax.Array) -> Tree:
        leaves, structure = jax.tree.flatten(self._init(key))
        kept = [leaf if _is_array(leaf) else None for leaf in leaves]
        if None not in kept:
            return structure.unflatten(leaves)
        holes = structure.unflatten(kept)
        self._others[jax.tree.structure(holes)] = structure, leaves, kept
        return holes

    def __call__(self, params: Tree) -> Tree:
        found = self._others.get(jax.tree.structure(params))
        if found is None:
            return params
        structure, leaves, kept = found
        arrays = iter(jax.tree.leaves(params))
        return structure.unflatten(
            [leaf if hole is None else next(arrays) for leaf, hole in zip(leaves, kept, strict=True)]
        )


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | float | int | complex)
