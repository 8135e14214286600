"""Table and figure of a learned optimizer's record, made from the record alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.pictures import COLORS
from adaptax.comparison.statistics import Estimate, over_seeds, paired
from experiments.engine.figure import band, picture
from experiments.engine.records import Record
from experiments.engine.rows import Row, curves
from experiments.engine.table import named, show
from experiments.learned.experiment import LEARNED, META_TRAINING, RATES

COLUMNS_OF_FIGURE = 3
SHARES = (0.2, 0.5, 1.0)  # of the steps, at which the table has a column
LARGE = 1e4  # a loss that is written with fewer digits


def sections(record: Record) -> list[Section]:
    """Write title, reading help and a table per trial."""
    trials = record.config["trials"].items()
    opening = Section(record.config["title"], [caption(record)])
    return [opening, *(Section(settings["title"], [], _table(record, trial, settings)) for trial, settings in trials)]


def _table(record: Record, trial: str, settings: dict[str, Any]) -> Table:
    """Compute a trial's table; ± is the half width of a 95 % interval over the seeds."""
    every = record.config["evaluate_every"]
    steps = [every * round(share * settings["steps"] / every) for share in SHARES]
    header = ["contender", *(f"loss at step {step}" for step in steps), f"against the {LEARNED}"]
    learned, rows = curves(record.rows, trial, LEARNED, "test").at("loss"), []
    for name in contenders(record, trial):
        of = curves(record.rows, trial, name, "test")
        losses = [_show(over_seeds(of.at("loss", step))) for step in steps]
        against = "" if name == LEARNED else _show(paired(of.at("loss"), learned), "+")
        rows.append(list(map(Cell, [named(name, of), *losses, against])))
    return Table(header, rows)


def _show(of: Estimate, sign: str = "") -> str:
    return show(of, sign + (".4f" if abs(of.mean) < LARGE else ".3g"))


def contenders(record: Record, trial: str) -> list[str]:
    """Return who was compared: of a rule made by hand, only the best rate."""
    seen = {row.contender for row in record.rows if (row.trial, row.split) == (trial, "test")}
    return [name for name in record.config["trials"][trial]["contenders"] if name in seen]


def caption(record: Record) -> str:
    """Say what the numbers are, and where meta-training ended."""
    config = record.config
    return (
        f"Mean ± 95 % interval (Student's t) over {config['seeds']} seeds, each the mean over "
        f"{config['functions_per_seed']} new functions. A rule made by hand has the rate with the lowest loss after "
        f"the last step on {config['tuned_functions']} other functions, of {len(RATES)} rates from {RATES[0]:g} to "
        f"{RATES[-1]:g}. The weights are those with the lowest validation loss, after {kept(record).step} of "
        f"{config['epochs']} epochs of {config['functions']} "
        f"{'function' if config['functions'] == 1 else 'functions'}."
    )


def validations(record: Record) -> list[Row]:
    """Return the rows of meta-training; their steps are epochs."""
    return [row for row in record.rows if row.trial == META_TRAINING]


def kept(record: Record) -> Row:
    """Return the validation of the weights that were kept."""
    return min((row for row in validations(record) if not row.diverged), key=lambda row: row.loss)


def draw(record: Record, path: Path) -> None:
    """Draw meta-training, then loss against step for every trial."""
    trials, seeds = record.config["trials"], record.config["seeds"]
    columns = min(1 + len(trials), COLUMNS_OF_FIGURE)
    bands = math.ceil((1 + len(trials)) / columns)
    title = f"{record.config['title']}\nmean and 95 % interval over {seeds} seeds of new functions"
    with picture(path, bands, columns, height=3.6, title=title) as grid:
        first, *others = grid.flat
        _draw_meta_training(first, record)
        for axes, (trial, settings) in zip(others, trials.items(), strict=False):
            _draw_trial(axes, record, trial, settings["title"])
        for axes in others[len(trials) :]:
            axes.remove()


def _draw_meta_training(axes: Axes, record: Record) -> None:
    rows, best = validations(record), kept(record)
    axes.plot([row.step for row in rows], [np.nan if row.diverged else row.loss for row in rows], color=COLORS[0])
    axes.plot(best.step, best.loss, "D", color=COLORS[2], label="kept")
    axes.set(title="Meta-training", xlabel="epochs", ylabel="validation loss after the last step", yscale="log")
    axes.legend(fontsize=8)


def _draw_trial(axes: Axes, record: Record, trial: str, title: str) -> None:
    for name, color in zip(contenders(record, trial), COLORS, strict=False):
        of = curves(record.rows, trial, name, "test")
        band(axes, of.steps, of.loss, color, label=named(name, of))
    axes.set(title=title, xlabel="steps", ylabel="loss", yscale="log")
    axes.legend(fontsize=8)
