"""Run an experiment while one watches; leave record, table and figure in a folder."""

from __future__ import annotations

import time
from pathlib import Path

import rich.progress
from rich.console import Console

from experiments import figure, records, table
from experiments.data import checksum
from experiments.environment import describe_environment
from experiments.experiment import Experiment
from experiments.loop import Row, count_evaluations, run


def perform(slug: str, experiment: Experiment, results: Path, console: Console) -> Path:
    """Run, record, and make table and figure of the record; return its folder."""
    folder = results / slug
    start = time.monotonic()
    rows = _run_visibly(slug, experiment, console)
    meta = {
        **describe_environment(),
        "data_sha256": {name: checksum(trial.data()) for name, trial in experiment.trials.items()},
        "wall_seconds": round(time.monotonic() - start, 1),
    }
    records.write(folder, experiment, meta, rows)
    render(folder)
    return folder


def _run_visibly(slug: str, experiment: Experiment, console: Console) -> list[Row]:
    """Run behind a progress bar that says what was evaluated last and how it does."""
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
    )
    with rich.progress.Progress(*columns, console=console) as progress:
        task = progress.add_task(slug, total=count_evaluations(experiment))
        return run(
            experiment,
            lambda rows: progress.update(task, advance=1, description=_headline(slug, rows)),
        )


def _headline(slug: str, evaluation: list[Row]) -> str:
    """Say where a contender stands; nothing is left to say of one that diverged on all seeds."""
    losses = [row.loss for row in evaluation if row.split == "train" and row.loss is not None]
    if not losses:
        return f"{slug} | diverged"
    row = evaluation[0]
    return f"{slug} | {row.trial}, epoch {row.epoch}: loss {sum(losses) / len(losses):.3f}"


def render(folder: Path) -> None:
    """Make table and figure again from the record."""
    record = records.read(folder)
    (folder / "table.md").write_text(table.to_markdown(record), encoding="utf-8")
    figure.draw(record, folder / "figure.png")
