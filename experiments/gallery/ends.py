"""Where each method ends on each surface, and whether that end means anything.

Some of these paths are chaotic: rounding errors grow from step to step until the end is decided by the last bits. So
every path is run again from starts that differ by about 1e-15, and the lowest and highest end of all are kept.
"""

import dataclasses
from operator import itemgetter
from typing import NamedTuple

import jax
import numpy as np

from experiments.gallery.lasagne import ARTICLE, ON_SURFACES
from experiments.gallery.methods import Method
from experiments.gallery.paths import Path, trace_many
from experiments.tasks.surfaces import START, SURFACES

NEIGHBORS = 16
DISTANCE = 1e-15
CHAOTIC = 1e-3  # neighbors that end this far apart in height


class End(NamedTuple):
    """One path's end after the article's 125 steps."""

    surface: str
    method: str
    height: float
    lowest: float  # of this and the neighbors' ends
    highest: float
    best: float  # the lowest point of the path itself


def nesterov_with(momentum: float) -> Method:
    """Return the article's Nesterov with another momentum."""
    usual = ARTICLE["nesterov"]
    style = usual.style._replace(label=f"Nesterov μ = {momentum:g}")
    return dataclasses.replace(usual, style=style, on_surfaces={**usual.on_surfaces, "momentum": momentum})


# The article's three momenta; the middle one is its Nesterov of the comparison.
MOMENTA = {"nesterov_0.25": nesterov_with(0.25), "nesterov_0.975": nesterov_with(0.975)}
RUNS = {**ON_SURFACES, **MOMENTA}


def starts() -> np.ndarray:
    """Return the start and its neighbors."""
    apart = np.random.default_rng(413).normal(0, DISTANCE, (NEIGHBORS, 2))
    return np.concatenate([np.zeros((1, 2)), apart]) + START


def run(slug: str) -> tuple[dict[str, Path], list[End]]:
    """Return a method's path on every surface, and the ends."""
    method = RUNS[slug]
    many = trace_many(method, list(SURFACES), starts())
    paths = {name: jax.tree.map(itemgetter((number, 0)), many) for number, name in enumerate(SURFACES)}
    ends = []
    for name, heights in zip(SURFACES, many.heights, strict=True):
        last = heights[:, -1]
        ends.append(End(name, method.style.label, last[0], last.min(), last.max(), best=heights[0].min()))
    return paths, ends
