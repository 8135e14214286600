"""The factors that a rate applied, as a few numbers per layer: mean, extremes, quantiles, the share at a bound."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._numbers import scalar
from adaptax._per_layer import Layers
from adaptax._tags import Applied

HALVINGS = 24  # bisections of the range from least to greatest factor find a quantile to 1 / 16,777,216 of the range


class Factors(NamedTuple):
    """The factors that one rate applied, over the weights of each layer; NaN in layers on which it does not act.

    >>> import adaptax
    >>> optimizer = adaptax.local_gains(0.1, bonus=0.5)
    >>> params = {"dense": {"kernel": jnp.array([3.0, 0.0])}}
    >>> state = optimizer.init(params)
    >>> for _ in range(2):
    ...     _, state, seen = adaptax.observe(optimizer, params, state, params)
    >>> factors = seen.rates["local_gains_rate"]
    >>> print(factors.least, factors.mean, factors.greatest, factors.at_bound)
    [1.] [1.25] [1.5] [0.]
    """

    mean: Float[Array, " layers"]
    least: Float[Array, " layers"]
    low: Float[Array, " layers"]  # 5 % of the weights have this factor or a smaller one
    median: Float[Array, " layers"]
    high: Float[Array, " layers"]  # 95 % of the weights have this factor or a smaller one
    greatest: Float[Array, " layers"]
    at_bound: Float[Array, " layers"] | None  # the share of weights at a bound; None for a rate without bounds


def summarize(layers: Layers, applied: Applied, updates: PyTree) -> Factors:
    """Return the factors' numbers per layer, each weight counted once wherever it lies."""
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(updates)]
    acts = jax.tree.unflatten(jax.tree.structure(updates), [path in applied.factors for path in paths])
    factors, weights = _spread(layers, applied, paths, updates)
    factors, number = layers.only(factors, acts), layers.sizes(layers.only(updates, acts))

    def share(holds: PyTree) -> Array:
        counted = jax.tree.map(lambda true, weight: jnp.where(true, weight, 0), holds, layers.only(weights, acts))
        return layers.sums(counted) / jnp.maximum(number, 1)

    least, greatest = -layers.maxima(jax.tree.map(jnp.negative, factors)), layers.maxima(factors)
    total = layers.sums(jax.tree.map(jnp.multiply, factors, layers.only(weights, acts)))

    def where_it_acts(values: Array) -> Array:
        return jnp.where(number > 0, values, jnp.nan)

    def quantile(fraction: float) -> Array:
        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = (ends[0] + ends[1]) / 2
            at_most = jax.tree.map(lambda f, m: f <= m.astype(f.dtype), factors, layers.at_leaves(middle, factors))
            enough = share(at_most) >= fraction
            return jnp.where(enough, ends[0], middle), jnp.where(enough, middle, ends[1])

        return where_it_acts(jax.lax.fori_loop(0, HALVINGS, halve, (least, greatest))[1])

    def at_bound(low: ArrayLike, high: ArrayLike) -> PyTree:
        return jax.tree.map(lambda f: (f <= jnp.asarray(low, f.dtype)) | (f >= jnp.asarray(high, f.dtype)), factors)

    return Factors(
        mean=where_it_acts(total / jnp.maximum(number, 1)),
        least=where_it_acts(least),
        low=quantile(0.05),
        median=quantile(0.5),
        high=quantile(0.95),
        greatest=where_it_acts(greatest),
        at_bound=where_it_acts(share(at_bound(*applied.bounds))) if applied.bounds else None,
    )


def _spread(layers: Layers, applied: Applied, paths: list[str], updates: PyTree) -> tuple[PyTree, PyTree]:
    """Return each leaf's factors and the number of weights that each factor multiplies.

    A factor for a whole leaf, or for a whole slice of a stack, stays one number. So the summary of a rate per layer
    costs almost nothing.
    """
    by_leaf = layers._replace(layer_of=list)
    sizes = jax.tree.leaves(by_leaf.at_leaves(by_leaf.sizes(updates), updates))
    factors, weights = [], []
    for path, update, size in zip(paths, jax.tree.leaves(updates), sizes, strict=True):
        factor = scalar(applied.factors.get(path, 1.0), update)  # in the dtype in which it multiplies
        is_one = jnp.broadcast_shapes(factor.shape, size.shape) == size.shape
        if is_one:
            factor, weight = jnp.broadcast_to(factor, size.shape), size.astype(factor.dtype)
        else:
            factor = jnp.broadcast_to(factor, update.shape)
            factor = jnp.where(update == update, factor, factor)  # varies over a mesh as the update does
            weight = jnp.ones_like(factor)
        factors.append(factor)
        weights.append(weight)
    structure = jax.tree.structure(updates)
    return structure.unflatten(factors), structure.unflatten(weights)
