"""A row is one evaluation of one seed; the results of a run are rows."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """One evaluation of one seed; loss and error are None if a loss was not finite."""

    trial: str
    contender: str
    seed: int
    step: int
    split: str
    loss: float | None = None  # mean cross-entropy per picture, in nats
    error: float | None = None  # per cent of the pictures
    diverged: bool = False


def of_evaluation(like: Row, scores: dict[str, np.ndarray], before: Iterable[Row]) -> list[Row]:
    """Turn scores, {split: (seeds, 2)}, into rows; a seed that diverged is recorded only once.

    A seed has diverged if its loss on any split is not finite; then all its rows of that step say so.
    """
    gone = {row.seed for row in before if row.diverged}
    seeds = range(len(next(iter(scores.values()))))
    wild = {seed for seed in seeds if not all(np.isfinite(values[seed, 0]) for values in scores.values())}
    return [
        _measured(like._replace(seed=seed, split=split), *map(float, values[seed]), seed in wild)
        for split, values in scores.items()
        for seed in seeds
        if seed not in gone
    ]


def of_loss(like: Row, loss: float) -> Row:
    """Use the loss where there is no error."""
    return _measured(like, float(loss), None, not np.isfinite(loss))


def all_diverged(rows: Iterable[Row]) -> bool:
    """Say whether no seed is left to train."""
    states = {row.seed: row.diverged for row in rows}
    return bool(states) and all(states.values())


def _measured(like: Row, loss: float, error: float | None, diverged: bool) -> Row:
    return like._replace(diverged=True) if diverged else like._replace(loss=loss, error=error)


class Curves(NamedTuple):
    """The curves of one contender on one split, by seed. Seeds that diverged are not in the arrays."""

    seeds: tuple[int, ...]  # seeds that finished
    diverged: tuple[int, ...]  # seeds that diverged
    steps: np.ndarray  # (evaluations,)
    loss: np.ndarray  # (seeds, evaluations)
    error: np.ndarray  # (seeds, evaluations), per cent

    @property
    def lost(self) -> str:
        """Say how many of the seeds diverged."""
        return f"{len(self.diverged)} of {len(self.seeds + self.diverged)} seeds"

    def at(self, of: str, step: int | None = None) -> dict[int, float]:
        """Return the loss or the error of every seed that finished, at a step or at the end."""
        if not self.seeds:
            return {}
        place = -1 if step is None else int(np.flatnonzero(self.steps == step)[0])
        return dict(zip(self.seeds, getattr(self, of)[:, place], strict=True))


def curves(rows: Iterable[Row], trial: str, contender: str, split: str) -> Curves:
    """Select one contender's rows and arrange them by seed and step."""
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        if (row.trial, row.contender, row.split) == (trial, contender, split):
            by_seed.setdefault(row.seed, []).append(row)
    diverged = {seed for seed, of_seed in by_seed.items() if any(r.diverged for r in of_seed)}
    finished = [of_seed for seed, of_seed in by_seed.items() if seed not in diverged]
    steps = np.array([row.step for row in finished[0]] if finished else [])
    shape = (len(finished), len(steps))  # also if no seed finished
    return Curves(
        seeds=tuple(of_seed[0].seed for of_seed in finished),
        diverged=tuple(sorted(diverged)),
        steps=steps,
        loss=np.array([[row.loss for row in of_seed] for of_seed in finished]).reshape(shape),
        error=np.array([[row.error for row in of_seed] for of_seed in finished]).reshape(shape),
    )
