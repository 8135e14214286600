"""The figures of a task's record: final scores with intervals, targets, differences of methods.

All are computed from `TaskRecord`s; tables, pictures and the evidence page show only these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adaptax.comparison.curve import Curve
from adaptax.comparison.protocol import Phase, best_trial, is_at_edge
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.statistics import Estimate, estimate, over_seeds, p_value, paired
from adaptax.comparison.trials import Combination, Trial

BASELINES = ("optax_momentum", "optax_adam", "adam")  # the best one that takes part sets a task's target
BASELINE = BASELINES[0]  # all others are compared with it
TARGET_AT = 0.5  # of the steps: a baseline's mean validation score at this point is the target


class Ends(NamedTuple):
    """Scores at the end, by seed; a seed that diverged has none."""

    scores: dict[int, float]
    diverged: tuple[int, ...]

    @property
    def estimate(self) -> Estimate:
        """Return mean and 95 % interval."""
        return over_seeds(self.scores)

    @property
    def spread(self) -> float:
        """Return the standard deviation over the seeds."""
        return float(np.std(list(self.scores.values()), ddof=1)) if len(self.scores) > 1 else float("nan")


class Target(NamedTuple):
    """The validation score to reach: the mean of a baseline after half of the steps, and that baseline."""

    score: float
    of: str


class Difference(NamedTuple):
    """One method's test score minus another's, seed by seed."""

    estimate: Estimate
    verdict: str  # "lower", "higher" or "none shown"
    p: float  # of the paired t test; NaN without an interval


def curves(record: TaskRecord, contender: str, phase: Phase) -> list[Curve]:
    """Return a contender's members of one phase."""
    return [result.curve for result in record.results.get(contender, []) if result.phase == phase]


def trial_of(record: TaskRecord, contender: str) -> Trial | None:
    """Return the trial that validation chose."""
    return best_trial(curves(record, contender, "tune"))


def rate_of(record: TaskRecord, contender: str) -> float | None:
    """Return its rate."""
    best = trial_of(record, contender)
    return None if best is None else best.rate


def at_best_settings(record: TaskRecord, contender: str) -> list[Curve]:
    """Return the tuning members with the schedule and settings that validation chose; all members if it chose none."""
    tuned, best = curves(record, contender, "tune"), trial_of(record, contender)
    return tuned if best is None else [curve for curve in tuned if curve.combination == best.combination]


def trials(record: TaskRecord, contender: str) -> int:
    """Count a method's trials: rates, under each schedule, with each choice of settings."""
    return len({curve.trial for curve in curves(record, contender, "tune")})


def by_combination(record: TaskRecord, contender: str) -> dict[Combination, tuple[float, Estimate] | None]:
    """Return the best rate of each schedule and settings and its validation score; None if every rate diverged."""
    by: dict[Combination, list[Curve]] = {}
    for curve in curves(record, contender, "tune"):
        by.setdefault(curve.combination, []).append(curve)
    best = {combination: best_trial(of) for combination, of in by.items()}
    return {
        combination: None
        if trial is None
        else (trial.rate, estimate(np.array([c.validation[-1] for c in by[combination] if c.trial == trial])))
        for combination, trial in best.items()
    }


def at_edge(record: TaskRecord, contender: str) -> bool:
    """Say whether the chosen rate is the lowest or highest one tried."""
    return is_at_edge(curves(record, contender, "tune"))


def ends(record: TaskRecord, contender: str, phase: Phase = "final") -> Ends:
    """Return test scores at the end."""
    of = curves(record, contender, phase)
    scores = {curve.seed: curve.test for curve in of if curve.test is not None}
    return Ends(scores, tuple(curve.seed for curve in of if curve.diverged_at is not None))


def sensitivity(record: TaskRecord, contender: str) -> dict[float, Estimate | None]:
    """Return the validation score at the end by rate, at the best settings; None where a seed diverged."""
    by_rate: dict[float, list[Curve]] = {}
    for curve in at_best_settings(record, contender):
        by_rate.setdefault(curve.rate, []).append(curve)
    return {
        rate: None
        if any(curve.diverged_at for curve in of)
        else estimate(np.array([curve.validation[-1] for curve in of]))
        for rate, of in sorted(by_rate.items())
    }


def target(record: TaskRecord) -> Target | None:
    """Return the lowest target that a baseline sets; without a baseline, the first contender sets it.

    One baseline would not be enough: momentum stays at chance on deep sigmoid nets, Adam is slow on bowls.
    """
    names = [name for name in BASELINES if name in record.results] or list(record.results)[:1]
    found = [Target(score, name) for name in names if (score := _half_way(record, name)) is not None]
    return min(found, default=None)


