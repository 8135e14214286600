"""What to use: the lowest method on each task, under a schedule and at a constant rate, and how many tie with it."""

from __future__ import annotations

from collections.abc import Sequence

from adaptax.comparison import analysis
from adaptax.comparison.report import groups
from adaptax.comparison.report.markup import Cell, Table
from adaptax.comparison.report.show import NOTHING, label, show
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT


def what_to_use(records: Sequence[TaskRecord]) -> Table:
    """Answer for each task, in a column for each group of methods."""
    grouped = groups.split(records)
    by_slug = [{record.slug: _answer(record) for record in group} for group in grouped]
    rows = []
    for record in records:
        task, answers = record.config["task"], [of.get(record.slug, NOTHING) for of in by_slug]
        rows.append([Cell(f"{task['title']} ({task['scored']})"), *map(Cell, answers)])
    return Table(["task", *map(_title, grouped)], rows, of_words=True)


def _title(group: Sequence[TaskRecord]) -> str:
    """Name a group, and its schedules unless all rates are constant."""
    tried = groups.schedules(group)
    return groups.where(group) + (f" ({', '.join(tried)})" if set(tried) - {CONSTANT} else "")


def _answer(record: TaskRecord) -> str:
    """Name the lowest method and its score; count those that tie with it."""
    best = analysis.best_of(record)
    if not best:
        diverged = any(analysis.ends(record, name).diverged for name in record.results)
        return "each method has a diverged seed" if diverged else "no test score yet"
    first, *ties = best
    answer = f"{label(record, first)}{_under(record, first)}: {show(analysis.ends(record, first).estimate)}"
    return "; ".join(filter(None, [answer, _ties(record, ties)]))


def _under(record: TaskRecord, name: str) -> str:
    """Name the schedule that validation chose, if it had a choice."""
    trial = analysis.trial_of(record, name)
    has_choice = len(groups.schedules([record], name)) > 1
    return f" under {trial.combination.schedule}" if trial is not None and has_choice else ""


def _ties(record: TaskRecord, ties: Sequence[str]) -> str:
    others = len(record.results) - 1
    return f"ties: {len(ties)} of {others}" if others else ""
