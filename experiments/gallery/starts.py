"""Best of many starts: does restarting find the global minimum where one start does not?

The expected best of k starts, drawn from many without repetition, is exact: `adaptax.comparison.gain` says how. A start
counts as having found the global minimum if it ends lower than every other minimum.
"""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from adaptax.comparison.gain import chances_of_best
from experiments.gallery.lasagne import ON_SURFACES
from experiments.gallery.methods import Method
from experiments.gallery.paths import trace_many
from experiments.gallery.styles import INK
from experiments.tasks.minima import find_minima
from experiments.tasks.signals import title
from experiments.tasks.surfaces import SIDE, STEPS

TRAPS = ("basins_and_walls", "ripple", "hills_and_canyon", "two_minimums")  # those with more than one minimum
STARTS = 1024
SEED = 413
TRIES = (1, 4, 16, 64)
FLOOR = 1e-3  # heights below are drawn here: found


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
