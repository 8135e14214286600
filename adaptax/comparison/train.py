"""Train a grid of members, rates by seeds, from the start to the end, and say what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import adaptax
from adaptax.comparison import batches
from adaptax.comparison.program import Member, OfSeed, Program, Programs
from adaptax.comparison.task import Splits, check_splits

Tick = Callable[[int], None]  # is told how many member-steps more are done


class Curve(NamedTuple):
    """What became of one member; evaluations after its divergence are missing."""

    rate: float
    seed: int
    train: tuple[float, ...]  # loss of the first training examples, at every evaluation
    validation: tuple[float, ...]  # score, at every evaluation
    test: float | None  # score at the end, where it was read
    diverged_at: int | None  # the first step whose training loss was not finite


class Cost(NamedTuple):
    """What a grid took, on the machine as busy as it was."""

    compile_seconds: float
    run_seconds: float
    member_steps: int
    gradients_per_step: int


class Field:
    """A task's data on the device, and its programs."""

    def __init__(self, programs: Programs, splits: Splits) -> None:
        """Copy the data once."""
        check_splits(splits)
        self.programs = programs
        self.splits = {name: jax.tree.map(jax.numpy.asarray, split) for name, split in splits.items()}
        self.count = len(jax.tree.leaves(splits["train"])[0])
        scored = programs.task.train_examples_scored
        self.scored = jax.tree.map(lambda part: part[:scored], self.splits["train"])

    def order(self, seeds: Sequence[int], first: int, last: int) -> np.ndarray | None:
        """Draw the batches of some steps."""
        return batches.draw(seeds, self.programs.task.batch_size, first, last, self.count)


def train(
    field: Field,
    program: Program,
    rates: Sequence[float],
    seeds: Sequence[int],
    *,
    reads_test: bool = False,
    tick: Tick = lambda member_steps: None,
) -> tuple[list[Curve], Cost]:
    """Train every rate with every seed; the curves come seed by seed."""
    programs, task = field.programs, field.programs.task
    compiled_before, seconds = program.compile_seconds, 0.0
    seed_numbers, rate_numbers = np.array(seeds, np.uint32), np.array(rates, jax.numpy.result_type(float))
    of_seeds = OfSeed(seed_numbers, None)
    members = program.begin(rate_numbers, programs.draw(seed_numbers), (), ())
    gradients, judged = _gradients_per_step(members), None
    scored: dict[str, list[np.ndarray]] = {"train": [], "validation": []}
    for step in task.evaluations:
        order = OfSeed(seed_numbers, field.order(seeds, step - task.evaluate_every, step))
        compiled, start = program.train.compile_seconds, time.monotonic()
        members = jax.block_until_ready(program.train(rate_numbers, order, members, field.splits["train"]))
        seconds += time.monotonic() - start - (program.train.compile_seconds - compiled)
        judged = program.judged(rate_numbers, of_seeds, members, ())
        scored["train"].append(programs.loss(rate_numbers, of_seeds, judged, field.scored))
        scored["validation"].append(programs.score(rate_numbers, of_seeds, judged, field.splits["validation"]))
        tick(len(rates) * len(seeds) * task.evaluate_every)
    test = None
    if reads_test:
        test = np.asarray(programs.score(rate_numbers, of_seeds, judged, field.splits["test"]))
    curves = _curves(task.evaluations, rates, seeds, members, jax.device_get(scored), test)
    member_steps = len(rates) * len(seeds) * task.steps
    return curves, Cost(program.compile_seconds - compiled_before, seconds, member_steps, gradients)


def _gradients_per_step(members: Member) -> int:
    first = jax.tree.map(lambda leaf: leaf[0, 0], members)
    return len(jax.eval_shape(adaptax.lookahead_points, first.params, first.state))


def _curves(
    evaluations: Sequence[int],
    rates: Sequence[float],
    seeds: Sequence[int],
    members: Member,
    scored: dict[str, list[Any]],
    test: np.ndarray | None,
) -> list[Curve]:
    """Cut every member's curve where it diverged; the score after the last step can diverge too."""
    of = {name: np.array(values) for name, values in scored.items()}  # (evaluations, seeds, rates)
    last = np.asarray(members.diverged_at)
    curves = []
    for s, seed in enumerate(seeds):
        for r, rate in enumerate(rates):
            diverged_at = int(last[s, r]) or None
            finite = np.isfinite(of["train"][:, s, r]) & np.isfinite(of["validation"][:, s, r])
            if not finite.all():
                seen = evaluations[int(np.argmin(finite))]
                diverged_at = min(diverged_at or seen, seen)
            if test is not None and not np.isfinite(test[s, r]):
                diverged_at = diverged_at or evaluations[-1]
            kept = [k for k, step in enumerate(evaluations) if diverged_at is None or step < diverged_at]
            curves.append(
                Curve(
                    rate=rate,
                    seed=seed,
                    train=tuple(float(of["train"][k, s, r]) for k in kept),
                    validation=tuple(float(of["validation"][k, s, r]) for k in kept),
                    test=None if test is None or diverged_at else float(test[s, r]),
                    diverged_at=diverged_at,
                )
            )
    return curves
