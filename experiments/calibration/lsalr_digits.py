"""Choose one learning rate per base method, on the validation split and without LSALR.

The rate with the smallest mean validation error after the experiment's steps is taken; between
equals the smaller validation loss decides. The test split is not looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from experiments.data import digits
from experiments.engine.experiment import Trial
from experiments.engine.loop import run
from experiments.engine.rows import Row
from experiments.papers.lsalr_digits import EXPERIMENT, NAMES, contenders

GRID = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def calibrate(seeds: int) -> Iterator[str]:
    """Print validation error and loss at every rate; say which rate each method gets."""
    epochs = EXPERIMENT.steps * EXPERIMENT.batch_size // digits.TRAIN
    yield f"Validation split, {epochs} epochs, mean over {seeds} seeds: error, loss.\n"
    yield f"| base method | {' | '.join(f'{rate:g}' for rate in GRID)} | chosen |"
    yield "|---" * (len(GRID) + 2) + "|"
    for base, name in NAMES.items():
        scores = _scores(base, seeds)
        cells = [_cell(*score) for score in scores.values()]
        yield f"| {name} | {' | '.join(cells)} | {min(scores, key=scores.get)} |"


def _scores(base: str, seeds: int) -> dict[str, tuple[float, float]]:
    """Measure the last validation error and loss at every rate; infinite where a seed diverged."""
    alone = {f"{rate:g}": contenders(base, rate)["without LSALR"] for rate in GRID}
    trial = Trial(title="", data=digits.load, contenders=alone)
    experiment = dataclasses.replace(EXPERIMENT, seeds=seeds, trials={base: trial})
    rows = run(experiment)
    return {rate: _last([row for row in rows if row.contender == rate], seeds) for rate in alone}


def _last(rows: list[Row], seeds: int) -> tuple[float, float]:
    last = [r for r in rows if r.step == EXPERIMENT.steps and r.split == "validation"]
    if len(last) < seeds or any(row.diverged for row in last):
        return np.inf, np.inf
    return float(np.mean([row.error for row in last])), float(np.mean([row.loss for row in last]))


def _cell(error: float, loss: float) -> str:
    return f"{error:.2f} %, {loss:.3f}" if np.isfinite(loss) else "diverged"
