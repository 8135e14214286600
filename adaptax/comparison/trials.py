"""The trials of a method: learning rate, schedule and further settings; all methods have the same number.

A method with C combinations of schedule and settings gets R · L / C rates for each, with L the least common multiple of
all methods' C. So every method has R · L trials; one with fewer settings has a finer grid between the same ends.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from adaptax.comparison.schedules import CONSTANT

Settings = tuple[tuple[str, float], ...]  # by name, in the order of the search


class Combination(NamedTuple):
    """A trial without its rate: schedule and settings."""

    schedule: str = CONSTANT
    settings: Settings = ()

    def __str__(self) -> str:
        """Write it as text; defaults are left out."""
        schedule = [] if self.schedule == CONSTANT else [self.schedule]
        return ", ".join([*schedule, *(f"{name}={value:g}" for name, value in self.settings)])


class Trial(NamedTuple):
    """One learning rate (the peak of its schedule), and the other settings."""

    rate: float
    combination: Combination = Combination()


def at_rates(rates: Iterable[float]) -> list[Trial]:
    """Return trials that differ only in a constant rate."""
    return [Trial(rate) for rate in rates]


def combinations(schedules: Iterable[str], search: Mapping[str, Sequence[float]]) -> list[Combination]:
    """Return every schedule with every choice of settings."""
    choices = [[(name, value) for value in values] for name, values in search.items()]
    return [Combination(schedule, chosen) for schedule in schedules for chosen in itertools.product(*choices)]


def rates_each(rates: int, counts: Sequence[int]) -> list[int]:
    """Return how many rates each combination of a method gets, given each method's number of combinations."""
    common = math.lcm(*counts)
    return [rates * common // count for count in counts]
