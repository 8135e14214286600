r"""The norm of every layer, without over- or underflow.

$$ \|g_l\|_2 = \sqrt{\textstyle\sum_{w \in l} |g_w|^2} $$

Squares under- or overflow long before norms do. Then the numbers are first scaled into range by a power of 2, which is
exact. On CPU this is a second pass, run only when needed. Accelerators wait for memory, not for arithmetic: there all
sums are taken in one pass, since a second pass would move more bytes and need a copy of a leaf.
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
    """Return the norms of all `rows` layers."""
    places = tuple(member._replace(leaf=None) for member in members)
    return _norms_of([member.leaf for member in members], places, rows)


# Jitted: otherwise every call outside `jit` would compile the branches below anew.
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
        # The barrier keeps XLA from turning constants into x² / unit², which is 0 / 0.
        return jax.lax.optimization_barrier(x / group.at(unit))

    def second_pass(sums: Array) -> Array:
        return jax.lax.cond(jnp.any(unit != 1), lambda _: sums_of_squares(in_units), lambda sums: sums, sums)

    def same_pass(sums: Array) -> Array:
        # All numbers of a tiny sum are small; in a sum that overflows, numbers up to 1 do not count. All others are
        # left out: they might overflow, and XLA would turn constants into x² / tiny².
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
