"""The table of a record, one row per contender, made from the record alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import rich.box
import rich.console
import rich.table

from adaptax.comparison.statistics import estimate
from experiments.engine.records import Record
from experiments.engine.rows import Curves, curves

ONLY_IN_MARKDOWN = ("train loss", "test error at")  # a terminal is narrow
FEW = 5
SMALL = 1e-4  # a loss below it is written with an exponent

Section = tuple[str, list[list[str]]]  # a trial's title and its rows


def header(record: Record) -> list[str]:
    """Name the columns."""
    return [
        "contender",
        "loss rises, %",
        "train loss",
        "train error, %",
        *(f"test error at step {step}, %" for step in early_steps(record.config)),
        "test error, %",
        "against the first",
        *(["published train, test, %"] if _has_published(record.config) else []),
    ]


def sections(record: Record) -> Iterator[Section]:
    """Compute all cells; ± is the half width of a 95 % interval over the seeds."""
    early, published = early_steps(record.config), _has_published(record.config)
    for trial, settings in record.config["trials"].items():
        names = list(settings["contenders"])
        train, test = ([curves(record.rows, trial, name, split) for name in names] for split in ("train", "test"))
        rows = [
            [
                _name(name, test[i]),
                *(_results(train[i], test[i], early) if test[i].seeds else ["–"] * (4 + len(early))),
                _paired(test[i], test[0]) if i else "",
                *([_published(settings["published"].get(name, {}))] if published else []),
            ]
            for i, name in enumerate(names)
        ]
        yield settings["title"], rows


def early_steps(config: dict[str, Any]) -> list[int]:
    """Choose what to show of the way: every evaluation if they are few, else the first from a quarter of the run on."""
    before = config["evaluate_at"][:-1]
    if len(before) < FEW:
        return before
    return [next(step for step in config["evaluate_at"] if 4 * step >= config["steps"])]


def _name(contender: str, test: Curves) -> str:
    if not test.diverged:
        return contender
    return f"{contender}; {len(test.diverged)} of {len(test.seeds + test.diverged)} seeds diverged"


def _results(train: Curves, test: Curves, early: list[int]) -> list[str]:
    columns = [int(np.flatnonzero(test.steps == step)[0]) for step in early]
    rises = 100 * (np.diff(train.loss, axis=1) > 0).mean(axis=1)
    return [
        _show(rises, ".0f"),
        _show(train.loss[:, -1], ".1e" if 0 < train.loss[:, -1].mean() < SMALL else ".4f"),
        _show(train.error[:, -1]),
        *(_show(test.error[:, column]) for column in columns),
        _show(test.error[:, -1]),
    ]


def _show(values: np.ndarray, digits: str = ".2f") -> str:
    mean, half_width = estimate(values)
    if np.isnan(half_width):
        return f"{mean:{digits}}"
    return f"{mean:{digits}} ± {half_width:{digits}}"


def _paired(test: Curves, first: Curves) -> str:
    """Compare final test errors seed by seed: same seed, same initial weights, same batches."""
    final, final_first = (dict(zip(c.seeds, c.error[:, -1:], strict=True)) for c in (test, first))
    common = sorted(final.keys() & final_first.keys())
    if not common:
        return "–"
    mean, half_width = estimate(np.array([final[seed] - final_first[seed] for seed in common])[:, 0])
    return f"{mean:+.2f}" if np.isnan(half_width) else f"{mean:+.2f} ± {half_width:.2f}"


def _has_published(config: dict[str, Any]) -> bool:
    return any(settings["published"] for settings in config["trials"].values())


def _published(errors: dict[str, float]) -> str:
    return ", ".join(f"{errors[split]:.2f}" for split in ("train", "test") if split in errors)


def to_markdown(record: Record) -> str:
    """Write title, reading help and a table per trial as Markdown."""
    names = header(record)
    lines = [f"# {record.config['title']}", "", caption(record)]
    for title, rows in sections(record):
        lines += ["", f"## {title}", "", line(names), line(["---"] * len(names))]
        lines += map(line, rows)
    return "\n".join(lines) + "\n"


def to_terminal(record: Record) -> rich.console.Group:
    """Lay the columns that fit out for a terminal, a table per trial."""
    names = header(record)
    shown = [i for i, name in enumerate(names) if not name.startswith(ONLY_IN_MARKDOWN)]
    tables = []
    for title, rows in sections(record):
        table = rich.table.Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
        for column in shown:
            table.add_column(names[column])
        for row in rows:
            # Square brackets would be read as markup.
            table.add_row(*(row[column].replace("[", r"\[") for column in shown))
        tables.append(table)
    return rich.console.Group(f"[bold]{record.config['title']}[/bold]", *tables, caption(record))


def caption(record: Record) -> str:
    """Say what the numbers are."""
    seeds, steps = record.config["seeds"], record.config["steps"]
    what = f"Mean ± 95 % interval (Student's t) over {seeds} seeds" if seeds > 1 else "One seed"
    return (
        f"{what}, after {steps} steps unless said otherwise. Loss rises: share of the evaluations with a training "
        "loss above the one before. "
        "Against the first: difference of the final test error to the trial's first contender, seed "
        "by seed, in percentage points. A seed that diverged is counted, and is in no mean."
    )


def line(row: list[str]) -> str:
    """Write cells as a row of a Markdown table."""
    return f"| {' | '.join(row)} |"
