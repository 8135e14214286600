"""From rows to curves and to means with 95 % intervals (Student's t)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t

from experiments.rows import Row


class Estimate(NamedTuple):
    """A mean and the half width of its 95 % interval, NaN for fewer than two values."""

    mean: np.ndarray
    half_width: np.ndarray


class Curves(NamedTuple):
    """One contender on one split: what each seed did. Seeds that diverged are not in the arrays."""

    seeds: tuple[int, ...]  # those that finished
    diverged: tuple[int, ...]  # those that did not
    steps: np.ndarray  # (evaluations,)
    loss: np.ndarray  # (seeds, evaluations)
    error: np.ndarray  # (seeds, evaluations), per cent


def estimate(values: np.ndarray) -> Estimate:
    """Estimate the mean over the first axis, the seeds."""
    count = len(values)
    if count < 2:
        mean = values.mean(axis=0) if count else np.full(values.shape[1:], np.nan)
        return Estimate(mean, np.full_like(mean, np.nan))
    spread = values.std(axis=0, ddof=1) / np.sqrt(count)
    return Estimate(values.mean(axis=0), _quantile(count) * spread)


@functools.cache  # a report asks ten thousands of times for a few
def _quantile(count: int) -> float:
    return float(student_t.ppf(0.975, count - 1))


def curves(rows: Iterable[Row], trial: str, contender: str, split: str) -> Curves:
    """Pick one contender's rows and lay them out by seed and step."""
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        if (row.trial, row.contender, row.split) == (trial, contender, split):
            by_seed.setdefault(row.seed, []).append(row)
    diverged = {seed for seed, of_seed in by_seed.items() if any(r.diverged for r in of_seed)}
    finished = [of_seed for seed, of_seed in by_seed.items() if seed not in diverged]
    steps = np.array([row.step for row in finished[0]] if finished else [])
    shape = (len(finished), len(steps))  # also where no seed finished
    return Curves(
        seeds=tuple(of_seed[0].seed for of_seed in finished),
        diverged=tuple(sorted(diverged)),
        steps=steps,
        loss=np.array([[row.loss for row in of_seed] for of_seed in finished]).reshape(shape),
        error=np.array([[row.error for row in of_seed] for of_seed in finished]).reshape(shape),
    )
