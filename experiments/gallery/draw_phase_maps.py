"""The picture of phase maps: a surface per row, a method per column, learning rate across, its other setting up."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.gallery.lasagne import ON_SURFACES
from experiments.gallery.phase_maps import BONUSES, DIVERGED, ELSEWHERE, NEAR, RATES, SHOWN, STEPS, SWEPT
from experiments.tasks.signals import title

DIVERGED_COLOR, ELSEWHERE_COLOR = "#D55E00", "#C8C8C8"
NORM, MAP = LogNorm(5, STEPS), "cividis_r"
NAMES = {"momentum": "momentum μ", "bonus": "bonus b, penalty 1 - b", "decay": "decay ρ", "b1": "decay β₁"}


def draw_phase_maps(maps: Mapping[tuple[str, str], np.ndarray]) -> Figure:
    """Draw all maps; keys are (slug, surface)."""
    figure, axes = plt.subplots(
        len(SHOWN), len(SWEPT), figsize=(18, 3.0 * len(SHOWN) + 1.2), squeeze=False, layout="constrained"
    )
    for of_row, surface in zip(axes, SHOWN, strict=True):
        for panel, slug in zip(of_row, SWEPT, strict=True):
            _draw_map(panel, slug, maps[slug, surface])
            _mark_usual(panel, slug)
        of_row[0].annotate(
            title(surface), (-0.38, 0.5), xycoords="axes fraction", rotation=90, va="center", fontsize=12
        )
    for panel, slug in zip(axes[0], SWEPT, strict=True):
        panel.set_title(ON_SURFACES[slug].style.label, fontsize=12)
    for panel in axes[-1]:
        panel.set_xlabel("learning rate")
    bar = figure.colorbar(ScalarMappable(NORM, MAP), ax=axes, location="right", shrink=0.8, pad=0.01)
    bar.set_label(f"steps until within {NEAR:g} of the global minimum, for good")
    bar.set_ticks([5, 10, 20, 50, 100, 200, 450], labels=["5", "10", "20", "50", "100", "200", "450"])
    handles = [
        Patch(color=DIVERGED_COLOR, label="diverged"),
        Patch(color=ELSEWHERE_COLOR, label=f"neither in {STEPS} steps: another minimum, too slow, or bouncing"),
        Line2D([], [], marker="+", color="black", linestyle="", markersize=11, label="the other pictures' setting"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    figure.suptitle(
        f"Which settings work: {RATES.size * len(BONUSES):,} runs per map, each a learning rate and one other setting",
        fontsize=14,
    )
    return figure


def _draw_map(panel: Axes, slug: str, steps: np.ndarray) -> None:
    key, values = SWEPT[slug]
    # Decays are drawn by memory, 1 / (1 - decay), where they are evenly spaced.
    across, up = (np.log10(RATES), np.log10(values if key == "bonus" else 1 / (1 - values)))
    extent = (across[0], across[-1], up[0], up[-1])
    look = {"origin": "lower", "extent": extent, "aspect": "auto", "interpolation": "nearest"}
    for what, color in ((DIVERGED, DIVERGED_COLOR), (ELSEWHERE, ELSEWHERE_COLOR)):
        panel.imshow(np.where(steps == what, 1.0, np.nan), cmap=ListedColormap([color]), **look)
    panel.imshow(np.where(steps > 0, steps, np.nan), cmap=MAP, norm=NORM, **look)
    rates = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10]
    panel.set_xticks(np.log10(rates), [f"{rate:g}" for rate in rates], fontsize=8)
    shown = [0.001, 0.01, 0.05, 0.2, 0.9] if key == "bonus" else [0, 0.5, 0.9, 0.97, 0.99]
    places = np.log10(shown) if key == "bonus" else -np.log10(1 - np.array(shown))
    panel.set_yticks(places, [f"{value:g}" for value in shown], fontsize=8)
    panel.set_ylabel(NAMES[key], fontsize=9, labelpad=1)


def _mark_usual(panel: Axes, slug: str) -> None:
    key, _ = SWEPT[slug]
    usual = ON_SURFACES[slug].on_surfaces
    up = np.log10(usual[key] if key == "bonus" else 1 / (1 - usual[key]))
    panel.plot(np.log10(usual["learning_rate"]), up, "+", color="white", markersize=13, markeredgewidth=4)
    panel.plot(np.log10(usual["learning_rate"]), up, "+", color="black", markersize=11, markeredgewidth=1.8)
