"""The kind in which an optimizer is learned, then compared: `experiments.learned.experiment`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from adaptax.comparison.errors import InputError
from adaptax.comparison.progress import bars
from experiments.engine.checkpoints import Checkpoints, Saved
from experiments.engine.placement import Placement
from experiments.engine.rows import Row, of_loss
from experiments.engine.runner import Done, Job
from experiments.learned import net
from experiments.learned.comparison import count_pieces, meet
from experiments.learned.experiment import LEARNED, META_TRAINING, Learning
from experiments.learned.experiment import LearningPlan as Options
from experiments.learned.report import draw, sections
from experiments.learned.training import Meta, begin, period

__all__ = ["Options", "checkpoint_bytes", "draw", "place", "sections", "work"]

WEIGHTS = "weights.npz"
NOTHING = np.zeros(1, np.float32)  # what a checkpoint of rows alone keeps


def place(slug: str, experiment: Learning, mesh: str | None) -> Placement:
    """Refuse a mesh."""
    if mesh is not None or jax.process_count() > 1:
        raise InputError(f"{slug} runs in one process on one device, so it takes no mesh, got {mesh!r}.")
    return Placement()


def checkpoint_bytes(experiment: Learning) -> int:
    """Count what meta-training keeps."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(begin(experiment)))


def work(job: Job) -> Done:
    """Learn and compare behind a progress bar each."""
    experiment = job.experiment
    data = {trial: jax.device_put(of_trial.get("train")) for trial, of_trial in job.sets.items()}
    with bars(job.console) as progress:
        learning = progress.add_task("meta-training", total=experiment.epochs)
        comparing = progress.add_task("comparison", total=count_pieces(experiment))

        def tell(row: Row) -> None:
            loss = "not finite" if row.loss is None else f"{row.loss:.4f}"
            progress.update(learning, completed=row.step, description=f"meta-training: loss {loss}")

        meta, rows = learn(experiment, period(experiment), next(iter(data.values())), job.checkpoints, tell)
        weights = net.finished(meta.best, experiment.output_scale)
        for trial in experiment.trials:
            progress.update(comparing, description=f"comparison: {trial}")
            slot = job.checkpoints.of(trial, 0)
            saved = slot.read(NOTHING) or Saved(1, NOTHING, [])
            if not saved.rows:
                for piece in meet(experiment, trial, weights, data[trial]):
                    saved.rows.extend(piece)
                    progress.advance(comparing)
                slot.save(saved)
            slot.close()
            rows += saved.rows
    return Done(rows, {}, lambda folder: net.save(folder / WEIGHTS, weights))


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
