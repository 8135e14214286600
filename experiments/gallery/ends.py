"""Where each method ends on each surface, from one start and from many, and whether rounding decides that end.

Some of these paths are chaotic: rounding errors grow from step to step until the last bits decide the end. So every
path is run again from starts that differ by about 1e-15, and the lowest and the highest of all ends are kept.

Does restarting find the global minimum where one start does not? The expected best of k starts, drawn from many without
repetition, is exact: `adaptax.comparison.gain` explains how. A start has found the global minimum if it ends lower than
every other minimum.
"""

import dataclasses
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

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
CHAOTIC = 1e-3  # a path is chaotic if its neighbors end farther apart in height
TRAPS = ("basins_and_walls", "ripple", "hills_and_canyon", "two_minimums")  # the surfaces with more than one minimum
STARTS = 1024
SEED = 413
TRIES = (1, 4, 16, 64)
FLOOR = 1e-3  # lower heights are drawn at this height

Row = dict[str, Any]


USUAL = ARTICLE["nesterov"]
# Nesterov with the article's three momenta; the middle one is in ON_SURFACES.
RUNS = ON_SURFACES | {
    f"nesterov_{momentum:g}": dataclasses.replace(
        USUAL,
        style=USUAL.style._replace(label=f"Nesterov μ = {momentum:g}"),
        on_surfaces={**USUAL.on_surfaces, "momentum": momentum},
    )
    for momentum in (0.25, 0.975)
}


def run(slug: str) -> tuple[dict[str, Path], list[Row]]:
    """Return a method's path on every surface, and its ends after the article's 125 steps."""
    method, apart = RUNS[slug], np.random.default_rng(SEED).normal(0, DISTANCE, (NEIGHBORS, 2))
    many = trace_many(method, list(SURFACES), np.concatenate([np.zeros((1, 2)), apart]) + START)
    paths = {name: jax.tree.map(itemgetter((number, 0)), many) for number, name in enumerate(SURFACES)}
    ends = []
    for name, heights in zip(SURFACES, many.heights, strict=True):
        last = heights[:, -1]
        of_all = {"lowest": last.min(), "highest": last.max()}  # of this path and its neighbors
        best = heights[0].min()  # the lowest point of the path itself
        ends.append({"surface": name, "method": method.style.label, "height": last[0], **of_all, "best": best})
    return paths, ends


def play(method: Method) -> list[Row]:
    """Run one method on all surfaces with traps in one call; all methods share the starts, uniform in the square."""
    played, starts = [], np.random.default_rng(SEED).uniform(-SIDE, SIDE, (STARTS, 2))
    for name, ends in zip(TRAPS, trace_many(method, TRAPS, starts).heights[:, :, -1], strict=True):
        (lowest, *_), (second, *_) = find_minima(name)[:2]
        played.append(odds(name, method.style.label, ends, lowest, second))
    return played


def odds(surface: str, method: str, heights: np.ndarray, lowest: float, second: float) -> Row:
    """Summarize one method's ends on one surface as heights above the global minimum; NaN counts as infinite."""
    ranked, best = np.sort(np.where(np.isfinite(heights), heights, np.inf)), {}
    for tries in TRIES:
        chances = chances_of_best(len(ranked), tries)
        best[f"best_of_{tries}"] = float(ranked[: len(chances)] @ chances) - lowest
    return {"surface": surface, "method": method, "found": float(np.mean(ranked < second)), **best}


def draw(odds: Sequence[Row]) -> Figure:
    """Draw a column per surface: above, the shares as bars; below, the expected best of k starts."""
    figure, axes = plt.subplots(
        2, len(TRAPS), figsize=(16, 9.4), sharex="row", sharey="row", layout="constrained", height_ratios=(1, 1.1)
    )
    styles = [method.style for method in ON_SURFACES.values()]
    for above, below, surface in zip(*axes, TRAPS, strict=True):
        here = {row["method"]: row for row in odds if row["surface"] == surface}
        places = np.arange(len(styles))[::-1]
        shares = [100 * here[style.label]["found"] for style in styles]
        bars = above.barh(places, shares, color=[style.color for style in styles])
        above.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=3, fontsize=8)
        above.set_yticks(places, [style.label for style in styles])
        above.set(title=title(surface), xlim=(0, 112), xlabel="starts that end in the global minimum (%)")
        for style in styles:
            best = np.maximum([here[style.label][f"best_of_{tries}"] for tries in TRIES], FLOOR)
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
