r"""The norms of two trees in every layer and the angle between them, each leaf in one go.

$$ \cos_l = \frac{\langle x_l, y_l \rangle}{\|x_l\| \|y_l\|} $$

Squares and products under- or overflow long before norms do. Each leaf is scaled into range by its own power of 2,
which is exact. So no leaf has to be kept until the norms of all leaves are known. On a CPU the memory for all gradients
and updates at once would be mapped anew at each call, which takes longer than the sums.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array

from adaptax._members import MAXIMUM, Group, Member, by_row, groups_of, widest


def angles_of(one: list[Member], other: list[Member], rows: int) -> tuple[Array, Array, Array]:
    """Return both norms and the cosine of all `rows` layers; it is 0 where a norm is 0 or not finite."""
    groups = groups_of(one, other)
    dtype = widest([member.leaf for member in (*one, *other)])
    scales = [[_power_of_2(x, group.axis) for x in group.arrays] for group in groups]
    units = [by_row(groups, list(of_tree), rows, dtype, MAXIMUM) for of_tree in zip(*scales, strict=True)]

    def sums(i: int, j: int) -> Array:
        """Sum products in the units of the layers."""
        parts = []
        for group, scale in zip(groups, scales, strict=True):
            in_units = [scale[k] / group.at(units[k]).astype(scale[k].dtype) for k in (i, j)]
            parts.append(_product(group, scale, i, j) * in_units[0] * in_units[1].astype(in_units[0].dtype))
        return by_row(groups, parts, rows, dtype)

    roots = [jnp.sqrt(sums(k, k)) for k in (0, 1)]
    known = [(root > 0) & (root < jnp.inf) for root in roots]
    divisors = [jnp.where(*of, 1) for of in zip(known, roots, strict=True)]
    cosines = jnp.where(known[0] & known[1], jnp.clip(sums(0, 1) / divisors[0] / divisors[1], -1, 1), 0)
    return units[0] * roots[0], units[1] * roots[1], cosines


def _product(group: Group, scale: Sequence[Array], i: int, j: int) -> Array:
    """Return the inner product of each leaf of two trees, in the leaves' own units."""
    x, y = (group.arrays[k] / scale[k].astype(group.arrays[k].dtype) for k in (i, j))
    products = jnp.real(jnp.conj(x) * y.astype(x.dtype))
    return jnp.sum(products, tuple(range(group.axis, products.ndim)), keepdims=True)


def _power_of_2(x: Array, axis: int) -> Array:
    """Return the power of 2 at or below the greatest number, over the axes from `axis` on; 1 for 0, ∞ and NaN."""
    greatest = jnp.max(jnp.abs(x), tuple(range(axis, x.ndim)), keepdims=True, initial=0)
    power = jnp.ldexp(jnp.ones_like(greatest), jnp.frexp(greatest)[1] - 1)
    return jnp.where((greatest >= jnp.finfo(power.dtype).tiny) & (greatest < jnp.inf), power, 1)
