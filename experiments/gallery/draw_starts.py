"""The picture of many starts: how often one start finds the global minimum, and what the best of k comes to."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.gallery.lasagne import ON_SURFACES
from experiments.gallery.starts import STARTS, TRAPS, TRIES, Odds
from experiments.gallery.styles import INK
from experiments.tasks.signals import title
from experiments.tasks.surfaces import STEPS

FLOOR = 1e-3  # heights below are drawn here: found


def draw_starts(odds: Sequence[Odds]) -> Figure:
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
