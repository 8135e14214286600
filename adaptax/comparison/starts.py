"""Successive halving over initializations and, if asked, rates.

All starts train to the first rung; the half with the lower validation score trains on to the next, twice as far, and so
on; the last ones reach the end. A start that diverged is worse than any other. Jamieson & Talwalkar, "Non-stochastic
best arm identification and hyperparameter optimization", AISTATS 2016, algorithm 1, with a budget of steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adaptax.comparison import blocks, methods
from adaptax.comparison.blocks import Block, Shape
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method
from adaptax.comparison.program import OfSeed, Programs
from adaptax.comparison.task import Init, Layout, Loss, Score, Splits, Task

KEPT = 0.5


class Start(NamedTuple):
    """The result of one start."""

    seed: int
    rate: float
    validation: tuple[float, ...]  # score at every rung it reached; infinite where it was not finite
    dropped_after: int | None  # steps; None: it reached the end


class Outcome(NamedTuple):
    """The best start, and all of them."""

    params: Any  # the best start's, those that its method is judged by
    test: float  # the best start's test score; read once
    starts: tuple[Start, ...]  # the best first, then by how far they trained
    steps_trained: int  # over all starts


def rungs(task: Task, halvings: int) -> tuple[int, ...]:
    """Return the steps of the rungs: the end, then half as far each time, rounded to evaluations."""
    every = task.evaluate_every
    ends = [max(every, round(task.steps / 2**k / every) * every) for k in range(halvings, -1, -1)]
    if len(set(ends)) < len(ends):
        raise InputError(
            f"halvings must leave an evaluation between rungs, got {halvings} with {task.steps // every} evaluations."
        )
    return tuple(ends)


def search(
    field: Field,
    method: Method,
    rates: Sequence[float],
    seeds: Sequence[int],
    halvings: int,
    tick: Callable[[int], None] = lambda member_steps: None,
) -> Outcome:
    """Train every seed with every rate, and drop the worse half at every rung but the last."""
    programs, task = _Starts(field, method), field.programs.task
    pairs = [(seed, rate) for seed in seeds for rate in rates]
    found: dict[tuple[int, float], list[float]] = {pair: [] for pair in pairs}
    members, alive, steps_trained = programs.begin(pairs), pairs, 0
    for first, last in itertools.pairwise((0, *rungs(task, halvings))):
        members = programs.train(alive, members, first, last)
        steps_trained += len(alive) * (last - first)
        tick(len(alive) * (last - first))
        scores = programs.score(alive, members, "validation")
        for pair, score in zip(alive, scores, strict=True):
            found[pair].append(score)
        kept = np.argsort(scores, kind="stable")
        if last < task.steps:
            kept = kept[: max(1, int(np.ceil(KEPT * len(alive))))]
        alive, members = [alive[k] for k in kept], jax.tree.map(lambda leaf: leaf[kept], members)  # noqa: B023
    at = (0, *rungs(task, halvings))
    starts = [
        Start(seed, rate, tuple(scores), None if len(scores) == halvings + 1 else at[len(scores)])
        for (seed, rate), scores in found.items()
    ]
    first = jax.tree.map(lambda leaf: leaf[:1], members)
    return Outcome(
        params=jax.tree.map(lambda leaf: leaf[0, 0], programs.judged(alive[:1], first)[0]),
        test=programs.score(alive[:1], first, "test")[0],
        starts=tuple(sorted(starts, key=lambda start: (-len(start.validation), start.validation[-1]))),
        steps_trained=steps_trained,
    )


Pairs = list[tuple[int, float]]  # of seeds and rates


class _Starts:
    """A method's programs for a list of starts: seeds of a grid with one column, each with a rate of its own."""

    def __init__(self, field: Field, method: Method) -> None:
        self._field, self._programs, self._program = field, field.programs, field.programs.of(method)

    def begin(self, pairs: Pairs) -> Any:
        """Draw the initial params."""
        drawn = self._programs.draw(np.array([seed for seed, _ in pairs], np.uint32))
        return self._in_blocks(pairs, lambda tried, seeds, part: self._program.begin(tried, part, (), ()), drawn)

    def train(self, pairs: Pairs, members: Any, first: int, last: int) -> Any:
        """Train from one rung to the next."""

        def train(tried: Any, seeds: np.ndarray, members: Any) -> Any:
            for _, batches in self._field.pieces(seeds.tolist(), first, last):
                members = self._program.train(tried, OfSeed(seeds, batches), members, self._field.data)
            return members

        return self._in_blocks(pairs, train, members)

    def judged(self, pairs: Pairs, members: Any) -> Any:
        """Return the params that are judged."""
        return self._in_blocks(pairs, lambda tried, seeds, part: self._program.judged(tried, (), part, ()), members)

    def score(self, pairs: Pairs, members: Any, split: str) -> list[float]:
        """Score a split; what is not finite is worse than any other."""
        of_split, judged = self._field.splits[split], self.judged(pairs, members)
        found = self._in_blocks(
            pairs, lambda tried, seeds, part: self._programs.score(tried, (), part, of_split), judged
        )
        return [float(score) if np.isfinite(score) else float("inf") for score in np.asarray(found)[:, 0]]

    def _in_blocks(self, pairs: Pairs, of_block: Callable[[Any, np.ndarray, Any], Any], tree: Any) -> Any:
        grid, layout, devices = Shape(len(pairs), 1), self._programs.layout, self._programs.devices
        cut = blocks.cut(grid, blocks.shape_of(layout, grid, devices.count, None))

        def work(block: Block) -> Any:
            tried = self._program.tried([self._program.at([pairs[k][1]]) for k in block.seeds])
            seeds = np.array([pairs[k][0] for k in block.seeds], np.uint32)
            done = of_block(tried, seeds, jax.tree.map(lambda leaf: leaf[block.seeds], tree))
            return jax.tree.map(lambda leaf: leaf[: block.counts.seeds], done)

        with ThreadPoolExecutor(blocks.workers(layout)) as pool:
            parts = list(pool.map(work, cut))
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def multistart(
    loss: Callable[[Any, Any], jax.Array],
    init: Init,
    data: Splits,
    *,
    method: str = "adam",
    rates: Sequence[float] = (0.001,),
    starts: int = 16,
    halvings: int = 3,
    score: Score | None = None,
    batch_size: int | None = None,
    steps: int = 1000,
    evaluations: int = 20,
    layout: Layout = "vmap",
) -> Outcome:
    """Train many starts of a model of one's own and return the best by its validation score.

    Args:
        loss: `loss(params, batch)`, the mean over the batch's examples; params may be any tree of arrays.
        init: `init(key)`, initial params; start k has `jax.random.key(k)`.
        data: the splits "train", "validation" and "test", each a tree of arrays with the examples along the first axis.
        method: a method's name; `python -m experiments tasks` lists them.
        rates: learning rates; every start is trained with each.
        starts: how many initializations.
        halvings: how often the worse half is dropped; 0 trains all to the end.
        score: `score(params, batch)`, a mean over examples that judges a start; lower is better; None: the loss.
        batch_size: examples of a step; None: all of them.
        steps: how many steps the last starts take.
        evaluations: the number of equal parts of the steps; rungs lie between parts.
        layout: how starts are computed at once, see `adaptax.comparison.blocks`.

    Raises:
        InputError: a number out of range, an unknown method, a split that is missing.
    """
    if starts < 1 or halvings < 0:
        raise InputError(f"starts must be at least 1 and halvings at least 0, got {starts} and {halvings}.")
    if evaluations < 1 or steps % evaluations:
        raise InputError(f"evaluations must divide steps = {steps}, got {evaluations}.")
    task = Task(
        title="Starts",
        problem=Loss(init, loss, score),
        data=lambda: data,
        scored="score",
        batch_size=batch_size,
        steps=steps,
        evaluate_every=steps // evaluations,
    )
    field = Field(Programs(task, layout), data)
    return search(field, methods.choose([method])[method], rates, range(starts), halvings)
