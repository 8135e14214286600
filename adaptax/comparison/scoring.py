"""Score a split in slices that fit the caches; a score is a mean over the examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from adaptax.comparison.task import Batch

SCORED_AT_ONCE = (50, 500)  # examples in a slice, at least and at most
SCORED_BYTES = 2**21  # of the largest array of a slice, so that it fits a CPU's caches


def mean_over(score: Callable[[Any, Batch], jax.Array], judged: Any, split: Batch) -> jax.Array:
    """Score a split in slices."""
    count = len(jax.tree.leaves(split)[0])
    at_once = min(count, _scored_at_once(score, judged, split))
    whole = count - count % at_once if count > at_once else 0
    total = 0.0
    if whole:
        slices = jax.tree.map(lambda part: part[:whole].reshape(-1, at_once, *part.shape[1:]), split)
        total = jax.lax.map(lambda part: score(judged, part), slices).sum() * at_once
    if whole < count:
        total += score(judged, jax.tree.map(lambda part: part[whole:], split)) * (count - whole)
    return jnp.asarray(total) / count


def _scored_at_once(score: Callable[[Any, Batch], jax.Array], judged: Any, split: Batch) -> int:
    """Return how many examples a slice has: more for small nets, fewer for nets with large maps."""
    least, most = SCORED_AT_ONCE
    some = jax.tree.map(lambda part: jax.ShapeDtypeStruct((least, *part.shape[1:]), part.dtype), split)
    largest = _largest(jax.make_jaxpr(score)(judged, some).jaxpr)
    return min(most, max(least, least * SCORED_BYTES // largest))


def _largest(jaxpr: Any) -> int:
    """Return the bytes of the largest array that a program makes."""
    made = [v.aval.size * v.aval.dtype.itemsize for eqn in jaxpr.eqns for v in eqn.outvars if hasattr(v.aval, "size")]
    inner = [getattr(p, "jaxpr", p) for eqn in jaxpr.eqns for p in eqn.params.values()]
    return max([1, *made, *(_largest(one) for one in inner if hasattr(one, "eqns"))])
