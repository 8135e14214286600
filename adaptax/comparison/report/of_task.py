"""One task: what every method came to, what it cost, and how much the rate matters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING, show_ends
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.statistics import Estimate


def describe_task(record: TaskRecord, is_final: bool) -> Iterator[Section]:
    """Describe one task: what every method came to, what it cost, and how much the rate matters."""
    task, goal = record.config["task"], analysis.target(record) if is_final else None
    paragraphs = [
        f"{record.slug}: {task['steps']} steps, "
        f"{'full batches' if task['batch_size'] is None else 'batches of ' + str(task['batch_size'])}; "
        f"{task['scored']}; members computed by {record.config['layout']}.",
    ]
    if goal is not None:
        paragraphs.append(f"Target: {goal.score:.4g} on validation, {goal.of}'s mean after half of the steps.")
    header = [
        "method",
        "test",
        "spread",
        "best rate",
        "untuned, test",
        "gradients to target",
        "compile, s",
        "µs a step",
    ]
    best = analysis.best_of(record) if is_final else []
    rows = [_row(record, name, name in best) for name in analysis.by_mean(record)] if is_final else []
    yield Section(task["title"], paragraphs, Table(header, rows) if is_final else None, task=record.slug)
    yield Section(f"{task['title']}: how much the rate matters", [SENSITIVITY], _sensitivity(record))


SENSITIVITY = (
    "Validation score at the end by learning rate, mean over the tuning seeds; the best of each method is bold. "
    "A rate with which a seed diverged is empty (×)."
)


def _row(record: TaskRecord, name: str, is_best: bool) -> list[Cell]:
    timing, rate, of = record.timings[name], analysis.rate_of(record, name), analysis.ends(record, name)
    needed, untuned = analysis.gradients_to_target(record, name), analysis.ends(record, name, "default")
    return [
        Cell(name),
        Cell(show_ends(of), "best" if is_best else ""),
        Cell(NOTHING if np.isnan(of.spread) else f"{of.spread:.2g}"),
        Cell("none" if rate is None else f"{rate:g}{' ↔' if analysis.at_edge(record, name) else ''}"),
        Cell(show_ends(untuned)),
        Cell("missed" if np.isinf(needed) else f"{needed:.0f}"),
        Cell(f"{timing['compile_seconds']:.1f}"),
        Cell(f"{timing['microseconds_per_member_step']:.0f}"),
    ]


def _sensitivity(record: TaskRecord) -> Table:
    found = {name: analysis.sensitivity(record, name) for name in record.results}
    rates = sorted({rate for of in found.values() for rate in of})
    rows = []
    for name, of in found.items():
        best = analysis.rate_of(record, name)
        rows.append([Cell(name), *(_rate_cell(of, rate, rate == best) for rate in rates)])
    return Table(["method", *(f"{rate:g}" for rate in rates)], rows)


def _rate_cell(of: dict[float, Estimate | None], rate: float, is_best: bool) -> Cell:
    if rate not in of:
        return Cell("")
    value = of[rate]
    return Cell("×", "worse") if value is None else Cell(f"{value.mean:.3g}", "best" if is_best else "")
