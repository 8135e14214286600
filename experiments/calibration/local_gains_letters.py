"""Choose the grey of the paper, the initial interval and the hardness from plain descent alone.

Two questions, one after the other; no gains are ever run here.
1. On which paper do the rates .01 and .001 behave as the source says? On the hard set .01 must be
   far too large: the loss often rises, all the way, yet falls on average; .001 must not oscillate;
   the easy set must still be learned at .01.
2. On that paper, which initial interval and which hardness bring the baseline of the third
   experiment nearest to the published 94.74 % (train) and 67.18 % (test) after 300 epochs?
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import optax

from experiments.data import Dataset
from experiments.engine.experiment import Trial
from experiments.engine.loop import run
from experiments.engine.rows import Row
from experiments.papers.local_gains_letters import EXPERIMENT, GROUND, INK, easy_set, hard_set, net

# Ground and ink: white ink on ever lighter paper, and black ink on white paper.
PAPERS = ((0.0, 1.0), (0.1, 1.0), (0.2, 1.0), (0.25, 1.0), (0.3, 1.0), (0.5, 1.0), (1.0, 0.0))
HALF_WIDTHS = (0.2, 0.3, 0.4, 0.5, 0.6)
STRENGTHS = (0.3, 0.325, 0.35, 0.375, 0.4)
# The first question needs some interval and hardness: the middle of the second one's grid.
MIDDLE_HALF_WIDTH, MIDDLE_STRENGTH = 0.4, 0.35
PUBLISHED = np.array([94.74, 67.18])  # per cent right, train and test


class Outcome(NamedTuple):
    """Plain descent, averaged over the seeds."""

    rises: float  # per cent of the evaluations with a training loss above the one before
    first_loss: float
    last_loss: float
    right: np.ndarray  # per cent, train and test, at the end


def calibrate(seeds: int) -> Iterator[str]:
    """Print both tables; say what each question chooses."""
    yield f"Plain gradient descent, {EXPERIMENT.steps} epochs, mean over {seeds} seeds.\n"
    yield from _choose_paper(seeds)
    yield from _choose_interval_and_hardness(seeds)


def _choose_paper(seeds: int) -> Iterator[str]:
    yield f"Half width {MIDDLE_HALF_WIDTH}, strength {MIDDLE_STRENGTH}.\n"
    yield (
        "| ground, ink | hard, .01: loss rises | loss from, to | hard, .001: loss rises "
        "| loss to | easy, .01: loss rises | right (train) | as described |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    hard = {str(paper): hard_set(*paper, MIDDLE_STRENGTH) for paper in PAPERS}
    easy = {str(paper): easy_set(*paper) for paper in PAPERS}
    on_hard = descend(MIDDLE_HALF_WIDTH, hard, (0.01, 0.001), seeds)
    on_easy = descend(MIDDLE_HALF_WIDTH, easy, (0.01,), seeds)
    for paper in hard:
        large, small, learned = on_hard[paper, 0.01], on_hard[paper, 0.001], on_easy[paper, 0.01]
        yield (
            f"| {paper} | {large.rises:.0f} % | {large.first_loss:.2f}, {large.last_loss:.2f} "
            f"| {small.rises:.0f} % | {small.last_loss:.2f} "
            f"| {learned.rises:.0f} % | {learned.right[0]:.1f} % "
            f"| {'yes' if _as_described(large, small, learned) else 'no'} |"
        )


def _as_described(large: Outcome, small: Outcome, easy: Outcome) -> bool:
    """Oscillates for over a third of the run and still halves the loss; smooth; learned."""
    oscillates_and_falls = large.rises > 100 / 3 and large.last_loss < large.first_loss / 2
    return oscillates_and_falls and small.rises < 1 and easy.right[0] > 99


def _choose_interval_and_hardness(seeds: int) -> Iterator[str]:
    yield f"Ground {GROUND}, ink {INK}.\n"
    yield "| half width, strength | right (train) | right (test) | distance to published |"
    yield "|---|---|---|---|"
    distances = {}
    hard = {strength: hard_set(GROUND, INK, strength) for strength in STRENGTHS}
    for half_width in HALF_WIDTHS:
        for (strength, _), outcome in descend(half_width, hard, (0.001,), seeds).items():
            train, test = outcome.right
            distance = float(np.linalg.norm(outcome.right - PUBLISHED))
            distances[half_width, strength] = distance
            yield f"| {half_width}, {strength} | {train:.2f} % | {test:.2f} % | {distance:.2f} |"
    yield f"\nNearest (half width, strength): {min(distances, key=distances.get)}."


def descend(
    half_width: float,
    sets: dict[Hashable, Callable[[], Dataset]],
    rates: Sequence[float],
    seeds: int,
) -> dict[tuple[Hashable, float], Outcome]:
    """Run plain gradient descent through the experiments' own loop: {(set, rate): outcome}."""
    methods = {str(rate): partial(optax.sgd, learning_rate=rate) for rate in rates}
    experiment = dataclasses.replace(
        EXPERIMENT,
        model=net(half_width),
        seeds=seeds,
        trials={str(name): Trial(title="", data=data, contenders=methods) for name, data in sets.items()},
    )
    rows = run(experiment)
    return {
        (name, rate): _outcome([row for row in rows if (row.trial, row.contender) == (str(name), str(rate))], seeds)
        for name in sets
        for rate in rates
    }


def _outcome(rows: list[Row], seeds: int) -> Outcome:
    losses = np.array([row.loss for row in rows if row.split == "train"]).reshape(-1, seeds)
    rises = 100 * np.mean(np.diff(losses, axis=0) > 0)
    last = [row for row in rows if row.step == EXPERIMENT.steps]
    right = [100 - np.mean([r.error for r in last if r.split == s]) for s in ("train", "test")]
    return Outcome(rises, losses[0].mean(), losses[-1].mean(), np.array(right))
