r"""Rates by path: constant rates, from a table of patterns.

$$ r_l = c_l $$

Layer-wise decay (ELECTRA, arXiv:2003.10555, 2020; BEiT, arXiv:2106.08254), rates per kind of block (arXiv:2502.19002,
2025) and the maximal update parametrization (arXiv:2203.03466, 2022) are such tables: `llrd` and `mup` make them.
Symbols      c a number per leaf, or per slice of a stacked leaf.
Conventions  the first pattern that is found in a leaf's path counts, as in `by_regex`. The rates scale a weight decay
             inside the direction, but not one after it.
Elsewhere    `optax.partition` with one optimizer per label does the same, but does not compose with other rates.
Units        none.
Symmetries   independent of g; linear.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from adaptax._checks import check_floating, check_nonnegative
from adaptax._layers import leaf_paths
from adaptax._numbers import scalar
from adaptax._rate import Rate
from adaptax._tables import Table, look_up


def column(path: str, number: ArrayLike, leaf: ArrayLike) -> Array:
    """Return a number as it is, or one number for each slice of a leaf in a shape that broadcasts to it."""
    number, shape = scalar(number, leaf), jnp.shape(leaf)
    if number.ndim == 0:
        return number
    if number.ndim > 1 or shape[:1] != number.shape:
        raise ValueError(f"by_path: {path!r} has the shape {shape}, but the table has {number.shape} rates for it.")
    return number.reshape(-1, *[1] * (len(shape) - 1))


def known(numbers: ArrayLike | Sequence[float]) -> Sequence[Any]:
    """Return the numbers of a table's row that are known now: all, except those of a traced array."""
    listed = getattr(numbers, "tolist", None)
    if listed and not isinstance(numbers, Tracer):
        numbers = listed()
    return numbers if isinstance(numbers, list | tuple) else [numbers]


def rate_by_path(table: Table) -> Rate:
    r"""Return constant rates as a `Rate`, without state.

    Args:
        table: {regular expression: number at least 0}; or for leaves that are stacked along their first axis, as
            `nn.scan` makes them, a list or array with one number per slice. End with {".*": 1.0} for all other leaves.

    Raises:
        ValueError: a negative number, leaves that no pattern matches, an array whose length is not the stack's, a leaf
            that is not floating.

    A rate of 0 stops a leaf, but its direction still costs time and memory; `optax.partition` saves them. Around a
    finished optimizer such as `optax.adam(1e-3)` the table scales the learning rate.

    >>> rate = rate_by_path({"embed": 10.0, "blocks": [0.25, 0.5], ".*": 1.0})
    >>> params = {"embed": jnp.ones(3), "blocks": jnp.ones((2, 3)), "head": jnp.ones(2)}
    >>> rates, _ = rate.measure(params, rate.init(params))
    >>> print(rates["embed"], rates["blocks"].ravel(), rates["head"])
    10.0 [0.25 0.5 ] 1.0
    """
    for pattern, numbers in table.items():
        for number in known(numbers):
            check_nonnegative(f"by_path: {pattern!r}", rate=number)

    def measured(tree: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(tree)
        paths = leaf_paths(tree)
        numbers = [jnp.asarray(number) for number in look_up("by_path", table, paths)]
        return structure.unflatten(map(column, paths, numbers, leaves))

    def init(params: PyTree) -> tuple:
        check_floating("by_path", params)
        jax.eval_shape(measured, params)  # raises the errors listed above
        return ()

    def measure(
        gradients: PyTree, state: tuple, params: PyTree = None, *, direction: PyTree = None, **extra_args: Any
    ) -> tuple:
        del params, direction, extra_args
        check_floating("by_path", gradients)
        return measured(gradients), state

    return Rate(init, measure)
