"""Scores by learning rate, and the range of good rates."""

from collections.abc import Mapping

from adaptax.comparison import analysis
from adaptax.comparison.results import TaskRecord

GOOD = 1.5  # times the best score


def losses(record: TaskRecord, method: str) -> dict[float, float]:
    """Return the mean validation score at the end by rate; NaN where a seed diverged."""
    found = analysis.sensitivity(record, method)
    return {rate: float("nan") if of is None else float(of.mean) for rate, of in found.items()}


def good_rates(of: Mapping[float, float]) -> tuple[float, float]:
    """Return the lowest and the highest of the rates around the best one that have at most 1.5 times its score.

    If all diverged, the range is the lowest rate alone.
    """
    rates = sorted(of)
    best = min((rate for rate in rates if of[rate] == of[rate]), key=lambda rate: of[rate], default=rates[0])
    low = high = rates.index(best)
    limit = GOOD * of[best]
    while low > 0 and of[rates[low - 1]] <= limit:
        low -= 1
    while high < len(rates) - 1 and of[rates[high + 1]] <= limit:
        high += 1
    return rates[low], rates[high]