def _half_way(record: TaskRecord, contender: str) -> float | None:
    """Return the mean validation score after half of the steps; None where no seed ended."""
    of = [curve.validation for curve in curves(record, contender, "final") if curve.diverged_at is None]
    if not of:
        return None
    mean = np.mean(of, axis=0)
    return float(mean[int(np.ceil(TARGET_AT * len(mean))) - 1])


def gradients_to_target(record: TaskRecord, contender: str) -> float:
    """Return the median over the seeds of the gradients computed until the target.

    A miss counts as infinite, and so does a seed that diverged, even if it had reached the target before.
    """
    goal, every = target(record), record.config["task"]["evaluate_every"]
    of = curves(record, contender, "final")
    if goal is None or not of:
        return float("inf")
    per_step = record.timings[contender]["gradients_per_step"]
    return float(np.median([_evaluations_to(goal.score, curve) for curve in of])) * every * per_step


def _evaluations_to(goal: float, curve: Curve) -> float:
    if curve.diverged_at is not None:
        return float("inf")
    return next((float(number) for number, score in enumerate(curve.validation, 1) if score <= goal), float("inf"))


def difference(record: TaskRecord, contender: str, other: str, phase: Phase = "final") -> Difference | None:
    """Compare test scores seed by seed: same seed, same initial weights, same batches.

    With "default" as `phase`, the untuned contender is compared with the tuned other one.
    """
    return _compared(ends(record, contender, phase), ends(record, other))


def _compared(mine: Ends, others: Ends) -> Difference | None:
    """Give the verdict by the 95 % interval; the lower one must have no diverged seed."""
    of, p = paired(mine.scores, others.scores), p_value(mine.scores, others.scores)
    if np.isnan(of.mean):
        return None
    if of.mean + of.half_width < 0 and not mine.diverged:
        return Difference(of, "lower", p)
    if of.mean - of.half_width > 0 and not others.diverged:
        return Difference(of, "higher", p)
    return Difference(of, "none shown", p)


def share_of_steps(record: TaskRecord, contender: str, base: str, phase: Phase = "final") -> float | None:
    """Return the share of the training after which a method is first as low as the base is at the end.

    Compared are mean validation scores over the new seeds. Shares are of the base's gradients, so a method that takes
    several per step can need more than 1. None: it never is as low, or a seed of either diverged or is missing. `phase`
    is the method's, as in `difference`.
    """
    mine, others = curves(record, contender, phase), curves(record, base, "final")
    if not (mine and others) or any(curve.diverged_at is not None for curve in (*mine, *others)):
        return None
    mean, goal = (np.mean([curve.validation for curve in of], axis=0) for of in (mine, others))
    (reached,) = np.nonzero(mean <= goal[-1])
    if not len(reached):
        return None
    price = record.timings[contender]["gradients_per_step"] / record.timings[base]["gradients_per_step"]
    return float(reached[0] + 1) / len(mean) * price


def by_mean(record: TaskRecord) -> list[str]:
    """Return the methods, the lowest test score first."""

    def mean(name: str) -> float:
        of = ends(record, name)
        return float(of.estimate.mean) if of.scores else np.inf

    return sorted(record.results, key=mean)


def best_of(record: TaskRecord) -> list[str]:
    """Name the method with the lowest mean test score, then those not significantly different, the lowest first.

    This is not corrected for the number of methods. A correction would name more methods, although a method that is
    named has shown nothing: it only was not shown to be higher.
    """
    ended = [name for name in by_mean(record) if (of := ends(record, name)).scores and not of.diverged]
    found = {name: difference(record, name, ended[0]) for name in ended[1:]}
    return [*ended[:1], *(name for name, of in found.items() if of is not None and of.verdict == "none shown")]


def times_lowest(records: Sequence[TaskRecord]) -> dict[str, int]:
    """Count by method the tasks on which `best_of` names it, the highest count first."""
    names = dict.fromkeys(name for record in records for name in record.results)
    best = [best_of(record) for record in records]
    counts = {name: sum(name in of for of in best) for name in names}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def difference_at(record: TaskRecord, contender: str, base: str, times: float) -> Difference | None:
    """Compare validation scores, over the tuning seeds, where both have so many times the base's best rate."""
    best = rate_of(record, base)
    return None if best is None else _compared(*(at_rate(record, name, times * best) for name in (contender, base)))


def at_rate(record: TaskRecord, contender: str, rate: float) -> Ends:
    """Return the validation scores of the tuning seeds at a rate, at the best settings."""
    of = [curve for curve in at_best_settings(record, contender) if math.isclose(curve.rate, rate, rel_tol=0.01)]
    lost = tuple(curve.seed for curve in of if curve.diverged_at is not None)
    return Ends({curve.seed: curve.validation[-1] for curve in of if curve.diverged_at is None}, lost)
