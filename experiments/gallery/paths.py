"""Run a method over a surface."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adaptax.comparison.step import take_step
from experiments.gallery.lasagne import ON_SURFACES
from experiments.gallery.methods import Method, Settings
from experiments.tasks.surfaces import START, STEPS, SURFACES, Surface


class Path(NamedTuple):
    """Where a method went; points and heights begin with the start, the rest with the first step."""

    points: jax.Array  # (steps + 1, 2)
    heights: jax.Array  # (steps + 1,)
    updates: jax.Array  # (steps, 2)
    quantities: dict[str, jax.Array]  # (steps, 2) each


def trace(method: Method, surface: Surface, start: jax.Array, steps: int, settings: Settings) -> Path:
    """Return the path from `start` (2,), in one scan."""
    optimizer = method.build(**settings)

    def one(carry, _):
        to = take_step(surface, optimizer, *carry)
        inner = method.inner(to.gradients, to.state, settings)
        return (to.params, to.state), (to.params, surface(to.params), to.updates, inner)

    _, (points, heights, updates, inner) = jax.lax.scan(one, (start, optimizer.init(start)), length=steps)
    points, heights = jnp.concatenate([start[None], points]), jnp.concatenate([surface(start)[None], heights])
    return Path(points, heights, updates, inner)


def trace_named(
    method: str | Method, surface: str, start: tuple[float, float] = START, steps: int = STEPS, **settings: float
) -> Path:
    """Return a path in float64 as NumPy arrays: a method and a surface by name, settings changed by keyword."""
    method = ON_SURFACES[method] if isinstance(method, str) else method
    with jax.enable_x64(True):
        run = partial(trace, method, SURFACES[surface], steps=steps, settings={**method.on_surfaces, **settings})
        return jax.tree.map(np.asarray, jax.jit(run)(jnp.asarray(start, float)))


def trace_many(method: Method, surfaces: Sequence[str], starts: np.ndarray, steps: int = STEPS) -> Path:
    """Return the paths over several surfaces from many starts (n, 2) in one call; arrays are (surface, start, …)."""

    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def run(which, start):
        # One program for all surfaces: it compiles once and picks by number.
        surface = partial(jax.lax.switch, which, [SURFACES[name] for name in surfaces])
        return trace(method, surface, start, steps, method.on_surfaces)

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(run)(jnp.arange(len(surfaces)), jnp.asarray(starts, float)))
