"""Learn an optimizer and compare it, while one watches: the kind of `experiments.learned.experiment`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from adaptax.comparison.errors import InputError
from adaptax.comparison.progress import bars
from experiments.engine import frame
from experiments.engine.checkpoints import Checkpoints, Saved
from experiments.engine.loading import Sets
from experiments.engine.placement import Placement
from experiments.engine.rows import Row, of_loss
from experiments.learned import net
from experiments.learned.comparison import count_pieces, meet
from experiments.learned.experiment import LEARNED, META_TRAINING, Learning
from experiments.learned.experiment import LearningPlan as Options
from experiments.learned.report import draw, sections
from experiments.learned.training import Meta, begin, period

__all__ = ["Options", "draw", "perform", "sections"]  # what a kind has

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
    """Learn, compare, record, and make table and figure of the record; return its folder."""
    if mesh is not None or jax.process_count() > 1:
        raise InputError(f"{slug} runs in one process on one device, so it takes no mesh, got {mesh!r}.")

    def work(sets: Sets, checkpoints: Checkpoints) -> frame.Done:
        on_device = {name: jax.device_put(part.get("train")) for name, part in sets.items()}
        rows, weights = _run_visibly(experiment, on_device, checkpoints, console)
        return frame.Done(rows, {}, lambda folder: net.save(folder / WEIGHTS, weights))

    def checkpoint_bytes() -> int:
        return sum(leaf.nbytes for leaf in jax.tree.leaves(begin(experiment)))

    return frame.keep(results / slug, experiment, work, checkpoint_bytes, data, resume, Placement())


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
        for trial in experiment.trials:
            progress.update(comparing, description=f"comparison: {trial}")
            slot = checkpoints.of(trial, 0)
            saved = slot.read(NOTHING)
            of_trial = list(saved.rows) if saved else []
            if saved is None:
                for piece in meet(experiment, trial, weights, data[trial]):
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
        rows.append(of_loss(Row(META_TRAINING, LEARNED, 0, done, "validation"), loss))
        if slot.is_due() or done == experiment.epochs:
            slot.save(Saved(done, meta, list(rows)))
        tell(rows[-1])
    slot.close()
    if not np.isfinite(meta.best_loss):
        raise InputError("Meta-training never came to a finite validation loss; try a smaller meta_rate.")
    return meta, rows
