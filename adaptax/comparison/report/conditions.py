"""Under which conditions a method gains: what is hard about the tasks, and a rate chosen too small."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.pairs import pair_of, pairs_among
from adaptax.comparison.report.show import NOTHING
from adaptax.comparison.results import TaskRecord

# What is hard about a task, and the tasks of which it is true.
CONDITIONS = {
    "gradients vanish with depth": ("mnist_deep_sigmoid", "mnist_autoencoder", "cifar10_denoising"),
    "features are rare": ("sparse_logistic", "text_words"),
    "attention, normalized layers": ("text_transformer", "cifar10_transformer"),
    "convolutions, normalized and residual": ("cifar10_residual",),
    "a loop over time": ("text_recurrent",),
    "curvatures differ ten thousandfold": ("quadratic",),
    "batches are full": ("letters", "quadratic"),
    "a small net, rectified units": ("digits", "mnist_mlp", "mnist_lenet", "cifar10_quick"),
}
TUNED, TOO_SMALL = "any task, the rate tuned", "any task, the rate ten times too small"

Compare = Callable[[TaskRecord, str, str], analysis.Difference | None]


def conditions(records: Sequence[TaskRecord]) -> list[Section]:
    """Sort by condition which methods end lowest, and what is worth having over the method beneath."""
    rows = []
    for condition, slugs in CONDITIONS.items():
        if among := [record for record in records if record.slug in slugs]:
            lowest = "; ".join(
                f"{record.slug}: {', '.join(map(shown, analysis.best_of(record))) or NOTHING}" for record in among
            )
            rows.append([Cell(condition), Cell(lowest), *_gains(among, analysis.difference)])
    if not rows:  # a user's own tasks
        return []
    for where, compare in ((TUNED, analysis.difference), (TOO_SMALL, analysis.difference_at_a_tenth)):
        rows.append([Cell(where), Cell(NOTHING), *_gains(records, compare)])
    text = (
        "By what is hard about a task: the methods with the lowest test score, then those of the pairs below that gain "
        "over the method beneath them and those that lose to it; in brackets, on how many of the tasks on which both "
        "ended with two seeds or more, so that there is an interval."
    )
    return [
        Section("Under which conditions", [text], Table(["where", "lowest", "gains", "loses"], rows, of_words=True))
    ]


def _gains(records: Sequence[TaskRecord], compare: Compare) -> list[Cell]:
    """Count for every pair the tasks on which the first is lower, and on which it is higher."""
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
