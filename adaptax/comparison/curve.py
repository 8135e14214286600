"""The result of one member: its scores during training and at the end, and where it diverged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adaptax.comparison.trials import Combination, Trial


class Curve(NamedTuple):
    """One member; evaluations after its divergence are missing."""

    rate: float
    seed: int
    train: tuple[float, ...]  # loss of the first training examples, at every evaluation
    validation: tuple[float, ...]  # score, at every evaluation
    test: float | None  # score at the end, if it was read
    diverged_at: int | None  # the first step whose training loss was not finite
    combination: Combination = Combination()  # its schedule and further settings

    @property
    def trial(self) -> Trial:
        """Return what was tried."""
        return Trial(self.rate, self.combination)


def cut(
    trial: Trial,
    seed: int,
    evaluations: Sequence[int],
    train: np.ndarray,
    validation: np.ndarray,
    test: float | None,
    diverged_at: int,
) -> Curve:
    """Cut a member's curve where it diverged (0: it did not); the score after the last step can diverge too."""
    end = diverged_at or None
    finite = np.isfinite(train) & np.isfinite(validation)
    if not finite.all():
        seen = evaluations[int(np.argmin(finite))]
        end = min(end or seen, seen)
    if test is not None and not np.isfinite(test):
        end = end or evaluations[-1]
    kept = [k for k, step in enumerate(evaluations) if end is None or step < end]
    return Curve(
        rate=trial.rate,
        seed=seed,
        train=tuple(float(train[k]) for k in kept),
        validation=tuple(float(validation[k]) for k in kept),
        test=None if test is None or end else float(test),
        diverged_at=end,
        combination=trial.combination,
    )
