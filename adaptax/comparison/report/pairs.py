"""What a rate, or a change of a direction, is worth to the method beneath it; the evidence page shows the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adaptax.comparison import analysis, around
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING, label, show
from adaptax.comparison.results import TaskRecord

# A method, and the one that it puts something around or changes; products of rates are found, see `pairs_among`.
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
BENEATH = {"sgd": "optax_sgd", "momentum": "optax_momentum", "adam": "adam", "muon": "optax_muon"}  # of directions


def pairs_among(records: Sequence[TaskRecord]) -> list[tuple[str, str]]:
    """Return the pairs of which both took part: those above, then rates and products of rates over their directions."""
    names = list(dict.fromkeys(name for record in records for name in record.results))
    known = {name for name, _ in PAIRS}
    others = [
        (name, BENEATH[around.direction_of(name)]) for name in names if name not in known and around.direction_of(name)
    ]
    return [pair for pair in (*PAIRS, *others) if set(pair) <= set(names)]


def pairs(records: Sequence[TaskRecord]) -> list[Section]:
    """Compare methods with those beneath them; the evidence page shows the same two sections."""
    at_best = (
        "Test score of the first less that of the second, seed by seed, each at its own best rate: below 0 the first "
        "is better."
    )
    at_a_tenth = (
        "The same where both have a tenth of the *second* one's best rate: validation score at the end, over the "
        "tuning seeds; a task tuned with one seed has no interval, and no verdict. What a method is worth to somebody "
        "who chose a rate ten times too small."
    )
    parts = [
        Section("What is gained over the method beneath", [at_best], pair_table(records, analysis.difference)),
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
    """Compare two methods on a task; None where they cannot be."""
    return compare(record, name, base) if {name, base} <= record.results.keys() else None


def show_difference(found: analysis.Difference | None) -> Cell:
    """Write a difference, colored by its verdict."""
    if found is None:
        return Cell(NOTHING)
    kind = {"lower": "better", "higher": "worse", "none shown": ""}[found.verdict]
    return Cell(show(found.estimate, signed=True), kind)
