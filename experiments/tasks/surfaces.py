"""The seven surfaces of article 003, as functions of a weight pair w = (x, y).

`SURFACES["ripple"](w)` is the height at w, for `jax.grad` and `jax.vmap`. The article's spelling of the names is kept;
`two_minimums` is its "Bad_init". Minima in the article's square are found on a fine mesh, then by a compass search from
each of its low points.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

Surface = Callable[[jax.Array], jax.Array]

START = (-2.8, -2.5)
STEPS = 125
SIDE = 3.0  # the article draws x and y from -3 to 3
SPACING = 0.02  # a seventh of the finest ripple
MOVES = np.array([(i, j) for i in (0, -1, 1) for j in (0, -1, 1)], float)  # staying comes first
SEARCH_STEPS = 80  # each a move or a halving; 2^-80 of the spacing is never needed


def simple_quad(w: jax.Array) -> jax.Array:
    """A round bowl."""
    x, y = w
    return x**2 + y**2


def wobbly(w: jax.Array) -> jax.Array:
    """A bowl with a crease along x = 0, waves across the diagonal and a hill near the start."""
    x, y = w
    crease = jnp.abs(x) * jnp.sqrt(jnp.abs(x) + 0.1)
    return simple_quad(w) / 3 + crease + 3 * jnp.sin(x + y) + 3 + 8 * _bump(2 * (x + 1) ** 2 + 2 * (y + 2) ** 2)


def basins_and_walls(w: jax.Array) -> jax.Array:
    """A bowl with walls across x."""
    x, _ = w
    return simple_quad(w) / 2 + jnp.sin(4 * x) ** 2


def ripple(w: jax.Array) -> jax.Array:
    """A bowl with a fine ripple, hundreds of shallow minima."""
    x, y = w
    return simple_quad(w) / 3 + (jnp.sin(20 * x) ** 2 + jnp.sin(20 * y) ** 2) / 15


def giant_plateu(w: jax.Array) -> jax.Array:
    """One hole in a plain that is all but flat."""
    return 4 * (1 - _bump(simple_quad(w)))


def hills_and_canyon(w: jax.Array) -> jax.Array:
    """Four hills beside a canyon along x + y = 0; the start lies in a trap behind them."""
    x, y = w
    hills = (
        3 * _bump((x + 1) ** 2 + (y + 2) ** 2)
        + _bump(1.5 * (2 * (x + 2) ** 2 + (y - 0.5) ** 2))
        + 3 * _bump(1.5 * ((x - 1) ** 2 + 2 * (y + 1.5) ** 2))
        + 1.5 * _bump((x + 1.5) ** 2 + 3 * (y + 0.5) ** 2)
    )
    return simple_quad(w) / 3 + hills + 4 * (1 - _bump((x + y) ** 2))


def two_minimums(w: jax.Array) -> jax.Array:
    """A shallow hole beside the start and a deep one beyond a plain."""
    x, y = w
    return 4 - 0.5 * _bump((x + 2.5) ** 2 + (y + 2.5) ** 2) - 3 * _bump(simple_quad(w))


def _bump(squared_distance: jax.Array) -> jax.Array:
    return jnp.exp(-squared_distance)


SURFACES: dict[str, Surface] = {
    surface.__name__: surface
    for surface in (simple_quad, wobbly, basins_and_walls, ripple, giant_plateu, hills_and_canyon, two_minimums)
}


def describe(name: str) -> str:
    """Return a surface's description, for captions."""
    return (SURFACES[name].__doc__ or "").rstrip(".")


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
