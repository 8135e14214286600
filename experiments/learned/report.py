"""Table and figure of a learned optimizer's record, made from the record alone."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from adaptax.comparison.report.markup import Section
from adaptax.comparison.report.pictures import COLORS
from adaptax.comparison.statistics import Estimate, over_seeds, paired
from experiments.engine.figure import band, picture
from experiments.engine.records import Record
from experiments.engine.rows import Row, curves
from experiments.engine.table import by_trial, compared, named, show
from experiments.learned.experiment import LEARNED, META_TRAINING, RATES

COLUMNS_OF_FIGURE = 3
SHARES = (0.2, 0.5, 1.0)  # of the steps, at which the table has a column
LARGE = 1e4  # a loss that is written with fewer digits


def sections(record: Record) -> list[Section]:
    """Write title, reading help and a table per trial."""
    return by_trial(record, caption(record), _row)


def _row(record: Record, trial: str, contender: str, first: str) -> dict[str, str]:
    of, others = (curves(record.rows, trial, name, "test") for name in (contender, first))
    steps, every = record.config["trials"][trial]["steps"], record.config["evaluate_every"]
    cells = {"contender": named(contender, of)}
    for share in SHARES:
        step = every * round(share * steps / every)
        cells[f"loss at step {step}"] = _show(over_seeds(of.at("loss", step)))
    difference = _show(paired(of.at("loss"), others.at("loss")), "+")
    return {**cells, f"against the {LEARNED}": "" if contender == first else difference}


def _show(of: Estimate, sign: str = "") -> str:
    return show(of, sign + (".4f" if abs(of.mean) < LARGE else ".3g"))


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
    for name, color in zip(compared(record, trial), COLORS, strict=False):
        of = curves(record.rows, trial, name, "test")
        band(axes, of.steps, of.loss, color, label=named(name, of))
    axes.set(title=title, xlabel="steps", ylabel="loss", yscale="log")
    axes.legend(fontsize=8)
