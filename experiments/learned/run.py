"""Learn an optimizer and compare it while one watches; leave record, weights, table and figure in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.files import alone_in
from adaptax.comparison.progress import bars
from experiments.engine import loading, records
from experiments.engine.checkpoints import Checkpoints, Saved
from experiments.engine.rows import Row
from experiments.engine.safety import check_room
from experiments.learned import net, report
from experiments.learned.comparison import Meeting, count_pieces, meet
from experiments.learned.experiment import LEARNED, META_TRAINING, Learning
from experiments.learned.training import Meta, begin, period

WEIGHTS = "weights.npz"
NOTHING = np.zeros(1, np.float32)  # what a checkpoint of rows alone keeps


def perform(
    slug: str,
    experiment: Learning,
    results: Path,
    console: Console,
    data: Path | None = None,
    resume: bool = False,
    mesh: str | None = None,
) -> Path:
    """Learn, compare, record; return the folder. Until the new record is complete, an older one stays as it is."""
    if mesh is not None or jax.process_count() > 1:
        raise InputError(f"{slug} runs in one process on one device, so it takes no mesh, got {mesh!r}.")
    folder = results / slug
    with alone_in(folder):
        check_room(folder, sum(leaf.nbytes for leaf in jax.tree.leaves(begin(experiment))))
        start = time.monotonic()
        sets = loading.load(experiment, data)
        environment, checksums = describe_environment(), loading.checksums(sets)
        checkpoints = Checkpoints(folder / "checkpoints")
        begun = {"experiment": describe(experiment), "data": checksums, "versions": environment["versions"]}
        went_on = checkpoints.begin(begun, resume)
        on_device = {name: jax.device_put(part.get("train")) for name, part in sets.items()}
        try:
            rows, weights = _run_visibly(experiment, on_device, checkpoints, console)
        finally:
            checkpoints.close()
        meta = {
            **environment,
            "data_sha256": checksums,
            "wall_seconds": round(time.monotonic() - start, 1),
            "resumed": went_on,  # then the seconds are those of the last part
        }
        _write(folder, experiment, meta, rows, weights)
        checkpoints.remove()
    return folder


def _run_visibly(
    experiment: Learning, data: dict[str, Any], checkpoints: Checkpoints, console: Console
) -> tuple[list[Row], dict[str, Any]]:
    """Do both parts behind a progress bar each."""
    with bars(console) as progress:
        learning = progress.add_task("meta-training", total=experiment.epochs)
        comparing = progress.add_task("comparison", total=count_pieces(experiment))

        def tell(row: Row) -> None:
            loss = "not finite" if row.loss is None else f"{row.loss:.4f}"
            progress.update(learning, completed=row.step, description=f"meta-training: loss {loss}")

        meta, rows = learn(experiment, period(experiment), data[next(iter(experiment.trials))], checkpoints, tell)
        weights = net.finished(meta.best, experiment.output_scale)
        for trial, family in experiment.trials.items():
            progress.update(comparing, description=f"comparison: {trial}")
            slot = checkpoints.of(trial, 0)
            saved = slot.read(NOTHING)
            of_trial = list(saved.rows) if saved else []
            if saved is None:
                for piece in meet(experiment, Meeting(trial, family, weights, data[trial])):
                    of_trial += piece
                    progress.advance(comparing)
                slot.save(Saved(1, NOTHING, of_trial))
            slot.close()
            rows += of_trial
    return rows, weights


def learn(
    experiment: Learning,
    program: Callable[[Meta, Any, Any], tuple[Meta, Any]],
    data: Any,
    checkpoints: Checkpoints,
    tell: Callable[[Row], None] = lambda row: None,
) -> tuple[Meta, list[Row]]:
    """Train the net from its checkpoint or from the start, period by period; return a row for every validation."""
    slot = checkpoints.of(META_TRAINING, 0)
    saved = slot.read(begin(experiment)) or Saved(0, begin(experiment), [])
    meta, rows = Meta(*saved.state), list(saved.rows)
    for first in range(saved.step, experiment.epochs, experiment.validate_every):
        meta, loss = program(meta, np.int32(first), data)
        done = first + experiment.validate_every
        finite = bool(np.isfinite(loss))
        rows.append(
            Row(META_TRAINING, LEARNED, 0, done, "validation", float(loss) if finite else None, None, not finite)
        )
        if slot.is_due() or done == experiment.epochs:
            slot.save(Saved(done, meta, list(rows)))
        tell(rows[-1])
    slot.close()
    if not np.isfinite(meta.best_loss):
        raise InputError("Meta-training never came to a finite validation loss; try a smaller meta_rate.")
    return meta, rows


def _write(folder: Path, experiment: Learning, meta: dict[str, Any], rows: list[Row], weights: dict[str, Any]) -> None:
    try:
        records.write(folder, experiment, meta, rows)
        net.save(folder / f".new-{WEIGHTS}", weights)
        os.replace(folder / f".new-{WEIGHTS}", folder / WEIGHTS)
        record = records.read(folder)
        (folder / "table.md").write_text(report.to_markdown(record), encoding="utf-8")
        report.draw(record, folder / "figure.png")
    except OSError as error:
        raise InputError(
            f"The record could not be written into {str(folder)!r} ({error.strerror}); --resume only writes it."
        ) from error
