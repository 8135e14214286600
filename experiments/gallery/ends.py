"""Where each method ends on each surface, from one start and from many, and whether that end means anything.

Some of these paths are chaotic: rounding errors grow from step to step until the end is decided by the last bits. So
every path is run again from starts that differ by about 1e-15, and the lowest and highest end of all are kept.

Does restarting find the global minimum where one start does not? The expected best of k starts, drawn from many without
repetition, is exact: `adaptax.comparison.gain` says how. A start counts as having found the global minimum if it ends
lower than every other minimum.
"""

import dataclasses
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from adaptax.comparison.gain import chances_of_best
from experiments.gallery.methods import ARTICLE, INK, ON_SURFACES, Method
from experiments.gallery.paths import Path, trace_many
from experiments.tasks.signals import title
from experiments.tasks.surfaces import SIDE, START, STEPS, SURFACES, find_minima

NEIGHBORS = 16
DISTANCE = 1e-15
CHAOTIC = 1e-3  # neighbors that end this far apart in height
TRAPS = ("basins_and_walls", "ripple", "hills_and_canyon", "two_minimums")  # those with more than one minimum
STARTS = 1024
SEED = 413
TRIES = (1, 4, 16, 64)
FLOOR = 1e-3  # heights below are drawn here: found


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


def neighbors() -> np.ndarray:
    """Return the start and its neighbors."""
    apart = np.random.default_rng(413).normal(0, DISTANCE, (NEIGHBORS, 2))
    return np.concatenate([np.zeros((1, 2)), apart]) + START


def run(slug: str) -> tuple[dict[str, Path], list[End]]:
    """Return a method's path on every surface, and the ends."""
    method = RUNS[slug]
    many = trace_many(method, list(SURFACES), neighbors())
    paths = {name: jax.tree.map(itemgetter((number, 0)), many) for number, name in enumerate(SURFACES)}
    ends = []
    for name, heights in zip(SURFACES, many.heights, strict=True):
        last = heights[:, -1]
        ends.append(End(name, method.style.label, last[0], last.min(), last.max(), best=heights[0].min()))
    return paths, ends


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


def play(method: Method) -> list[Odds]:
    """Run one method from all starts on all surfaces with traps, in one call."""
    played = []
    for name, ends in zip(TRAPS, trace_many(method, TRAPS, make_starts()).heights[:, :, -1], strict=True):
        (lowest, *_), (second, *_) = find_minima(name)[:2]
        played.append(odds(name, method.style.label, ends, lowest, second))
    return played


def odds(surface: str, method: str, heights: np.ndarray, lowest: float, second: float) -> Odds:
    """Judge the ends of one method on one surface; an end that is no number is an infinite height."""
    heights = np.where(np.isfinite(heights), heights, np.inf)
    best = [expected_best(heights, tries) - lowest for tries in TRIES]
    return Odds(surface, method, float(np.mean(heights < second)), *best)


def expected_best(heights: np.ndarray, tries: int) -> float:
    """Return the expected lowest of so many of these heights."""
    chances = chances_of_best(len(heights), tries)
    return float(np.sort(heights)[: len(chances)] @ chances)


def draw(odds: Sequence[Odds]) -> Figure:
    """Draw bars of shares above, the expected best of k starts below, a surface per column."""
    figure, axes = plt.subplots(
        2, len(TRAPS), figsize=(16, 9.4), sharex="row", sharey="row", layout="constrained", height_ratios=(1, 1.1)
    )
    styles = [method.style for method in ON_SURFACES.values()]
    for above, below, surface in zip(*axes, TRAPS, strict=True):
        here = {entry.method: entry for entry in odds if entry.surface == surface}
        places = np.arange(len(styles))[::-1]
        shares = [100 * here[style.label].found for style in styles]
        bars = above.barh(places, shares, color=[style.color for style in styles])
        above.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=3, fontsize=8)
        above.set_yticks(places, [style.label for style in styles])
        above.set(title=title(surface), xlim=(0, 112), xlabel="starts that end in the global minimum (%)")
        for style in styles:
            best = np.maximum(here[style.label][3:], FLOOR)
            below.plot(TRIES, best, **style.plot(), marker=style.marker, markersize=6, linewidth=1.5)
        below.set(xscale="log", yscale="log", xlabel="number of starts k")
        below.set_xticks(TRIES, [str(tries) for tries in TRIES])
        below.minorticks_off()
        below.yaxis.set_major_formatter("{x:g}")
        below.grid(color="#E4E4E4", linewidth=0.6)
    axes[1, 0].set_ylabel(
        f"expected best of k starts:\nheight above the global minimum\n(at most {FLOOR:g} is drawn at {FLOOR:g})"
    )
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, frameon=False, fontsize=10)
    figure.suptitle(
        f"Restarting against local minima: {STARTS:,} random starts per method and surface, {STEPS} steps each",
        fontsize=14, color=INK,
    )  # fmt: skip
    return figure
