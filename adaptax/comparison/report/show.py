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
ROUNDING = 1e-9  # times the mean; a smaller half width comes from rounding: all scores are equal


def label(record: TaskRecord, name: str) -> str:
    """Name a known method by the expression that makes it, and a user's own method by the name that the user gave."""
    is_own = "code" in (record.config["contenders"].get(name) or {})  # only a user's own has this entry
    return name if is_own else shown(name)


def code(name: str) -> str:
    """Write a name as code in a sentence."""
    return f"`{name.replace('`', chr(39))}`"


def listed(words: Sequence[str], most: int = 3) -> str:
    """Write a list for a sentence; a long list is cut after its first words."""
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
    """Write mean ± half width, rounded to two digits of the half width."""
    mean, half_width = float(value.mean), float(value.half_width)
    sign = "+" if signed else ""
    if not half_width > ROUNDING * abs(mean):  # NaN too: one seed has no interval
        return f"{mean:{sign}.3g}"
    if half_width < SMALL:
        digits = max(1, int(np.floor(np.log10(abs(mean) / half_width)))) if mean else 1
        return f"{mean:{sign}.{digits}e} ± {half_width:.1e}"
    places = int(np.clip(1 - np.floor(np.log10(half_width)), 0, 6))
    return f"{mean:{sign}.{places}f} ± {half_width:.{places}f}"


def show_share(share: float | None) -> str:
    """Write a share in per cent."""
    return NOTHING if share is None else f"{100 * share:.0f} %"
