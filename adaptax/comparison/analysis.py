"""The figures of the records: final scores with intervals, targets, performance profiles, differences of methods.

All are computed from `TaskRecord`s; tables, pictures and the evidence page show only these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adaptax.comparison.curve import Curve
from adaptax.comparison.protocol import Phase, best_trial, is_at_edge
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.statistics import Estimate, estimate, over_seeds, paired
from adaptax.comparison.trials import Combination, Trial

BASELINES = ("optax_momentum", "optax_adam", "adam")  # the best one that takes part sets a task's target
BASELINE = BASELINES[0]  # all others are compared with it
TARGET_AT = 0.5  # of the steps: a baseline's mean validation score at this point is the target
PROFILE_TO = 4.0  # τ, times the fewest gradients


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


def profiles(records: Sequence[TaskRecord], taus: np.ndarray) -> dict[str, np.ndarray]:
    """Return, by contender, the share of the tasks on which it needs at most τ times the fewest gradients."""
    needed = {record.slug: {name: gradients_to_target(record, name) for name in record.results} for record in records}
    fewest = {slug: min(of.values()) for slug, of in needed.items()}
    names = list(dict.fromkeys(name for record in records for name in record.results))
    ratios = {
        name: np.array([of.get(name, np.inf) / fewest[slug] if np.isfinite(fewest[slug]) else np.inf
                        for slug, of in needed.items()])
        for name in names
    }  # fmt: skip
    return {name: (ratio[:, None] <= taus).mean(axis=0) for name, ratio in ratios.items()}


def profile_scores(records: Sequence[TaskRecord]) -> dict[str, float]:
    """Return the mean of each profile over τ from 1 to PROFILE_TO, the best first."""
    taus = np.linspace(1.0, PROFILE_TO, 301)
    scores = {name: float(profile.mean()) for name, profile in profiles(records, taus).items()}
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def difference(record: TaskRecord, contender: str, other: str, phase: Phase = "final") -> Difference | None:
    """Compare test scores seed by seed: same seed, same initial weights, same batches."""
    mine, others = ends(record, contender, phase), ends(record, other, phase)
    of = paired(mine.scores, others.scores)
    if np.isnan(of.mean):
        return None
    if of.mean + of.half_width < 0 and not mine.diverged:
        return Difference(of, "lower")
    if of.mean - of.half_width > 0 and not others.diverged:
        return Difference(of, "higher")
    return Difference(of, "none shown")


def by_mean(record: TaskRecord) -> list[str]:
    """Return the methods, the lowest test score first."""

    def mean(name: str) -> float:
        of = ends(record, name)
        return float(of.estimate.mean) if of.scores else np.inf

    return sorted(record.results, key=mean)


def best_of(record: TaskRecord) -> list[str]:
    """Name the method with the lowest mean test score, and those not significantly different from it."""
    means = {
        name: float(of.estimate.mean)
        for name in record.results
        if (of := ends(record, name)).scores and not of.diverged
    }
    if not means:
        return []
    first = min(means, key=lambda name: means[name])
    others = {name: difference(record, name, first) for name in means if name != first}
    return [first, *(name for name, found in others.items() if found is not None and found.verdict == "none shown")]


def times_lowest(records: Sequence[TaskRecord]) -> dict[str, int]:
    """Count by method the tasks on which `best_of` names it, the highest count first."""
    names = dict.fromkeys(name for record in records for name in record.results)
    best = [best_of(record) for record in records]
    counts = {name: sum(name in of for of in best) for name in names}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def difference_at_a_tenth(record: TaskRecord, contender: str, base: str) -> Difference | None:
    """Compare validation scores, over the tuning seeds, where both have a tenth of the base's best rate."""
    best = rate_of(record, base)
    if best is None:
        return None
    tenth = {
        name: {c.seed: c.validation[-1] for c in at_best_settings(record, name)
               if np.isclose(c.rate, best / 10, rtol=0.01) and c.diverged_at is None}
        for name in (contender, base)
    }  # fmt: skip
    of = paired(tenth[contender], tenth[base])
    if np.isnan(of.mean):
        return None
    if np.isnan(of.half_width) or abs(of.mean) <= of.half_width:
        return Difference(of, "none shown")
    return Difference(of, "lower" if of.mean < 0 else "higher")
