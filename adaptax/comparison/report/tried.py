"""All trials of each method: the score by schedule and settings, and by learning rate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from adaptax.comparison import analysis
from adaptax.comparison.report import pictures
from adaptax.comparison.report.lines import MOST
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING, label, show
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT
from adaptax.comparison.statistics import Estimate


def combinations(record: TaskRecord) -> Iterator[Section]:
    """List the best score of each schedule and choice of settings, if a method had more than one."""
    rows = []
    for name in analysis.by_mean(record):
        found, best = analysis.by_combination(record, name), analysis.trial_of(record, name)
        for combination, of in found.items():
            is_best = best is not None and combination == best.combination
            score, rate = (NOTHING, "none") if of is None else (show(of[1]), f"{of[0]:g}")
            kind = "lost" if of is None else "best" if is_best else ""
            rows.append([Cell(label(record, name)), Cell(str(combination) or CONSTANT), Cell(rate), Cell(score, kind)])
    if len(rows) > len(record.results):
        about = (
            "Validation score at the best rate of each, mean ± half width of the 95 % interval over the tuning seeds; "
            "the best of each method is bold."
        )
        table = Table(["method", "schedule, settings", "best rate", "validation score"], rows)
        yield Section("Every schedule and choice of settings", [about], table, is_folded=True)


def sensitivity(record: TaskRecord) -> Section:
    """List the score of every rate at the best schedule and settings."""
    found = {name: analysis.sensitivity(record, name) for name in analysis.by_mean(record)}
    rates = sorted({rate for of in found.values() for rate in of})
    rows = []
    for name, of in found.items():
        best = analysis.rate_of(record, name)
        rows.append([Cell(label(record, name)), *(_cell(of, rate, rate == best) for rate in rates)])
    about = (
        "Validation score at the end by learning rate, mean over the tuning seeds; the best of each method is bold. "
        "×: a seed diverged at this rate."
    )
    drawn = partial(pictures.rates, record) if len(found) > MOST else None  # fewer are in the opening chart
    table = Table(["method", *(f"{rate:g}" for rate in rates)], rows)
    return Section("How much the rate matters", [about], table, pictures=drawn, is_folded=True)


def _cell(of: dict[float, Estimate | None], rate: float, is_best: bool) -> Cell:
    if rate not in of:
        return Cell("")
    value = of[rate]
    return Cell("×", "lost") if value is None else Cell(f"{value.mean:.3g}", "best" if is_best else "")
