"""Best of many starts: does restarting find the global minimum where one start does not?

The expected best of k starts, drawn from many without repetition, is exact: `adaptax.comparison.gain` says how. A start
counts as having found the global minimum if it ends lower than every other minimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adaptax.comparison.gain import chances_of_best
from experiments.gallery.methods import Method
from experiments.gallery.paths import trace_many
from experiments.tasks.minima import find_minima
from experiments.tasks.surfaces import SIDE

TRAPS = ("basins_and_walls", "ripple", "hills_and_canyon", "two_minimums")  # those with more than one minimum
STARTS = 1024
SEED = 413
TRIES = (1, 4, 16, 64)


class Odds(NamedTuple):
    """What many starts of one method come to on one surface; heights are above the global minimum."""

    surface: str
    method: str
    found: float  # share of starts that end in the global minimum
    best_of_1: float
    best_of_4: float
    best_of_16: float
    best_of_64: float


def make_starts() -> np.ndarray:
    """Return the starts, uniform over the article's square, the same for all methods."""
    return np.random.default_rng(SEED).uniform(-SIDE, SIDE, (STARTS, 2))


def two_lowest() -> dict[str, tuple[float, float]]:
    """Return each surface's two lowest minima."""
    return {name: (find_minima(name)[0][0], find_minima(name)[1][0]) for name in TRAPS}


def play(method: Method, minima: dict[str, tuple[float, float]]) -> list[Odds]:
    """Run one method from all starts on all surfaces with traps, in one call."""
    ends = trace_many(method, TRAPS, make_starts()).heights[:, :, -1]
    return [odds(name, method.style.label, heights, *minima[name]) for name, heights in zip(TRAPS, ends, strict=True)]


def odds(surface: str, method: str, heights: np.ndarray, lowest: float, second: float) -> Odds:
    """Judge the ends of one method on one surface; an end that is no number is an infinite height."""
    heights = np.where(np.isfinite(heights), heights, np.inf)
    best = [expected_best(heights, tries) - lowest for tries in TRIES]
    return Odds(surface, method, float(np.mean(heights < second)), *best)


def expected_best(heights: np.ndarray, tries: int) -> float:
    """Return the expected lowest of so many of these heights."""
    chances = chances_of_best(len(heights), tries)
    return float(np.sort(heights)[: len(chances)] @ chances)
