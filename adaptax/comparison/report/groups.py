"""Separate the methods under a schedule of their own from those at a constant rate: their order differs.

`NAME@SCHEDULE` is a method under a schedule, see `adaptax.comparison.methods`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.report.differences import by_task
from adaptax.comparison.report.markup import Section
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT


def split(records: Sequence[TaskRecord]) -> list[list[TaskRecord]]:
    """Return both groups, schedules first, since most nets are trained so; a group without methods is left out."""
    return [group for group in (scheduled(records), constant(records)) if group]


def constant(records: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Keep the methods that were tried at a constant rate."""
    bases = _bases(records)
    return _kept(records, {name: name for name in _names(records) if name not in bases})


def scheduled(records: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Keep the methods that were tried only under schedules; names drop a schedule where no other was tried."""
    bases = _bases(records)
    count = Counter(bases.values())
    return _kept(records, {name: base if count[base] == 1 else name for name, base in bases.items()})


def schedules(records: Sequence[TaskRecord], *names: str) -> list[str]:
    """List the schedules that were tried by these methods, or by all."""
    tried = [
        curve.combination.schedule
        for record in records
        for name in names or record.results
        for curve in analysis.curves(record, name, "tune")
    ]
    return list(dict.fromkeys(tried))


def where(group: Sequence[TaskRecord]) -> str:
    """Say how the rates of a group's methods ran."""
    tried = set(schedules(group))
    return (
        "at a constant rate" if tried <= {CONSTANT} else f"{'at the best' if CONSTANT in tried else 'under a'} schedule"
    )


def worth(records: Sequence[TaskRecord]) -> list[Section]:
    """Compare each method under a schedule of its own with itself at a constant rate."""
    bases = {shown(name): (name, base) for name, base in _bases(records).items() if name != base}
    table, rule = by_task(records, bases, analysis.difference)
    text = (
        "Test score of each method under its schedule minus that of the same method at a constant rate, seed by seed, "
        f"each at its own best rate. Below 0 the schedule is better. {rule}"
    )
    return [Section("What the schedule is worth", [text], table)] if table.rows else []


def _names(records: Sequence[TaskRecord]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.results))


def _bases(records: Sequence[TaskRecord]) -> dict[str, str]:
    """Return the methods that were tried only under schedules, and their names without it."""
    tried = {name: schedules(records, name) for name in _names(records)}
    return {name: name.partition("@")[0] for name, of in tried.items() if of and CONSTANT not in of}


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
