"""Table and figure of a learned optimizer's record, made from the record alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rich.box
import rich.console
import rich.table
from matplotlib.axes import Axes

from adaptax.comparison.report.pictures import COLORS
from adaptax.comparison.statistics import estimate
from experiments.engine.figure import band
from experiments.engine.records import Record
from experiments.engine.rows import Curves, Row, curves
from experiments.engine.table import line
from experiments.learned.experiment import LEARNED, META_TRAINING, RATES

COLUMNS_OF_FIGURE = 3
SHARES = (0.2, 0.5, 1.0)  # of the steps, at which the table has a column


def sections(record: Record) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Give title, header and rows of each trial's table; ± is the half width of a 95 % interval over the seeds."""
    every = record.config["evaluate_every"]
    for trial, settings in record.config["trials"].items():
        compared = {name: curves(record.rows, trial, name, "test") for name in contenders(record, trial)}
        columns = [round(share * settings["steps"] / every) for share in SHARES]
        header = ["contender", *(f"loss at step {column * every}" for column in columns), f"against the {LEARNED}"]
        rows = [
            [_name(name, of), *_losses(of, columns), "" if name == LEARNED else _paired(of, compared[LEARNED])]
            for name, of in compared.items()
        ]
        yield settings["title"], header, rows


def contenders(record: Record, trial: str) -> list[str]:
    """Return who was compared: of a rule made by hand, only the best rate."""
    seen = dict.fromkeys(row.contender for row in record.rows if (row.trial, row.split) == (trial, "test"))
    return [name for name in record.config["trials"][trial]["contenders"] if name in seen]


def _name(contender: str, of: Curves) -> str:
    if not of.diverged:
        return contender
    return f"{contender}; {len(of.diverged)} of {len(of.seeds + of.diverged)} seeds diverged"


def _losses(of: Curves, columns: list[int]) -> list[str]:
    return [_show(of.loss[:, column]) if of.seeds else "–" for column in columns]


def _paired(of: Curves, learned: Curves) -> str:
    """Compare final losses seed by seed: same seed, same functions, same batches."""
    ends, learned_ends = (dict(zip(c.seeds, c.loss[:, -1:], strict=True)) for c in (of, learned))
    common = sorted(ends.keys() & learned_ends.keys())
    if not common:
        return "–"
    return _show(np.array([ends[seed] - learned_ends[seed] for seed in common])[:, 0], "+")


def _show(values: np.ndarray, sign: str = "") -> str:
    mean, half_width = estimate(values)
    digits = ".4f" if max(abs(values)) < 1e4 else ".3g"
    return f"{mean:{sign}{digits}}" if np.isnan(half_width) else f"{mean:{sign}{digits}} ± {half_width:{digits}}"


def caption(record: Record) -> str:
    """Say what the numbers are, and where meta-training ended."""
    config = record.config
    losses = {row.step: row.loss for row in validations(record) if row.loss is not None}
    best = min(losses, key=losses.__getitem__)
    return (
        f"Mean ± 95 % interval (Student's t) over {config['seeds']} seeds, each the mean over "
        f"{config['functions_per_seed']} new functions. A rule made by hand has the rate with the lowest loss after "
        f"the last step on {config['tuned_functions']} other functions, of {len(RATES)} rates from {RATES[0]:g} to "
        f"{RATES[-1]:g}. The weights are those with the lowest validation loss, after {best} of {config['epochs']} "
        f"epochs of {config['functions']} {'function' if config['functions'] == 1 else 'functions'}."
    )


def validations(record: Record) -> list[Row]:
    """Return the rows of meta-training; their steps are epochs."""
    return [row for row in record.rows if row.trial == META_TRAINING]


def to_markdown(record: Record) -> str:
    """Write title, reading help and a table per trial as Markdown."""
    lines = [f"# {record.config['title']}", "", caption(record)]
    for title, header, rows in sections(record):
        lines += ["", f"## {title}", "", line(header), line(["---"] * len(header)), *map(line, rows)]
    return "\n".join(lines) + "\n"


def to_terminal(record: Record) -> rich.console.Group:
    """Lay the tables out for a terminal."""
    tables = []
    for title, header, rows in sections(record):
        table = rich.table.Table(*header, title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return rich.console.Group(f"[bold]{record.config['title']}[/bold]", *tables, caption(record))


def draw(record: Record, path: Path) -> None:
    """Draw meta-training, then loss against step for every trial."""
    trials = record.config["trials"]
    columns = min(1 + len(trials), COLUMNS_OF_FIGURE)
    picture, grid = plt.subplots(
        bands := math.ceil((1 + len(trials)) / columns),
        columns,
        figsize=(4.6 * columns, 3.6 * bands),
        squeeze=False,
        layout="constrained",
    )
    first, *others = grid.flat
    _draw_meta_training(first, record)
    for axes, (trial, settings) in zip(others, trials.items(), strict=False):
        _draw_trial(axes, record, trial, settings["title"])
    for axes in others[len(trials) :]:
        axes.remove()
    seeds = record.config["seeds"]
    picture.suptitle(
        f"{record.config['title']}\nmean and 95 % interval over {seeds} seeds of new functions", fontsize=12
    )
    picture.savefig(path, dpi=110)
    plt.close(picture)


def _draw_meta_training(axes: Axes, record: Record) -> None:
    steps, losses = zip(
        *((row.step, np.nan if row.loss is None else row.loss) for row in validations(record)), strict=True
    )
    axes.plot(steps, losses, color=COLORS[0])
    best = int(np.nanargmin(losses))
    axes.plot(steps[best], losses[best], "D", color=COLORS[2], label="kept")
    axes.set(title="Meta-training", xlabel="epochs", ylabel="validation loss after the last step", yscale="log")
    axes.legend(fontsize=8)


def _draw_trial(axes: Axes, record: Record, trial: str, title: str) -> None:
    for name, color in zip(contenders(record, trial), COLORS, strict=False):
        of = curves(record.rows, trial, name, "test")
        band(axes, of.steps, of.loss, color, label=_name(name, of))
    axes.set(title=title, xlabel="steps", ylabel="loss", yscale="log")
    axes.legend(fontsize=8)
