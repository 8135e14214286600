"""What is tried of a method: a learning rate, under a schedule, with further settings; every method as often.

A method with C combinations of schedule and settings gets R · L / C rates for each, L the least common multiple of all
methods' C: every method has R · L trials, and one with fewer settings a finer grid between the same ends.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from adaptax.comparison.schedules import CONSTANT

Settings = tuple[tuple[str, float], ...]  # by name, in the order of the search


class Combination(NamedTuple):
    """Everything of a trial but its rate."""

    schedule: str = CONSTANT
    settings: Settings = ()

    def __str__(self) -> str:
        """Write it as text, without defaults."""
        schedule = [] if self.schedule == CONSTANT else [self.schedule]
        return ", ".join([*schedule, *(f"{name}={value:g}" for name, value in self.settings)])


class Trial(NamedTuple):
    """One learning rate, the peak of its schedule, and what else is set."""

    rate: float
    combination: Combination = Combination()


def at_rates(rates: Iterable[float]) -> list[Trial]:
    """Return trials that differ in a constant rate alone."""
    return [Trial(rate) for rate in rates]


def combinations(schedules: Iterable[str], search: Mapping[str, Sequence[float]]) -> list[Combination]:
    """Return every schedule with every choice of settings."""
    choices = [[(name, value) for value in values] for name, values in search.items()]
    return [Combination(schedule, chosen) for schedule in schedules for chosen in itertools.product(*choices)]


def rates_each(rates: int, counts: Sequence[int]) -> list[int]:
    """Return how many rates each combination of a method gets, from how many combinations each method has."""
    common = math.lcm(*counts)
    return [rates * common // count for count in counts]
