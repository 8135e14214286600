"""Tables of rates: regular expressions of leaves' paths, and a number for each, or one for each slice of a stack."""

import re
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
from jax.typing import ArrayLike

Table = Mapping[str, ArrayLike | Sequence[float]]


def search(method: str, pattern: str, path: str) -> re.Match[str] | None:
    """Find a pattern in a leaf's path.

    Raises:
        ValueError: naming a pattern that is no regular expression.
    """
    try:
        return re.search(pattern, path)
    except re.error as error:
        raise ValueError(f"{method}: the pattern {pattern!r} is no regular expression: {error}.") from error


def look_up(method: str, table: Table, paths: Sequence[str]) -> list[ArrayLike | Sequence[float]]:
    """Return the table's entry for every leaf: that of the first pattern that `re.search` finds in its path.

    Raises:
        ValueError: naming the leaves that no pattern matches.
    """
    found = [next((pattern for pattern in table if search(method, pattern, path)), None) for path in paths]
    if missing := [path for path, pattern in zip(paths, found, strict=True) if pattern is None]:
        raise ValueError(f"{method}: no pattern of {list(table)} matches the leaves {missing}.")
    return [table[pattern] for pattern in found if pattern is not None]


def shown(number: ArrayLike | Sequence[float]) -> str:
    """Return a rate as text; for a stack, its first and its last rate."""
    ends = jnp.ravel(jnp.asarray(number))
    return " … ".join(f"{float(end):.3g}" for end in (ends if len(ends) < 2 else (ends[0], ends[-1])))
