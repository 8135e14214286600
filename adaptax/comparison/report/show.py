"""How figures are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.statistics import Estimate

NOTHING = "–"
SMALL = 1e-4  # below it figures are written with an exponent
ROUNDING = 1e-9  # of the mean; a half width below it is that of equal scores, added in another order


def label(record: TaskRecord, name: str) -> str:
    """Name a method by the expression that makes it, and a user's own as he does, though a known one be called so."""
    is_own = "code" in (record.config["contenders"].get(name) or {})  # what it computes is recorded of no other
    return name if is_own else shown(name)


def code(name: str) -> str:
    """Write a name in a sentence as what is typed."""
    return f"`{name.replace('`', chr(39))}`"


def listed(words: Sequence[str], most: int = 3) -> str:
    """Write a list as a sentence has it; of a long one the first."""
    kept = list(words) if len(words) <= most + 1 else [*words[:most], f"{len(words) - most} others"]
    return " and ".join(filter(None, [", ".join(kept[:-1]), *kept[-1:]]))


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
    if not half_width > ROUNDING * abs(mean):  # nor is that of one seed
        return f"{mean:{sign}.3g}"
    if half_width < SMALL:
        digits = max(1, int(np.floor(np.log10(abs(mean) / half_width)))) if mean else 1
        return f"{mean:{sign}.{digits}e} ± {half_width:.1e}"
    places = int(np.clip(1 - np.floor(np.log10(half_width)), 0, 6))
    return f"{mean:{sign}.{places}f} ± {half_width:.{places}f}"
