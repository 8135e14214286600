r"""t-SNE with exact gradients, driven by `adaptax.velocity_gains`: a point in the plane for every picture.

$$ C = \sum_{i \ne j} p_{ij} \log \frac{p_{ij}}{q_{ij}}, \quad q_{ij} = \frac{w_{ij}}{\sum w}, \quad
   w_{ij} = \frac{1}{1 + |y_i - y_j|^2}, \quad
   \frac{\partial C}{\partial y_i} = 4 \sum_j (p_{ij} - q_{ij})\, w_{ij}\, (y_i - y_j) $$

van der Maaten & Hinton 2008. p are the affinities of the pictures, q those of the points. The settings are
scikit-learn's: for the first 250 steps p is multiplied by 12 and momentum is 0.5; then momentum is 0.8. Gains and
velocity start again in the second phase.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.distance import pdist, squareform
from scipy.special import rel_entr
from sklearn.metrics import euclidean_distances

import adaptax

PERPLEXITY = 30.0
HALVINGS = 60  # steps of the binary search for the logarithm of a width
ROWS = 200  # of the matrix of all pairs that are computed at once: so many fit into the cache


class Phase(NamedTuple):
    """Some steps with the same settings."""

    steps: int
    exaggeration: float
    momentum: float


PHASES = (Phase(250, 12.0, 0.5), Phase(750, 1.0, 0.8))


def affinities(pictures: np.ndarray, neighbors: int) -> np.ndarray:
    """Return symmetric affinities p, (n, n): Gaussians over the nearest pictures, with widths that give PERPLEXITY."""
    if not PERPLEXITY < neighbors < len(pictures):
        raise ValueError(f"neighbors must lie between {PERPLEXITY:g} and {len(pictures)}, got {neighbors}.")
    squares = euclidean_distances(pictures.astype(np.float64), squared=True)
    np.fill_diagonal(squares, np.inf)
    nearest = np.argpartition(squares, neighbors - 1, axis=1)[:, :neighbors]
    squares = np.take_along_axis(squares, nearest, axis=1)
    squares -= squares.min(axis=1, keepdims=True)  # does not change the probabilities
    low, high = np.full((len(pictures), 1), -50.0), np.full((len(pictures), 1), 50.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        weights = np.exp(-np.exp(middle) * squares)
        total = weights.sum(axis=1, keepdims=True)
        entropy = np.log(total) + np.exp(middle) * (weights * squares).sum(axis=1, keepdims=True) / total
        too_wide = entropy > np.log(PERPLEXITY)
        low, high = np.where(too_wide, middle, low), np.where(too_wide, high, middle)
    p = np.zeros((len(pictures), len(pictures)))
    np.put_along_axis(p, nearest, weights / total, axis=1)
    return (p + p.T) / (2 * len(pictures))


def divergence(p: np.ndarray, y: np.ndarray) -> float:
    """Return C in float64."""
    w = 1 / (1 + pdist(np.asarray(y, np.float64), "sqeuclidean"))  # each pair once
    return float(2 * rel_entr(squareform(p, checks=False), w / (2 * w.sum())).sum())


def gradient(p: jax.Array, y: jax.Array) -> jax.Array:
    """Return ∂C/∂y; the sum over (y_i - y_j) is split into two products of matrices."""
    y = y - y.mean(axis=0, keepdims=True)  # products of centered points round less
    and_one = jnp.concatenate([y, jnp.ones_like(y[:, :1])], axis=1)
    times = partial(jnp.dot, precision="highest")

    def of_point(p_i: jax.Array, y_i: jax.Array) -> tuple:
        w_i = 1 / (1 + (y_i[0] - y[:, 0]) ** 2 + (y_i[1] - y[:, 1]) ** 2)
        return times(p_i * w_i, and_one), times(w_i * w_i, and_one), w_i.sum()

    attraction, repulsion, w = jax.lax.map(lambda row: of_point(*row), (p, y), batch_size=ROWS)
    attraction, repulsion = (of[:, 2:] * y - of[:, :2] for of in (attraction, repulsion))
    return 4 * (attraction - repulsion / (w.sum() - len(y)))  # a point is not its own neighbor


def learning_rate(count: int) -> float:
    """Return the rate that scikit-learn calls "auto"."""
    return max(count / 12 / 4, 50.0)


def embed(p: jax.Array, start: jax.Array, gains: bool = True) -> jax.Array:
    """Return the points after every step, (steps, n, 2); without gains, the rule is plain momentum."""
    rate = learning_rate(len(start))
    rule = adaptax.velocity_gains if gains else partial(adaptax.velocity_gains, bonus=0, penalty=1)
    paths = []
    for phase in PHASES:
        optimizer = rule(rate, phase.momentum)

        def step(carry: tuple, _: None, optimizer=optimizer, exaggerated=phase.exaggeration * p) -> tuple:
            y, state = carry
            updates, state = optimizer.update(gradient(exaggerated, y), state)
            return (y + updates, state), y + updates

        paths.append(jax.lax.scan(step, (start, optimizer.init(start)), length=phase.steps)[1])
        start = paths[-1][-1]
    return jnp.concatenate(paths)


def draw_start(count: int, seed: int) -> np.ndarray:
    """Draw the first points close to the origin, as scikit-learn does."""
    return (1e-4 * np.random.default_rng(seed).standard_normal((count, 2))).astype(np.float32)
