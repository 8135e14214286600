"""The protocol that judges a method on a task: the same for every method; nothing is chosen on the test set.

1. tune      every schedule and setting of a method at every rate of a log grid, with the task's tuning seeds; every
             method has as many trials (`adaptax.comparison.trials`)
2. extend    where the best rate of a schedule and setting is at an edge of the grid, rates beyond it, as often as
             needed up to a limit
3. final     the best trial with new seeds, from the start; the test set is read at the end, once
4. default   the rate of the method's own paper, untuned, with the same new seeds

The best trial has the lowest mean validation score at the end of training, among those of which no seed diverged. Only
the end counts: rankings change on the way (Wen et al. 2025, "Fantastic pretraining optimizers").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from adaptax.comparison.curve import Curve
from adaptax.comparison.errors import InputError
from adaptax.comparison.schedules import CONSTANT
from adaptax.comparison.trials import Combination, Trial

Phase = Literal["tune", "final", "default"]
BEYOND = 2  # rates of the coarsest grid that an extension adds
NEW_SEEDS_FROM = 1000  # tuning seeds are below
DIGITS = 3  # digits of a rate, so that it is easy to read and type


@dataclasses.dataclass(frozen=True)
class Grid:
    """Rates in equal ratios, from low to high."""

    low: float
    high: float
    count: int

    def __post_init__(self) -> None:
        """Refuse values that make no grid."""
        if not 0 < self.low < self.high < np.inf or self.count < 2:
            raise InputError(f"rates must be LOW:HIGH:N with 0 < LOW < HIGH and N at least 2, got {self}.")
        if len({self.rate(index) for index in range(self.count)}) < self.count:
            raise InputError(f"rates must differ in their first {DIGITS} digits, got {self}.")

    def __str__(self) -> str:
        """Write the grid as LOW:HIGH:N."""
        return f"{self.low:g}:{self.high:g}:{self.count}"

    def of(self, count: int) -> Grid:
        """Return a grid of `count` rates between the same ends."""
        return dataclasses.replace(self, count=count)

    def rate(self, index: int) -> float:
        """Return a rate; a number below 0, or from `count` on, is a rate of an extension."""
        share = index / (self.count - 1)
        return float(f"{self.low ** (1 - share) * self.high**share:.{DIGITS}g}")


def parse_grid(text: str) -> Grid:
    """Read LOW:HIGH:N."""
    try:
        low, high, count = text.split(":")
        return Grid(float(low), float(high), int(count))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"rates must be LOW:HIGH:N, as 1e-3:1:7, got {text!r}.") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """The settings of a comparison, the same for all its methods."""

    rates: Grid = Grid(1e-3, 1.0, 7)
    tuning_seeds: int | None = None  # None: the task's
    final_seeds: int = 10
    extensions: int = 3  # at most, in each direction
    schedules: tuple[str, ...] = (CONSTANT,)
    only_tunes: bool = False  # a sweep: no reruns, no test set

    def __post_init__(self) -> None:
        """Refuse counts that leave nothing to compare."""
        if self.final_seeds < 2:
            raise InputError(f"final_seeds must be at least 2, for an interval, got {self.final_seeds}.")
        if self.tuning_seeds is not None and not 1 <= self.tuning_seeds <= NEW_SEEDS_FROM:
            raise InputError(f"tuning_seeds must be from 1 to {NEW_SEEDS_FROM}, got {self.tuning_seeds}.")
        if self.extensions < 0:
            raise InputError(f"extensions must be at least 0, got {self.extensions}.")


class Plan(NamedTuple):
    """The trials of a method, and its untuned rate."""

    grid: Grid  # of each combination
    combinations: tuple[Combination, ...] = (Combination(),)
    default: float | None = None


class Group(NamedTuple):
    """Members that are trained at once; an interruption loses at most one group of each method in training."""

    phase: Phase
    trials: tuple[Trial, ...]
    seeds: tuple[int, ...]


class Result(NamedTuple):
    """A member's curve, and the phase it was trained for."""

    phase: Phase
    curve: Curve


def next_group(protocol: Protocol, tuning_seeds: int, plan: Plan, done: Iterable[Result]) -> Group | None:
    """Return the group to train next, given all results so far; None if nothing is left."""
    done = list(done)
    tuned = [result.curve for result in done if result.phase == "tune"]
    missing = tuple(
        Trial(rate, combination)
        for combination in plan.combinations
        for rate in missing_rates(protocol, plan.grid, [curve for curve in tuned if curve.combination == combination])
    )
    if missing:
        return Group("tune", missing, tuple(range(tuning_seeds)))
    if protocol.only_tunes:
        return None
    new = tuple(range(NEW_SEEDS_FROM, NEW_SEEDS_FROM + protocol.final_seeds))
    untuned = None if plan.default is None else Trial(plan.default, plan.combinations[0])
    wanted = {"final": best_trial(tuned), "default": untuned}
    for phase, trial in wanted.items():
        if trial is not None and not any(result.phase == phase for result in done):
            return Group(phase, (trial,), new)
    return None


def missing_rates(protocol: Protocol, grid: Grid, tuned: Sequence[Curve]) -> tuple[float, ...]:
    """Return the rates of the grid, then those of the next extension; none if the best rate is not at an edge."""
    seen = {curve.rate for curve in tuned}
    low, high = 0, grid.count - 1
    # An extension reaches as far beyond the edge as on the coarsest grid.
    beyond = BEYOND * round((grid.count - 1) / (protocol.rates.count - 1))
    farthest = beyond * protocol.extensions
    while True:
        wanted = [grid.rate(index) for index in range(low, high + 1)]
        if absent := tuple(rate for rate in wanted if rate not in seen):
            return absent
        best = best_rate(tuned)
        below = best is None or best <= wanted[0]  # if all diverge, try lower rates
        if below and low > -farthest:
            low -= beyond
        elif best is not None and best >= wanted[-1] and high < grid.count - 1 + farthest:
            high += beyond
        else:
            return ()


def is_at_edge(tuned: Iterable[Curve]) -> bool:
    """Say whether the best rate is still the lowest or highest one tried with its schedule and settings."""
    tuned = list(tuned)
    best = best_trial(tuned)
    if best is None:
        return False
    rates = sorted({curve.rate for curve in tuned if curve.combination == best.combination})
    return best.rate in (rates[0], rates[-1])


def best_rate(tuned: Iterable[Curve]) -> float | None:
    """Choose a rate by validation alone; None if every rate diverged with some seed."""
    best = best_trial(tuned)
    return None if best is None else best.rate


def best_trial(tuned: Iterable[Curve]) -> Trial | None:
    """Choose a trial by validation alone, the lowest rate among equals; None if each diverged with some seed."""
    ends = dict(_ends(tuned))
    return min(ends, key=lambda trial: ends[trial]) if ends else None


def _ends(tuned: Iterable[Curve]) -> Iterator[tuple[Trial, float]]:
    by_trial: dict[Trial, list[Curve]] = {}
    for curve in tuned:
        by_trial.setdefault(curve.trial, []).append(curve)
    for trial, curves in sorted(by_trial.items(), key=lambda item: item[0].rate):
        if all(curve.diverged_at is None for curve in curves):
            yield trial, float(np.mean([curve.validation[-1] for curve in curves]))
