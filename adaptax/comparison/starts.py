"""Successive halving over initializations and, if asked, rates.

All starts train to the first rung; the half with the lower validation score trains on to the next, twice as far, and so
on; the last ones reach the end. A start that diverged is worse than any other. Jamieson & Talwalkar, "Non-stochastic
best arm identification and hyperparameter optimization", AISTATS 2016, algorithm 1, with a budget of steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from adaptax.comparison import contenders
from adaptax.comparison.contenders import Contender
from adaptax.comparison.errors import InputError
from adaptax.comparison.layouts import OverGrid
from adaptax.comparison.program import Programs, begin, judged_params, train_on
from adaptax.comparison.task import Layout, Loss, Task
from adaptax.comparison.train import Field, Tick

KEPT = 0.5


class Start(NamedTuple):
    """What became of one start."""

    seed: int
    rate: float
    validation: tuple[float, ...]  # score at every rung it reached; infinite where it was not finite
    dropped_after: int | None  # steps; None: it reached the end


class Outcome(NamedTuple):
    """The best start, and all of them."""

    params: Any  # the best one's, as its method wants to be judged
    test: float  # the best one's score; read once
    starts: tuple[Start, ...]  # the best first, then by how far they came
    steps_trained: int  # over all starts


def rungs(task: Task, halvings: int) -> tuple[int, ...]:
    """Return the steps after which is judged: the end, and before it half as far each time, at evaluations."""
    every = task.evaluate_every
    ends = [max(every, round(task.steps / 2**k / every) * every) for k in range(halvings, -1, -1)]
    if len(set(ends)) < len(ends):
        raise InputError(
            f"halvings must leave an evaluation between rungs; of {task.steps // every} evaluations {halvings} cannot."
        )
    return tuple(ends)


def search(
    field: Field,
    contender: Contender,
    rates: Sequence[float],
    seeds: Sequence[int],
    halvings: int,
    tick: Tick = lambda member_steps: None,
) -> Outcome:
    """Train every seed with every rate, and drop the worse half at every rung but the last."""
    programs, task = _Programs(field.programs, contender), field.programs.task
    pairs = [(seed, rate) for seed in seeds for rate in rates]
    members = programs.begin(pairs, field)
    found: dict[tuple[int, float], list[float]] = {pair: [] for pair in pairs}
    steps_trained, alive = 0, pairs
    for first, last in itertools.pairwise((0, *rungs(task, halvings))):
        for step in range(first, last, task.evaluate_every):
            members = programs.train(alive, members, field, step)
            tick(len(alive) * task.evaluate_every)
        steps_trained += len(alive) * (last - first)
        scores = programs.score(alive, members, field, "validation")
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
        params=jax.tree.map(lambda leaf: leaf[0, 0], programs.judged(alive[:1], first)),
        test=programs.score(alive[:1], first, field, "test")[0],
        starts=tuple(sorted(starts, key=lambda start: (-len(start.validation), start.validation[-1]))),
        steps_trained=steps_trained,
    )


class _OfStart(NamedTuple):
    rate: jax.Array
    params: Any
    order: jax.Array | None


class _Programs:
    """A contender's programs for a list of starts: seeds of a grid with one column, each with a rate of its own."""

    def __init__(self, shared: Programs, contender: Contender) -> None:
        task, layout = shared.task, shared.layout
        self._shared = shared
        self._begin = OverGrid(layout, lambda _, start, member, data: begin(contender, start.rate, start.params))
        self._train = OverGrid(
            layout,
            lambda _, start, member, data: train_on(task, contender, start.rate, start.order, member, data),
            consumes=True,
        )
        self._judged = OverGrid(layout, lambda _, start, member, data: judged_params(contender, member))

    def begin(self, pairs: Sequence[tuple[int, float]], field: Field) -> Any:
        params = self._shared.draw(np.array([seed for seed, _ in pairs], np.uint32))
        return self._begin(_COLUMN, _OfStart(_rates(pairs), params, None), (), ())

    def train(self, pairs: Sequence[tuple[int, float]], members: Any, field: Field, step: int) -> Any:
        seeds, last = [seed for seed, _ in pairs], step + self._shared.task.evaluate_every
        of_starts = _OfStart(_rates(pairs), (), field.order(seeds, step, last))
        return self._train(_COLUMN, of_starts, members, field.splits["train"])

    def judged(self, pairs: Sequence[tuple[int, float]], members: Any) -> Any:
        return self._judged(_COLUMN, _OfStart(_rates(pairs), (), None), members, ())

    def score(self, pairs: Sequence[tuple[int, float]], members: Any, field: Field, split: str) -> list[float]:
        of_starts = _OfStart(_rates(pairs), (), None)
        scores = self._shared.score(_COLUMN, of_starts, self.judged(pairs, members), field.splits[split])
        return [float(score) if np.isfinite(score) else float("inf") for score in np.asarray(scores)[:, 0]]


_COLUMN = np.zeros(1, np.float32)


def _rates(pairs: Sequence[tuple[int, float]]) -> np.ndarray:
    return np.array([rate for _, rate in pairs], np.float32)


def multistart(
    loss: Callable[[Any, Any], jax.Array],
    init: Callable[[jax.Array], Any],
    data: Mapping[str, Any],
    *,
    method: str = "adam",
    rates: Sequence[float] = (0.001,),
    starts: int = 16,
    halvings: int = 3,
    score: Callable[[Any, Any], jax.Array] | None = None,
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
        method: a contender's name, `python -m experiments tasks` lists them.
        rates: learning rates; every start is trained with each.
        starts: how many initializations.
        halvings: how often the worse half is dropped; 0 trains all to the end.
        score: `score(params, batch)`, what is judged, lower is better, a mean over examples; None: the loss.
        batch_size: examples of a step; None: all of them.
        steps: how many the last ones take.
        evaluations: into how many parts the steps are cut; rungs lie between them.
        layout: how starts are computed at once, see `adaptax.comparison.layouts`.

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
    return search(field, contenders.choose([method])[method], rates, range(starts), halvings)
