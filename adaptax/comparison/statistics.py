"""Means with 95 % intervals (Student's t)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t


class Estimate(NamedTuple):
    """A mean and the half width of its 95 % interval, NaN for fewer than two values."""

    mean: np.ndarray
    half_width: np.ndarray


def estimate(values: np.ndarray) -> Estimate:
    """Estimate the mean over the first axis, the seeds."""
    count = len(values)
    if count < 2:
        mean = values.mean(axis=0) if count else np.full(values.shape[1:], np.nan)
        return Estimate(mean, np.full_like(mean, np.nan))
    spread = values.std(axis=0, ddof=1) / np.sqrt(count)
    return Estimate(values.mean(axis=0), _quantile(count) * spread)


def over_seeds(values: Mapping[int, float]) -> Estimate:
    """Estimate the mean over the seeds' values."""
    return estimate(np.array(list(values.values())))


def paired(values: Mapping[int, float], others: Mapping[int, float]) -> Estimate:
    """Estimate the difference seed by seed: same seed, initial weights and batches; NaN without a common seed."""
    return over_seeds({seed: values[seed] - others[seed] for seed in sorted(values.keys() & others.keys())})


@functools.cache  # a report asks tens of thousands of times for a few values
def _quantile(count: int) -> float:
    return float(student_t.ppf(0.975, count - 1))
