"""How figures are written."""

from __future__ import annotations

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.statistics import Estimate

NOTHING = "–"
SMALL = 1e-4  # below it figures are written with an exponent


def show_ends(of: analysis.Ends) -> str:
    """Write mean ± interval, and how many seeds diverged."""
    total = len(of.scores) + len(of.diverged)
    if not total:
        return NOTHING
    lost = f"{len(of.diverged)} of {total} diverged" if of.diverged else ""
    return ", ".join(filter(None, [show(of.estimate) if of.scores else "", lost]))


def show(value: Estimate, signed: bool = False) -> str:
    """Write mean ± half width, to the half width's second digit."""
    mean, half_width = float(value.mean), float(value.half_width)
    sign = "+" if signed else ""
    if np.isnan(half_width) or half_width == 0:
        return f"{mean:{sign}.3g}"
    if half_width < SMALL:
        return f"{mean:{sign}.1e} ± {half_width:.1e}"
    places = int(np.clip(1 - np.floor(np.log10(half_width)), 0, 6))
    return f"{mean:{sign}.{places}f} ± {half_width:.{places}f}"
