"""Choose two learning rates per method, each method on the same grid: by validation error and by training loss.

The grid is the paper's, {1, 5} · 10^k, from 1e-4 on; smaller rates are too small for 100 epochs of 20 steps. A rate
with a seed that diverges is not chosen. Of equal validation errors the smaller validation loss decides. The paper
chose by the training loss at the end. The test split is not looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from experiments.data import digits
from experiments.engine.experiment import Trial
from experiments.engine.loop import run
from experiments.engine.rows import Row
from experiments.papers.eve_digits import EXPERIMENT, METHODS, contender

GRID = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0, 5.0)


class Score(NamedTuple):
    """The end of one rate, the mean over the seeds; infinite where one diverged."""

    validation_error: float
    validation_loss: float
    train_loss: float


def calibrate(seeds: int) -> Iterator[str]:
    """Print validation error and training loss at every rate; say which rates each method gets."""
    epochs = EXPERIMENT.steps * EXPERIMENT.batch_size // digits.TRAIN
    yield f"{epochs} epochs, mean over {seeds} seeds: validation error, training loss.\n"
    yield f"| method | {' | '.join(f'{rate:g}' for rate in GRID)} | by validation | by training loss |"
    yield "|---" * (len(GRID) + 3) + "|"
    for name in METHODS:
        scores = _scores(name, seeds)
        cells = " | ".join(map(_cell, scores.values()))
        by_validation = min(scores, key=lambda rate: scores[rate])
        by_train = min(scores, key=lambda rate: scores[rate].train_loss)
        yield f"| {name} | {cells} | {by_validation:g} | {by_train:g} |"


def _scores(name: str, seeds: int) -> dict[float, Score]:
    """Train one method at every rate."""
    trial = Trial(title="", data=digits.load, contenders={f"{rate:g}": contender(name, rate) for rate in GRID})
    experiment = dataclasses.replace(EXPERIMENT, evaluate_at=(EXPERIMENT.steps,), seeds=seeds, trials={name: trial})
    rows = run(experiment)
    return {rate: _score([row for row in rows if row.contender == f"{rate:g}"], seeds) for rate in GRID}


def _score(rows: list[Row], seeds: int) -> Score:
    last = [row for row in rows if row.step == EXPERIMENT.steps]
    validation, train = ([row for row in last if row.split == split] for split in ("validation", "train"))
    if len(train) < seeds or any(row.diverged for row in train):
        return Score(np.inf, np.inf, np.inf)
    return Score(
        validation_error=float(np.mean([row.error for row in validation])),
        validation_loss=float(np.mean([row.loss for row in validation])),
        train_loss=float(np.mean([row.loss for row in train])),
    )


def _cell(score: Score) -> str:
    return f"{score.validation_error:.2f} %, {score.train_loss:.2g}" if np.isfinite(score.train_loss) else "diverged"
