"""Where each method ends on each surface, and whether that end means anything.

Some of these paths are chaotic: rounding errors grow from step to step until the end is decided by the last bits. So
every path is run again from starts that differ by about 1e-15, and the lowest and highest end of all are kept.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from experiments.gallery.lasagne import ARTICLE, ON_SURFACES
from experiments.gallery.methods import Method
from experiments.gallery.paths import Path, trace_many
from experiments.gallery.styles import STYLES
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
    return dataclasses.replace(
        usual,
        style=STYLES["nesterov"]._replace(label=f"Nesterov μ = {momentum:g}"),
        on_surfaces={**usual.on_surfaces, "momentum": momentum},
    )


# The article's three momenta; the middle one is its Nesterov of the comparison.
MOMENTA = {"nesterov_0.25": nesterov_with(0.25), "nesterov_0.975": nesterov_with(0.975)}


def starts() -> np.ndarray:
    """Return the start and its neighbors."""
    apart = np.random.default_rng(413).normal(0, DISTANCE, (NEIGHBORS, 2))
    return np.concatenate([np.zeros((1, 2)), apart]) + START


def run(slug: str) -> tuple[dict[str, Path], list[End]]:
    """Return a method's path on every surface, and the ends."""
    method = {**ON_SURFACES, **MOMENTA}[slug]
    many = trace_many(method, list(SURFACES), starts())
    paths = {
        name: Path(
            points=many.points[number, 0],
            heights=many.heights[number, 0],
            updates=many.updates[number, 0],
            quantities={label: of[number, 0] for label, of in many.quantities.items()},
        )
        for number, name in enumerate(SURFACES)
    }
    ends = [
        End(
            surface=name,
            method=method.style.label,
            height=heights[0, -1],
            lowest=heights[:, -1].min(),
            highest=heights[:, -1].max(),
            best=heights[0].min(),
        )
        for name, heights in zip(SURFACES, many.heights, strict=True)
    ]
    return paths, ends
