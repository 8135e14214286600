"""Means with 95 % intervals, p-values (Student's t), and Holm's correction for many comparisons."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr
from scipy.stats import t as student_t

SIGNIFICANT = 0.05  # a difference is significant if its p-value is lower, which is where its 95 % interval excludes 0


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
    return estimate(_differences(values, others))


def p_value(values: Mapping[int, float], others: Mapping[int, float]) -> float:
    """Return the two-sided p-value of the paired t test of the same differences; NaN for fewer than two."""
    of = _differences(values, others)
    if len(of) < 2:
        return float("nan")
    mean, spread = of.mean(), of.std(ddof=1) / np.sqrt(len(of))
    if spread == 0:
        return float(mean == 0)  # all seeds equal: 1; all differ by the same: 0
    return float(2 * stdtr(len(of) - 1, -abs(mean) / spread))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return p-values corrected for their number (Holm 1979): compare them with the level of a single test.

    The k-th lowest of m is multiplied by m - k + 1. It is at least the one before it, and at most 1. NaN stays NaN and
    is not counted.
    """
    p = np.asarray(p_values, float)
    corrected, known = np.full_like(p, np.nan), np.flatnonzero(~np.isnan(p))
    ordered = known[np.argsort(p[known])]
    factors = np.arange(len(known), 0, -1)
    corrected[ordered] = np.minimum(np.maximum.accumulate(factors * p[ordered]), 1)
    return corrected


def _differences(values: Mapping[int, float], others: Mapping[int, float]) -> np.ndarray:
    return np.array([values[seed] - others[seed] for seed in sorted(values.keys() & others.keys())])


@functools.cache  # a report asks tens of thousands of times for a few values
def _quantile(count: int) -> float:
    return float(student_t.ppf(0.975, count - 1))
