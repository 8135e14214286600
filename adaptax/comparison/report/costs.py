"""What a task's methods cost: gradients to a target, and seconds by kind of work."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import label
from adaptax.comparison.results import TaskRecord


def costs(record: TaskRecord, is_final: bool) -> Iterator[Section]:
    """Show what each method cost, and the seconds by kind of work where the record has them."""
    if not record.results:
        return
    goal = analysis.target(record) if is_final else None
    kinds = list(dict.fromkeys(kind for name in record.results for kind in record.timings[name].get("seconds", {})))
    header = [*(["gradients to target"] if is_final else []), "compile, s", "µs a step"]
    header += [f"{kind}, s" for kind in kinds if kind != "compile"]
    rows = [[Cell(label(record, name)), *_cells(record, name, kinds, is_final)] for name in analysis.by_mean(record)]
    paragraphs = []
    if goal is not None:
        of = label(record, goal.of)
        paragraphs.append(f"Target: {goal.score:.4g} on validation, {of}'s mean after half of the steps.")
    paragraphs.append("µs a step: for one member (one rate and one seed), trained beside the others.")
    if kinds:
        paragraphs.append("Seconds: all trials and seeds together, by kind of work.")
    yield Section("What it cost", [" ".join(paragraphs)], Table(["method", *header], rows), is_folded=True)


def _cells(record: TaskRecord, name: str, kinds: list[str], is_final: bool) -> Iterator[Cell]:
    timing = record.timings[name]
    if is_final:
        needed = analysis.gradients_to_target(record, name)
        yield Cell("missed" if np.isinf(needed) else f"{needed:.0f}")
    yield Cell(f"{timing['compile_seconds']:.1f}")
    yield Cell(f"{timing['microseconds_per_member_step']:.0f}")
    for kind in kinds:
        if kind != "compile":
            yield Cell(f"{timing.get('seconds', {}).get(kind, 0.0):.1f}")
