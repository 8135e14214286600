"""Compare a method with its base method: a rate is put around it, or its direction is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adaptax.comparison import analysis, around
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING, label, show
from adaptax.comparison.results import TaskRecord

# A method, and the base method that it changes; `pairs_among` adds the products of rates.
PAIRS = (
    ("local_gains", "optax_sgd"),
    ("delta_bar_delta", "optax_sgd"),
    ("velocity_gains", "optax_momentum"),
    ("local_gains_nag", "nesterov"),
    ("local_gains_adagrad", "adagrad"),
    ("local_gains_adam", "adam"),
    ("lsalr", "optax_sgd"),
    ("lsalr_nag", "nesterov"),
    ("lsalr_adagrad", "adagrad"),
    ("lsalr_adam", "adam"),
    ("nesterov", "optax_momentum"),
    ("smoothed_nesterov", "nesterov"),
    ("nadam", "adam"),
    ("eve", "adam"),
    ("adam_mini", "adam"),
    ("lamb", "adam"),
    ("lars", "optax_momentum"),
)
BENEATH = {"sgd": "optax_sgd", "momentum": "optax_momentum", "adam": "adam", "muon": "optax_muon"}  # by direction


def pairs_among(records: Sequence[TaskRecord]) -> list[tuple[str, str]]:
    """Return the pairs whose two methods took part: those above, then rates and products of rates."""
    names = list(dict.fromkeys(name for record in records for name in record.results))
    known = {name for name, _ in PAIRS}
    others = [
        (name, BENEATH[around.direction_of(name)]) for name in names if name not in known and around.direction_of(name)
    ]
    return [pair for pair in (*PAIRS, *others) if set(pair) <= set(names)]


def pairs(records: Sequence[TaskRecord]) -> list[Section]:
    """Compare methods with their base methods; the evidence page shows the same two sections."""
    at_best = (
        "Test score of the first method minus that of the second, seed by seed, each at its own best rate. Below 0 the "
        "first is better."
    )
    at_a_tenth = (
        "How much a method helps if the rate is ten times too small: both methods have a tenth of the *second* one's "
        "best rate. Scores are validation scores at the end, over the tuning seeds. A task tuned with one seed has no "
        "interval and no verdict."
    )
    parts = [
        Section("What is gained over the base method", [at_best], pair_table(records, analysis.difference)),
        Section(
            "What is gained at a rate ten times too small",
            [at_a_tenth],
            pair_table(records, analysis.difference_at_a_tenth),
        ),
    ]
    return [part for part in parts if part.table is not None and part.table.rows]


def pair_table(records: Sequence[TaskRecord], compare: Any) -> Table:
    """Compare every pair that took part on every task."""
    rows = [
        [
            Cell(" – ".join(label(records[0], of) for of in (name, base))),
            *(show_difference(pair_of(r, name, base, compare)) for r in records),
        ]
        for name, base in pairs_among(records)
    ]
    return Table(["pair", *(record.config["task"]["title"] for record in records)], rows)


def pair_of(record: TaskRecord, name: str, base: str, compare: Any) -> analysis.Difference | None:
    """Compare two methods on a task; None if one of them did not take part."""
    return compare(record, name, base) if {name, base} <= record.results.keys() else None


def show_difference(found: analysis.Difference | None) -> Cell:
    """Write a difference; its verdict gives the color."""
    if found is None:
        return Cell(NOTHING)
    kind = {"lower": "better", "higher": "worse", "none shown": ""}[found.verdict]
    return Cell(show(found.estimate, signed=True), kind)
