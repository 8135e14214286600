"""One member, that is one rate and one seed, and the programs of a task: begin, train on, score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from adaptax.comparison.compiled import Compiled
from adaptax.comparison.contenders import Contender
from adaptax.comparison.layouts import OverGrid
from adaptax.comparison.step import take_step
from adaptax.comparison.task import Batch, Layout, Params, Task

SCORED_AT_ONCE = 50  # examples: a CPU's caches hold the maps of so many pictures


class Member(NamedTuple):
    """Where one member stands."""

    params: Params
    state: Any  # the optimizer's
    step: jax.Array  # how many it has taken
    diverged_at: jax.Array  # the first step at which its training loss was not finite; 0 while there is none


class OfSeed(NamedTuple):
    """What the members of one seed have in common."""

    seed: jax.Array
    order: jax.Array | None  # (steps, batch_size), the numbers of the examples; None: all in every step


class Programs:
    """What all contenders of a task share."""

    def __init__(self, task: Task, layout: Layout) -> None:
        """Compile nothing yet."""
        self.task, self.layout = task, layout
        # One after the other: the random numbers of all seeds at once take three times as long to compile.
        draw = jax.vmap if layout == "vmap" else lambda of_one: lambda seeds: jax.lax.map(of_one, seeds)
        self.draw = Compiled(draw(lambda seed: task.problem.init(jax.random.key(seed))))
        self.score = self._mean(task.problem.score)
        self.loss = self._mean(task.problem.loss)

    def of(self, contender: Contender) -> Program:
        """Give the programs of one contender."""
        return Program(self, contender)

    def _mean(self, score: Callable[[Params, Batch], jax.Array]) -> OverGrid:
        return OverGrid(self.layout, lambda rate, of_seed, params, split: mean_over(score, params, split))


class Program:
    """One contender on one task."""

    def __init__(self, programs: Programs, contender: Contender) -> None:
        """Compile nothing yet."""
        task, layout = programs.task, programs.layout
        self.begin = OverGrid(layout, lambda rate, params, _, shared: begin(contender, rate, params))
        self.train = OverGrid(
            layout,
            lambda rate, of_seed, member, data: train_on(task, contender, rate, of_seed.order, member, data),
            consumes=True,
        )
        self.judged = OverGrid(layout, lambda rate, of_seed, member, shared: judged_params(contender, member))

    @property
    def compile_seconds(self) -> float:
        """Return how long compiling took what only this contender needs."""
        return sum(part.compile_seconds for part in (self.begin, self.train, self.judged))


def begin(contender: Contender, rate: ArrayLike, params: Params) -> Member:
    """Start a member."""
    return Member(params, contender.make(learning_rate=rate).init(params), jnp.int32(0), jnp.int32(0))


def train_on(
    task: Task, contender: Contender, rate: ArrayLike, order: ArrayLike | None, member: Member, data: Batch
) -> Member:
    """Train a member until its next evaluation, on the examples of these numbers; without an order, on all of them."""
    optimizer = contender.make(learning_rate=rate)

    def step(member: Member, numbers: jax.Array | None) -> tuple[Member, None]:
        batch = data if numbers is None else jax.tree.map(lambda part: part[numbers], data)
        params, state, value, *_ = take_step(task.problem.loss, optimizer, member.params, member.state, batch)
        is_new = (member.diverged_at == 0) & ~jnp.isfinite(value)
        count = member.step + 1
        return Member(params, state, count, jnp.where(is_new, count, member.diverged_at)), None

    return jax.lax.scan(step, member, order, length=task.evaluate_every)[0]


def judged_params(contender: Contender, member: Member) -> Params:
    """Give the params that a method wants to be judged by."""
    return member.params if contender.judged_at is None else contender.judged_at(member.state, member.params)


def mean_over(score: Callable[[Params, Batch], jax.Array], params: Params, split: Batch) -> jax.Array:
    """Score a split in slices; a score is a mean over the examples."""
    count = len(jax.tree.leaves(split)[0])
    whole = count - count % SCORED_AT_ONCE if count > SCORED_AT_ONCE else 0
    total = 0.0
    if whole:
        slices = jax.tree.map(lambda part: part[:whole].reshape(-1, SCORED_AT_ONCE, *part.shape[1:]), split)
        total = jax.lax.map(lambda part: score(params, part), slices).sum() * SCORED_AT_ONCE
    if whole < count:
        total += score(params, jax.tree.map(lambda part: part[whole:], split)) * (count - whole)
    return jnp.asarray(total) / count
