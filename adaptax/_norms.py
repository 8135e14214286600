r"""The norm of every layer, without over- or underflow.

$$ \lVert g_l \rVert_2 = \sqrt{\textstyle\sum_{w \in l} |g_w|^2} $$

Squares under- or overflow long before norms do. Then the squares of numbers that a power of 2 (exact) brings into range
are summed instead. On CPU that is a second pass, run only where it is needed. Accelerators wait for memory, not for
arithmetic: there all sums are taken in one pass, since a second one would move more bytes and need a copy of a leaf.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from adaptax._members import Group, Member, by_row, groups_of, widest
from adaptax._platform import by_platform
from adaptax._powers import safe_sqrt


def norms_of(members: list[Member], rows: int) -> Array:
    """Return the norms of all layers; there are so many as `rows`."""
    places = tuple(member._replace(leaf=None) for member in members)
    return _norms_of([member.leaf for member in members], places, rows)


# Jitted, since the branches below would else be compiled anew in every call that is outside of `jit`.
@functools.partial(jax.jit, static_argnums=(1, 2), inline=True)
def _norms_of(leaves: list[Array], places: tuple[Member, ...], rows: int) -> Array:
    members = [place._replace(leaf=leaf) for place, leaf in zip(places, leaves, strict=True)]
    dtype = widest([member.leaf for member in members])
    exponent = jnp.finfo(dtype).maxexp * 5 // 16
    small, tiny, huge = 2.0**-exponent, 4.0**-exponent, 4.0**exponent  # tiny is the square of small
    groups = groups_of(members)  # stacked here once, for both passes

    def sums_of_squares(scale: Callable[[Array, Group], Array]) -> Array:
        return by_row(groups, [_squares(group, dtype, scale) for group in groups], rows, dtype)

    sums = sums_of_squares(lambda x, _: x)
    unit = jnp.where(sums == jnp.inf, huge, jnp.where(sums < tiny, tiny, 1)).astype(dtype)

    def in_units(x: Array, group: Group) -> Array:
        # Behind a barrier: of constants XLA would make x² / unit², 0 / 0.
        return jax.lax.optimization_barrier(x / group.at(unit))

    def second_pass(sums: Array) -> Array:
        return jax.lax.cond(jnp.any(unit != 1), lambda _: sums_of_squares(in_units), lambda sums: sums, sums)

    def same_pass(sums: Array) -> Array:
        # Where a sum is tiny, all its numbers are small; where it overflows, numbers up to 1 do not count. The others
        # are left out: they might overflow, and of constants XLA would make x² / tiny².
        of_small = sums_of_squares(lambda x, _: jnp.where(jnp.abs(x) < small, x / tiny, 0))
        of_large = sums_of_squares(lambda x, _: jnp.where(jnp.abs(x) > 1, x / huge, 0))
        return jnp.where(unit == huge, of_large, jnp.where(unit == tiny, of_small, sums))

    return unit * safe_sqrt(by_platform(second_pass, same_pass, sums))


def _squares(group: Group, dtype: jnp.dtype, scale: Callable[[Array, Group], Array]) -> Array:
    """Return the squares of numbers that are scaled first."""
    (x,) = group.arrays
    parts = (x.real, x.imag) if jnp.iscomplexobj(x) else (x,)
    parts = [scale(part.astype(dtype), group) for part in parts]
    return functools.reduce(jnp.add, (part * part for part in parts))
