"""Tables of many differences: bold are those that hold after a correction for their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.analysis import Difference
from adaptax.comparison.report.markup import Cell, Table
from adaptax.comparison.report.show import NOTHING, show, show_share
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.statistics import SIGNIFICANT, holm

Compare = Callable[[TaskRecord, str, str], Difference | None]  # of a method and its base method
KINDS = {"lower": "better", "higher": "worse", "none shown": ""}  # of cells, by verdict


def by_task(
    records: Sequence[TaskRecord], pairs: Mapping[str, tuple[str, str]], compare: Compare, *, with_shares: bool = False
) -> tuple[Table, str]:
    """Compare pairs of methods, a row for each label and a column for each task; say which differences are bold."""
    found = {label: [pair_of(record, *pair, compare) for record in records] for label, pair in pairs.items()}
    found = {label: of for label, of in found.items() if any(of)}
    every = [one for of in found.values() for one in of]
    held, rows = iter(corrected(every)), []
    for label, of in found.items():
        saved = [_saved(*each, *pairs[label]) if with_shares else "" for each in zip(of, records, strict=True)]
        rows.append([Cell(label), *(_cell(one, next(held), text) for one, text in zip(of, saved, strict=True))])
    return Table(["method", *(record.config["task"]["title"] for record in records)], rows), rule(every)


def pair_of(record: TaskRecord, name: str, base: str, compare: Compare) -> Difference | None:
    """Compare two methods on a task; None if one of them did not take part."""
    return compare(record, name, base) if {name, base} <= record.results.keys() else None


def corrected(found: Sequence[Difference | None]) -> list[Difference | None]:
    """Keep the verdicts that hold after Holm's correction over all of these differences."""
    p_values = holm([np.nan if one is None else one.p for one in found])
    return [
        one if one is None or p < SIGNIFICANT else one._replace(verdict="none shown")
        for one, p in zip(found, p_values, strict=True)
    ]


def significant(found: Sequence[Difference | None]) -> str:
    """Say in words what `corrected` keeps, and how many differences it covers: those with an interval."""
    count = sum(one is not None and np.isfinite(one.p) for one in found)
    several = f" after Holm's correction for all {count} differences of this table" if count > 1 else ""
    return f"significant at the 5 % level{several}"


def rule(found: Sequence[Difference | None]) -> str:
    """Say which differences are bold."""
    return f"Bold: {significant(found)}. The intervals are not corrected."


def _cell(found: Difference | None, held: Difference | None, saved: str) -> Cell:
    """Write a difference; what holds of it after the correction gives the color."""
    if found is None or held is None:
        return Cell(NOTHING)
    return Cell(f"{show(found.estimate, signed=True)}{saved}", KINDS[held.verdict])


def _saved(found: Difference | None, record: TaskRecord, name: str, base: str) -> str:
    """Write the share of the steps that a better method needs, if it is below 100 %."""
    share = analysis.share_of_steps(record, name, base) if found and found.verdict == "lower" else None
    return "" if share is None or share >= 1 else f", in {show_share(share)}"
