"""Separate the methods under a schedule of their own from those at a constant rate: their order differs.

`NAME@SCHEDULE` is a method under a schedule, see `adaptax.comparison.methods`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.pairs import pair_of, show_difference
from adaptax.comparison.results import TaskRecord


def constant(records: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Keep the methods that have no schedule of their own."""
    return _kept(records, {name: name for name in _names(records) if "@" not in name})


def scheduled(records: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Keep the methods that have one; the name of a method drops its schedule where only one was tried."""
    bases = _bases(records)
    count = Counter(bases.values())
    return _kept(records, {name: base if count[base] == 1 else name for name, base in bases.items()})


def worth(records: Sequence[TaskRecord]) -> list[Section]:
    """Compare each method under a schedule with itself at a constant rate."""
    found = {
        name: [pair_of(record, name, base, analysis.difference) for record in records]
        for name, base in _bases(records).items()
    }
    rows = [
        [Cell(shown(name)), *map(show_difference, of)]
        for name, of in found.items()
        if any(one is not None for one in of)
    ]
    text = (
        "Test score of each method under its schedule minus that of the same method at a constant rate, seed by seed, "
        "each at its own best rate. Below 0 the schedule is better."
    )
    titles = [record.config["task"]["title"] for record in records]
    return [Section("What the schedule is worth", [text], Table(["method", *titles], rows))] if rows else []


def _names(records: Sequence[TaskRecord]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.results))


def _bases(records: Sequence[TaskRecord]) -> dict[str, str]:
    """Return the methods under a schedule of their own, and their names without it."""
    return {name: name.partition("@")[0] for name in _names(records) if "@" in name}


def _kept(records: Sequence[TaskRecord], names: Mapping[str, str]) -> list[TaskRecord]:
    """Keep some methods and rename them; a task without any of them is left out."""

    def renamed(of: Mapping[str, Any]) -> dict[str, Any]:
        return {names[name]: value for name, value in of.items() if name in names}

    kept = [
        record._replace(
            results=renamed(record.results),
            observed=renamed(record.observed),
            meta=record.meta | {"timings": renamed(record.timings)},
            config=record.config | {"contenders": renamed(record.config["contenders"])},
        )
        for record in records
    ]
    return [record for record in kept if record.results]
