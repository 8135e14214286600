r"""The expected score of the best of k starts, from N starts that were all trained to the end.

With the starts sorted by validation score, and k of them drawn without repetition, start i is the best one with
probability

$$ p_i = \binom{N-i}{k-1} \Big/ \binom{N}{k}, \quad i = 1, \dots, N-k+1 $$

so the expected validation and test scores of the chosen start are exact sums. Successive halving is replayed on the
same curves, which alone decide which starts it drops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adaptax.comparison.curve import Curve

DRAWS = 2000  # of k starts, for halving: its result has no closed form


class Gain(NamedTuple):
    """The expected result of k starts."""

    starts: int
    halves: bool
    compute: float  # 1: one start, trained to the end
    validation: float
    test: float


def expected(curves: Sequence[Curve], starts: int) -> Gain:
    """Return the expected result if validation chooses among so many starts that all reach the end."""
    ends, tests = (np.array([of(curve) for curve in curves]) for of in (_end, _test))
    tests = np.array([tests[ends == end].mean() for end in ends])  # validation cannot choose between equals
    ranked, chances = np.argsort(ends), np.array(chances_of_best(len(curves), starts))
    validation, test = (float(chances @ of[ranked][: len(chances)]) for of in (ends, tests))
    return Gain(starts, False, float(starts), validation, test)


def chances_of_best(count: int, starts: int) -> list[float]:
    """Return the probability that each of `count` ranked starts is the best of so many drawn."""
    whole = math.comb(count, starts)
    return [math.comb(count - 1 - i, starts - 1) / whole for i in range(count - starts + 1)]


def expected_of_halving(curves: Sequence[Curve], starts: int, rungs: Sequence[int]) -> Gain:
    """Average the result of halving over draws of so many starts; `rungs` count evaluations."""
    random = np.random.default_rng(0)
    played = [
        halve([curves[i] for i in random.choice(len(curves), starts, replace=False)], rungs) for _ in range(DRAWS)
    ]
    chosen, cost = zip(*played, strict=True)
    return Gain(
        starts,
        True,
        float(np.mean(cost)),
        float(np.mean([_end(curve) for curve in chosen])),
        float(np.mean([_test(curve) for curve in chosen])),
    )


def halve(curves: Sequence[Curve], rungs: Sequence[int]) -> tuple[Curve, float]:
    """Drop the worse half at every rung but the last; return the best, and the compute, where 1 is one full start."""
    alive, cost, before = list(curves), 0.0, 0
    for rung in rungs:
        cost += len(alive) * (rung - before) / rungs[-1]
        alive.sort(key=lambda curve: _at(curve, rung))
        if rung != rungs[-1]:
            alive = alive[: max(1, math.ceil(len(alive) / 2))]
        before = rung
    return alive[0], cost


def _at(curve: Curve, evaluation: int) -> float:
    """Return the score after so many evaluations; infinite after divergence."""
    return curve.validation[evaluation - 1] if len(curve.validation) >= evaluation else math.inf


def _end(curve: Curve) -> float:
    return math.inf if curve.diverged_at else curve.validation[-1]


def _test(curve: Curve) -> float:
    return math.inf if curve.test is None else curve.test
