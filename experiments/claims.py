"""Published claims, and what a record says of each: holds, does not hold, not tested.

A claim compares the final test errors of two contenders, seed by seed. It holds where the 95 % interval of the
difference lies on the claimed side of 0 altogether, and no seed of the better one diverged.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from experiments.records import Record
from experiments.statistics import Curves, Estimate, curves, estimate

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not tested"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """What a source says of a contender against a baseline; without a trial nobody has run it here."""

    says: str
    source: str
    trial: str | None = None
    baseline: str = ""
    contender: str = ""
    expects: Literal["lower", "higher"] = "lower"  # the contender's final test error, against the baseline's
    published: str = "not available"
    comment: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a record says of a claim; errors in per cent."""

    baseline: Estimate
    contender: Estimate
    difference: Estimate
    diverged: str  # of which contender how many seeds, empty for none
    verdict: str


def judge(claim: Claim, record: Record) -> Finding:
    """Compare two contenders seed by seed: same seed, same initial weights, same batches."""
    if claim.trial is None:
        raise ValueError(f"The claim {claim.says!r} names no trial, so there is nothing to judge.")
    base, new = (curves(record.rows, claim.trial, name, "test") for name in (claim.baseline, claim.contender))
    common = sorted(set(base.seeds) & set(new.seeds))
    ends = [{seed: curve[-1] for seed, curve in zip(c.seeds, c.error, strict=True)} for c in (base, new)]
    difference = estimate(np.array([ends[1][seed] - ends[0][seed] for seed in common]))
    better = new if claim.expects == "lower" else base
    return Finding(
        baseline=estimate(base.error[:, -1] if base.seeds else np.array([])),
        contender=estimate(new.error[:, -1] if new.seeds else np.array([])),
        difference=difference,
        diverged=_diverged({claim.baseline: base, claim.contender: new}),
        verdict=HOLDS if _lies(difference, claim.expects) and not better.diverged else FAILS,
    )


def _lies(difference: Estimate, where: str) -> bool:
    """Return whether an interval lies below or above 0 altogether; one without width lies nowhere."""
    sign = 1 if where == "higher" else -1
    return bool(sign * difference.mean - difference.half_width > 0)


def _diverged(contenders: dict[str, Curves]) -> str:
    parts = [
        f"{len(c.diverged)} of {len(c.seeds + c.diverged)} seeds diverge {name}"
        for name, c in contenders.items()
        if c.diverged
    ]
    return "; ".join(parts)
