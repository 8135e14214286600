"""The table of a record, one row per contender, made from the record alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING, SMALL
from adaptax.comparison.statistics import Estimate, estimate, over_seeds, paired
from experiments.engine.records import Record
from experiments.engine.rows import Curves, curves

FEW = 5


def sections(record: Record) -> list[Section]:
    """Write title, reading help and a table per trial."""
    trials = record.config["trials"].items()
    tables = {trial: Table(header(record.config), _rows(record, trial, settings)) for trial, settings in trials}
    opening = Section(record.config["title"], [caption(record.config)])
    return [opening, *(Section(settings["title"], [], tables[trial]) for trial, settings in trials)]


def header(config: dict[str, Any]) -> list[str]:
    """Name the columns."""
    return [
        "contender",
        "loss rises, %",
        "train loss",
        "train error, %",
        *(f"test error at step {step}, %" for step in early_steps(config)),
        "test error, %",
        "against the first",
        *(["published train, test, %"] if _has_published(config) else []),
    ]


def early_steps(config: dict[str, Any]) -> list[int]:
    """Choose what to show of the way: every evaluation if they are few, else the first from a quarter of the run on."""
    before = config["evaluate_at"][:-1]
    if len(before) < FEW:
        return before
    return [next(step for step in config["evaluate_at"] if 4 * step >= config["steps"])]


def _rows(record: Record, trial: str, settings: dict[str, Any]) -> list[list[Cell]]:
    """Compute the cells of a trial; ± is the half width of a 95 % interval over the seeds."""
    early, rows, first = early_steps(record.config), [], None
    for name in settings["contenders"]:
        train, test = (curves(record.rows, trial, name, split) for split in ("train", "test"))
        texts = [named(name, test), *_results(train, test, early)]
        texts.append(show(paired(test.at("error"), first.at("error")), "+.2f") if first else "")
        if _has_published(record.config):
            texts.append(_published(settings["published"].get(name, {})))
        rows.append(list(map(Cell, texts)))
        first = first or test
    return rows


def named(contender: str, of: Curves) -> str:
    """Name a contender, with the seeds that it lost."""
    return f"{contender}; {of.lost} diverged" if of.diverged else contender


def _results(train: Curves, test: Curves, early: list[int]) -> list[str]:
    if not test.seeds:
        return [NOTHING] * (4 + len(early))
    rises, loss = 100 * (np.diff(train.loss, axis=1) > 0).mean(axis=1), over_seeds(train.at("loss"))
    return [
        show(estimate(rises), ".0f"),
        show(loss, ".1e" if 0 < loss.mean < SMALL else ".4f"),
        show(over_seeds(train.at("error"))),
        *(show(over_seeds(test.at("error", step))) for step in early),
        show(over_seeds(test.at("error"))),
    ]


def show(of: Estimate, digits: str = ".2f") -> str:
    """Write mean ± half width with so many digits; a sign before them is the mean's alone."""
    if np.isnan(of.mean):
        return NOTHING
    if np.isnan(of.half_width):
        return f"{of.mean:{digits}}"
    return f"{of.mean:{digits}} ± {of.half_width:{digits.lstrip('+')}}"


def _has_published(config: dict[str, Any]) -> bool:
    return any(settings["published"] for settings in config["trials"].values())


def _published(errors: dict[str, float]) -> str:
    return ", ".join(f"{errors[split]:.2f}" for split in ("train", "test") if split in errors)


def caption(config: dict[str, Any]) -> str:
    """Say what the numbers are."""
    seeds, steps = config["seeds"], config["steps"]
    what = f"Mean ± 95 % interval (Student's t) over {seeds} seeds" if seeds > 1 else "One seed"
    return (
        f"{what}, after {steps} steps unless said otherwise. Loss rises: share of the evaluations with a training "
        "loss above the one before. "
        "Against the first: difference of the final test error to the trial's first contender, seed "
        "by seed, in percentage points. A seed that diverged is counted, and is in no mean."
    )
