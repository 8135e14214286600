"""The record of a run: config.json, meta.json and seed_<n>.jsonl, a line per evaluation (`experiments.engine.rows`).

A loss that is no longer finite is `null` with "diverged": true, and nothing follows. The table, one row per contender,
is made from the record alone.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adaptax.comparison import record
from adaptax.comparison.describe import describe
from adaptax.comparison.record import Line
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING, SMALL
from adaptax.comparison.statistics import Estimate, over_seeds, paired
from experiments.engine.experiment import Experiment
from experiments.engine.rows import Curves, Row, curves


class Record(NamedTuple):
    """A folder, read."""

    config: dict[str, Any]
    meta: dict[str, Any]
    rows: list[Row]


# Record, trial, contender, the trial's first one; to cells by column, in which ± is the half width of a 95 % interval.
Cells = Callable[[Record, str, str, str], dict[str, str]]


def write(folder: Path, experiment: Experiment, meta: dict[str, Any], rows: Iterable[Row]) -> None:
    """Replace the record in `folder`."""
    by_seed: dict[str, list[Line]] = {}
    for row in rows:
        by_seed.setdefault(f"seed_{row.seed}", []).append(row._asdict())
    record.write(folder, describe(experiment), meta, by_seed)


def read(folder: Path) -> Record:
    """Read a record back, seed by seed."""
    config, meta, lines = record.read(folder)
    by_seed = sorted(lines, key=lambda name: int(name.removeprefix("seed_")))
    return Record(config, meta, [Row(**line) for name in by_seed for line in lines[name]])


def sections(record: Record) -> list[Section]:
    """Write title, reading help and a table per trial."""
    seeds, steps = record.config["seeds"], record.config["steps"]
    what = f"Mean ± 95 % interval (Student's t) over {seeds} seeds" if seeds > 1 else "One seed"
    caption = (
        f"{what}, after {steps} steps unless said otherwise. Loss rises: share of the evaluations with a training "
        "loss above the one before. Against the first: difference of the final test error to the trial's first "
        "contender, seed by seed, in percentage points. A seed that diverged is counted, and is in no mean."
    )
    return by_trial(record, caption, _row)


def by_trial(record: Record, caption: str, row: Cells) -> list[Section]:
    """Write title and reading help, then a table per trial."""
    parts = [Section(record.config["title"], [caption])]
    for trial, settings in record.config["trials"].items():
        first, *_ = names = compared(record, trial)
        rows = [row(record, trial, name, first) for name in names]
        table = Table(list(rows[0]), [list(map(Cell, cells.values())) for cells in rows])
        parts.append(Section(settings["title"], [], table))
    return parts


def compared(record: Record, trial: str) -> list[str]:
    """Return the contenders of a trial; a tuned contender only at its best rate."""
    seen = {row.contender for row in record.rows if (row.trial, row.split) == (trial, "test")}
    return [name for name in record.config["trials"][trial]["contenders"] if name in seen]


def _row(record: Record, trial: str, contender: str, first: str) -> dict[str, str]:
    train, test = (curves(record.rows, trial, contender, split) for split in ("train", "test"))
    others = curves(record.rows, trial, first, "test")
    rises = {seed: 100 * np.mean(np.diff(losses) > 0) for seed, losses in zip(train.seeds, train.loss, strict=True)}
    loss = over_seeds(train.at("loss"))
    cells = {
        "contender": named(contender, test),
        "loss rises, %": show(over_seeds(rises), ".0f"),
        "train loss": show(loss, ".1e" if 0 < loss.mean < SMALL else ".4f"),
        "train error, %": show(over_seeds(train.at("error"))),
    }
    for step in early_steps(record.config):
        cells[f"test error at step {step}, %"] = show(over_seeds(test.at("error", step)))
    cells["test error, %"] = show(over_seeds(test.at("error")))
    difference = show(paired(test.at("error"), others.at("error")), "+.2f")
    cells["against the first"] = "" if contender == first else difference
    if any(settings["published"] for settings in record.config["trials"].values()):
        known = record.config["trials"][trial]["published"].get(contender, {})
        figures = (f"{known[split]:.2f}" for split in ("train", "test") if split in known)
        cells["published train, test, %"] = ", ".join(figures)
    return cells


def early_steps(config: dict[str, Any]) -> list[int]:
    """Choose the evaluations to show: all if they are few, else the first one after a quarter of the run."""
    before = config["evaluate_at"][:-1]
    if len(before) < 5:
        return before
    return [next(step for step in config["evaluate_at"] if 4 * step >= config["steps"])]


def named(contender: str, of: Curves) -> str:
    """Name a contender, with its seeds that diverged."""
    return f"{contender}; {of.lost} diverged" if of.diverged else contender


def show(of: Estimate, digits: str = ".2f") -> str:
    """Write mean ± half width with these digits; a sign in them is only for the mean."""
    if np.isnan(of.mean):
        return NOTHING
    if np.isnan(of.half_width):
        return f"{of.mean:{digits}}"
    return f"{of.mean:{digits}} ± {of.half_width:{digits.lstrip('+')}}"
