"""The minima of a surface in the article's square: a fine mesh, then a compass search from each of its low points."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from experiments.tasks.surfaces import SIDE, SURFACES

SPACING = 0.02  # a seventh of the finest ripple
MOVES = np.array([(i, j) for i in (0, -1, 1) for j in (0, -1, 1)], float)  # staying comes first
SEARCH_STEPS = 80  # each a move or a halving; 2^-80 of the spacing is never needed


@functools.cache
def find_minima(name: str) -> list[tuple[float, float, float]]:
    """Return (height, x, y) of every minimum in the square, lowest first."""
    line = np.arange(-SIDE, SIDE + SPACING / 2, SPACING)
    with jax.enable_x64(True):
        heights_at = jax.jit(jax.vmap(SURFACES[name]))
        grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
        heights = np.asarray(heights_at(grid.reshape(-1, 2))).reshape(len(line), len(line))
        inner = heights[1:-1, 1:-1]
        end, moves = len(line) - 1, MOVES[1:].astype(int)
        lowest = np.all([inner < heights[1 + i : end + i, 1 + j : end + j] for i, j in moves], axis=0)
        points = np.asarray(_descend(name, jnp.asarray(grid[1:-1, 1:-1][lowest])))
        ends = np.asarray(heights_at(points))
    found = {
        (round(x, 4), round(y, 4)): (height, x, y)
        for height, (x, y) in zip(ends.tolist(), points.tolist(), strict=True)
    }
    return sorted(found.values())


def _descend(name: str, points: jax.Array) -> jax.Array:
    """Move each point to the lowest of itself and eight neighbors; halve the reach where none is lower."""

    def step(carry, _):
        point, reach = carry
        around = point[None] + reach * MOVES
        best = jnp.argmin(jax.vmap(SURFACES[name])(around))
        return (around[best], jnp.where(best == 0, reach / 2, reach)), None

    def search(point):
        return jax.lax.scan(step, (point, jnp.asarray(SPACING)), length=SEARCH_STEPS)[0][0]

    return jax.jit(jax.vmap(search))(points)
