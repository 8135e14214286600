"""Factors that rates apply, tagged by name in the program of an update, where `observe` finds them.

A tag is an identity operation that the compiler drops, so it costs nothing without `observe`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

PREFIX, BETWEEN = "adaptax.rate", "\n"  # no path has a line break


class Applied(NamedTuple):
    """The factors that a rate applies at one place of a program."""

    factors: dict[str, Array]  # by the path of the leaf
    bounds: list[Array]  # the least and the greatest, or empty


def tagged(rate: Any, factors: PyTree) -> PyTree:
    """Return a tree of factors, each tagged with its rate's name and its leaf's path; tag the rate's bounds as well."""
    name = getattr(rate.measure, "__qualname__", type(rate.measure).__name__).partition(".")[0]
    paths, structure = jax.tree_util.tree_flatten_with_path(factors)

    def tag(number: int, value: ArrayLike, path: str = "") -> Array:
        return checkpoint_name(jnp.asarray(value), BETWEEN.join([PREFIX, name, str(number), path]))

    for number, bound in zip((-2, -1), rate.bounds or (), strict=False):
        tag(number, jnp.asarray(bound, float))
    leaves = [tag(number, factor, jax.tree_util.keystr(path)) for number, (path, factor) in enumerate(paths)]
    return structure.unflatten(leaves)


def applied_in(program: ClosedJaxpr, arguments: list[Any]) -> dict[str, Applied]:
    """Return the rates that a program applies by name, except those inside a branch, a loop or a `jit`."""
    tags = [(*tag, equation.invars[0]) for equation in program.jaxpr.eqns if (tag := _tag_of(equation))]
    if not tags:
        return {}
    of_factors = ClosedJaxpr(program.jaxpr.replace(outvars=[factor for *_, factor in tags]), program.consts)
    names: list[str] = []
    found: list[Applied] = []
    last = ("", 0)
    for (name, number, path, _), factor in zip(tags, jaxpr_as_fun(of_factors)(*arguments), strict=True):
        if name != last[0] or int(number) <= last[1]:  # within one rate the numbers rise
            names.append(name)
            found.append(Applied({}, []))
        last = (name, int(number))
        if int(number) < 0:
            found[-1].bounds.append(factor)
        else:
            found[-1].factors[path] = factor
    return dict(zip(numbered(names), found, strict=True))


def numbered(names: Sequence[str]) -> list[str]:
    """Return distinct names: the second "name" becomes "name 2".

    >>> numbered(["a", "b", "a", "a"])
    ['a', 'b', 'a 2', 'a 3']
    """
    before = [names[:index].count(name) for index, name in enumerate(names)]
    return [f"{name} {number + 1}" if number else name for name, number in zip(names, before, strict=True)]


def _tag_of(equation: Any) -> list[str]:
    """Return a tag's content: a rate's name, a number, a leaf's path; an empty list for other equations."""
    if equation.primitive.name != "name":
        return []
    prefix, *rest = equation.params["name"].split(BETWEEN)
    return rest if prefix == PREFIX else []
