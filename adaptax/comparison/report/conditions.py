"""Under which conditions a method gains: by what is hard about the tasks, and at a rate chosen too small."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.report.differences import Compare, pair_of
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.pairs import pairs_among
from adaptax.comparison.report.show import NOTHING
from adaptax.comparison.results import TaskRecord

# What is hard, and on which tasks.
CONDITIONS = {
    "gradients vanish with depth": ("mnist_deep_sigmoid", "mnist_autoencoder", "cifar10_denoising"),
    "features are rare": ("sparse_logistic", "text_words"),
    "attention and normalized layers": ("text_transformer", "cifar10_transformer"),
    "normalized residual convolutions": ("cifar10_residual",),
    "recurrence over time": ("text_recurrent",),
    "curvatures differ by a factor of 10,000": ("quadratic",),
    "full batches": ("letters", "quadratic"),
    "small nets with rectified units": ("digits", "mnist_mlp", "mnist_lenet", "cifar10_quick"),
}
TUNED, TOO_SMALL = "all tasks, rate tuned", "all tasks, rate ten times too small"


def conditions(records: Sequence[TaskRecord]) -> list[Section]:
    """List by condition the methods that end lowest, and those that gain over their base method or lose to it."""
    rows = []
    for condition, slugs in CONDITIONS.items():
        if among := [record for record in records if record.slug in slugs]:
            lowest = "; ".join(
                f"{record.slug}: {', '.join(map(shown, analysis.best_of(record))) or NOTHING}" for record in among
            )
            rows.append([Cell(condition), Cell(lowest), *_gains(among, analysis.difference)])
    if not rows:  # a user's own tasks
        return []
    for where, compare in ((TUNED, analysis.difference), (TOO_SMALL, partial(analysis.difference_at, times=0.1))):
        rows.append([Cell(where), Cell(NOTHING), *_gains(records, compare)])
    text = (
        "Tasks are grouped by what is hard about them. *Lowest*: the methods with the lowest test score. *Gains* and "
        "*loses*: the pairs whose first method gains over its base method, or loses to it. In brackets: on how many of "
        "the tasks that give an interval, as both methods ended there with at least two seeds. They "
        "are counted by plain 95 % intervals, without a correction."
    )
    return [
        Section("Under which conditions", [text], Table(["where", "lowest", "gains", "loses"], rows, of_words=True))
    ]


def _gains(records: Sequence[TaskRecord], compare: Compare) -> list[Cell]:
    """Count for every pair the tasks on which the first method is lower, and those on which it is higher."""
    known = {pair: [pair_of(record, *pair, compare) for record in records] for pair in pairs_among(records)}
    found = {pair: [of for of in each if of and np.isfinite(of.estimate.half_width)] for pair, each in known.items()}
    cells = []
    for verdict, kind in (("lower", "better"), ("higher", "worse")):
        counts = {pair: sum(one.verdict == verdict for one in of) for pair, of in found.items()}
        said = [
            f"{' over '.join(map(shown, pair))} ({count} of {len(found[pair])})"
            for pair, count in counts.items()
            if count
        ]
        cells.append(Cell("; ".join(said) or NOTHING, kind if said else ""))
    return cells
