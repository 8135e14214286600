"""Run an experiment while one watches; leave record, table and figure in a folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import rich.progress
from rich.console import Console

from experiments import figure, loading, records, table
from experiments.checkpoints import Checkpoints
from experiments.data import checksum
from experiments.environment import describe_environment
from experiments.experiment import Experiment, InputError, describe
from experiments.loop import count_evaluations, run
from experiments.rows import Row
from experiments.safety import alone_in, check_room


def perform(
    slug: str, experiment: Experiment, results: Path, console: Console, data: Path | None = None, resume: bool = False
) -> Path:
    """Run, record, and make table and figure of the record; return its folder.

    Until the new record is complete, an older one in the folder stays as it is.
    """
    folder = results / slug
    with alone_in(folder):
        check_room(folder, experiment)
        start = time.monotonic()
        sets = loading.load(experiment, data)
        environment = describe_environment()
        checksums = {name: checksum(dataset) for name, dataset in sets.items()}
        checkpoints = Checkpoints(folder / "checkpoints")
        went_on = checkpoints.begin(_begun(experiment, environment, checksums), resume)
        try:
            rows = _run_visibly(slug, experiment, sets, checkpoints, console)
        finally:
            checkpoints.close()
        meta = {
            **environment,
            "data_sha256": checksums,
            "wall_seconds": round(time.monotonic() - start, 1),
            "resumed": went_on,  # then the seconds are those of the last part
        }
        _write(folder, experiment, meta, rows)
        checkpoints.remove()
    return folder


def _begun(experiment: Experiment, environment: dict[str, Any], checksums: dict[str, str]) -> dict[str, Any]:
    """Say what must still be the same for a run to go on: else its second half would not fit its first."""
    return {"experiment": describe(experiment), "data": checksums, "versions": environment["versions"]}


def _run_visibly(
    slug: str, experiment: Experiment, sets: loading.Sets, checkpoints: Checkpoints, console: Console
) -> list[Row]:
    """Run behind a progress bar that says what was evaluated last and how it does."""
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeElapsedColumn(),
    )
    with rich.progress.Progress(*columns, console=console) as progress:
        task = progress.add_task(slug, total=count_evaluations(experiment))

        def watch(rows: list[Row]) -> None:
            progress.update(task, advance=1, description=_headline(slug, rows))

        return run(experiment, watch, sets, checkpoints)


def _headline(slug: str, evaluation: list[Row]) -> str:
    """Say where a contender stands; nothing is left to say of one that diverged on all seeds."""
    losses = [row.loss for row in evaluation if row.split == "train" and row.loss is not None]
    if not losses:
        return f"{slug} | diverged"
    row = evaluation[0]
    return f"{slug} | {row.trial}, step {row.step}: loss {sum(losses) / len(losses):.3f}"


def _write(folder: Path, experiment: Experiment, meta: dict[str, Any], rows: list[Row]) -> None:
    try:
        records.write(folder, experiment, meta, rows)
        render(folder)
    except OSError as error:
        raise InputError(
            f"The record could not be written into {str(folder)!r} ({error.strerror}); --resume only writes it."
        ) from error


def render(folder: Path) -> None:
    """Make table and figure again from the record."""
    record = records.read(folder)
    (folder / "table.md").write_text(table.to_markdown(record), encoding="utf-8")
    figure.draw(record, folder / "figure.png")
