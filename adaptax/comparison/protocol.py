"""How a method is judged on a task: the same for every method, and nothing is chosen on the test set.

1. tune      every rate of a log grid, the same for all, with the task's tuning seeds
2. extend    where the best rate is at an edge of the grid, two rates beyond it, as often as needed up to a limit
3. final     the best rate with new seeds, from the start; the test set is read at the end, once
4. default   the rate of the method's own paper, untuned, with the same new seeds

The best rate has the lowest mean validation score at the end of training, among those of which no seed diverged. Only
the end counts: rankings change on the way (Wen et al. 2025, "Fantastic pretraining optimizers").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from adaptax.comparison.errors import InputError
from adaptax.comparison.train import Curve

Phase = Literal["tune", "final", "default"]
BEYOND = 2  # rates that an extension adds
NEW_SEEDS_FROM = 1000  # tuning seeds are below
DIGITS = 3  # of a rate, so that it can be read and typed


@dataclasses.dataclass(frozen=True)
class Grid:
    """Rates in equal ratios, from low to high."""

    low: float
    high: float
    count: int

    def __post_init__(self) -> None:
        """Refuse what is no grid."""
        if not 0 < self.low < self.high < np.inf or self.count < 2:
            raise InputError(f"rates must be LOW:HIGH:N with 0 < LOW < HIGH and N at least 2, got {self}.")
        if len({self.rate(index) for index in range(self.count)}) < self.count:
            raise InputError(f"rates must differ in their first {DIGITS} digits, got {self}.")

    def __str__(self) -> str:
        """Write it as it is given."""
        return f"{self.low:g}:{self.high:g}:{self.count}"

    def rate(self, index: int) -> float:
        """Return a rate; below 0 and from `count` on they are those of an extension."""
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
    """What may differ between two comparisons, and never between two methods of one."""

    rates: Grid = Grid(1e-3, 1.0, 7)
    tuning_seeds: int | None = None  # None: the task's
    final_seeds: int = 10
    extensions: int = 3  # at most so many in either direction
    only_tunes: bool = False  # a sweep, without reruns and test set

    def __post_init__(self) -> None:
        """Refuse counts that leave nothing to compare."""
        if self.final_seeds < 2:
            raise InputError(f"final_seeds must be at least 2, for an interval, got {self.final_seeds}.")
        if self.tuning_seeds is not None and not 1 <= self.tuning_seeds <= NEW_SEEDS_FROM:
            raise InputError(f"tuning_seeds must be from 1 to {NEW_SEEDS_FROM}, got {self.tuning_seeds}.")
        if self.extensions < 0:
            raise InputError(f"extensions must be at least 0, got {self.extensions}.")


class Group(NamedTuple):
    """Members that are trained at once: an interruption loses at most one group of each method in flight."""

    phase: Phase
    rates: tuple[float, ...]
    seeds: tuple[int, ...]


class Result(NamedTuple):
    """A member's curve and what it was trained for."""

    phase: Phase
    curve: Curve


def next_group(protocol: Protocol, tuning_seeds: int, default: float | None, done: Iterable[Result]) -> Group | None:
    """Say what to train next, given all that was; None when nothing is left."""
    done = list(done)
    tuned = [result.curve for result in done if result.phase == "tune"]
    missing = missing_rates(protocol, tuned)
    if missing:
        return Group("tune", missing, tuple(range(tuning_seeds)))
    if protocol.only_tunes:
        return None
    new = tuple(range(NEW_SEEDS_FROM, NEW_SEEDS_FROM + protocol.final_seeds))
    wanted = {"final": best_rate(tuned), "default": default}
    for phase, rate in wanted.items():
        if rate is not None and not any(result.phase == phase for result in done):
            return Group(phase, (rate,), new)
    return None


def missing_rates(protocol: Protocol, tuned: list[Curve]) -> tuple[float, ...]:
    """Return the rates of the grid, then those of the next extension; none where the best is inside."""
    grid, seen = protocol.rates, {curve.rate for curve in tuned}
    low, high = 0, grid.count - 1
    while True:
        wanted = [grid.rate(index) for index in range(low, high + 1)]
        if absent := tuple(rate for rate in wanted if rate not in seen):
            return absent
        best = best_rate(tuned)
        below = best is None or best <= wanted[0]  # where all diverge, lower rates are missing
        if below and low > -BEYOND * protocol.extensions:
            low -= BEYOND
        elif best is not None and best >= wanted[-1] and high < grid.count - 1 + BEYOND * protocol.extensions:
            high += BEYOND
        else:
            return ()


def is_at_edge(tuned: Iterable[Curve]) -> bool:
    """Say whether the best rate is the last one tried, in spite of all extensions."""
    tuned = list(tuned)
    rates = sorted({curve.rate for curve in tuned})
    return best_rate(tuned) in (rates[0], rates[-1])


def best_rate(tuned: Iterable[Curve]) -> float | None:
    """Choose a rate by validation alone; None where every rate diverged with some seed."""
    ends = dict(_ends(tuned))
    return min(ends, key=lambda rate: ends[rate]) if ends else None


def _ends(tuned: Iterable[Curve]) -> Iterator[tuple[float, float]]:
    by_rate: dict[float, list[Curve]] = {}
    for curve in tuned:
        by_rate.setdefault(curve.rate, []).append(curve)
    for rate, curves in sorted(by_rate.items()):
        if all(curve.diverged_at is None for curve in curves):
            yield rate, float(np.mean([curve.validation[-1] for curve in curves]))
