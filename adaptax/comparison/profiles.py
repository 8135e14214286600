"""Performance profiles (Dolan, Moré 2002): how fast each method reaches the target, over several tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.results import TaskRecord

UP_TO = 4.0  # τ, times the fewest gradients


def shares(records: Sequence[TaskRecord], taus: np.ndarray) -> dict[str, np.ndarray]:
    """Return, by contender, the share of the tasks on which it needs at most τ times the fewest gradients."""
    needed = {
        record.slug: {name: analysis.gradients_to_target(record, name) for name in record.results} for record in records
    }
    fewest = {slug: min(of.values()) for slug, of in needed.items()}
    names = list(dict.fromkeys(name for record in records for name in record.results))
    ratios = {
        name: np.array([of.get(name, np.inf) / fewest[slug] if np.isfinite(fewest[slug]) else np.inf
                        for slug, of in needed.items()])
        for name in names
    }  # fmt: skip
    return {name: (ratio[:, None] <= taus).mean(axis=0) for name, ratio in ratios.items()}


def scores(records: Sequence[TaskRecord]) -> dict[str, float]:
    """Return the mean of each profile over τ from 1 to UP_TO, the best first."""
    taus = np.linspace(1.0, UP_TO, 301)
    means = {name: float(profile.mean()) for name, profile in shares(records, taus).items()}
    return dict(sorted(means.items(), key=lambda item: -item[1]))
