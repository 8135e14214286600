"""The contenders of the first comparison, at constant rates, that were not trained again under a schedule, and why."""

from collections.abc import Sequence
from typing import NamedTuple

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING
from adaptax.comparison.results import TaskRecord
from experiments.decade.claims import CLAIMS

ABOUT = """\
These contenders of the first comparison, at constant rates, were not trained again under a schedule. For all but three,
another contender that runs on the same tasks ended lower on some of them and higher on none (95 % intervals, not
corrected). AdaGrad, and LSALR and gains around it, are still to be trained under a schedule. At constant rates gains
around AdaGrad end lowest on `sparse_logistic`."""


class Dominance(NamedTuple):
    """A contender that ends lower than another on some tasks, and higher on none."""

    lower: int
    tasks: int
    by: str


def section(records: Sequence[TaskRecord]) -> list[Section]:
    """Name each left-out contender, and the one that ends lower on the most tasks; nothing if all were trained."""
    names = list(dict.fromkeys(name for record in records for name in record.results))
    again = {base for base, at, _ in (name.partition("@") for name in names) if at}
    again |= {claim.method for claim in CLAIMS if claim.phase == "default"}  # the claim is that it needs no schedule
    constant = [name for name in names if "@" not in name]
    rows = []
    for name in (name for name in constant if name not in again):
        found = dominating(records, name, constant)
        cells = (f"`{shown(found.by)}`", f"{found.lower} of {found.tasks}") if found else (NOTHING, NOTHING)
        rows.append([Cell(f"`{shown(name)}`"), *map(Cell, cells)])
    header = ["left out", "this one ended lower", "tasks"]
    return [Section("What was not trained under a schedule", [ABOUT], Table(header, rows))] if rows else []


def dominating(records: Sequence[TaskRecord], name: str, others: Sequence[str]) -> Dominance | None:
    """Return what ends lower on the most of its tasks, of those that run on all of them and end higher on none."""
    found = []
    tasks = [record for record in records if name in record.results]
    for other in others:
        both = [record for record in tasks if other in record.results]
        if len(both) < len(tasks):
            continue
        sides = [of.verdict for record in both if (of := analysis.difference(record, other, name))]
        if "higher" not in sides and "lower" in sides:
            found.append(Dominance(sides.count("lower"), len(both), other))
    return max(found, default=None)
