"""Train a grid of members, trials by seeds, from start to end, and return the curve of each."""

from __future__ import annotations

import collections
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

import adaptax
from adaptax.comparison import blocks
from adaptax.comparison.blocks import Block, Shape
from adaptax.comparison.curve import Curve, cut
from adaptax.comparison.devices import free_bytes
from adaptax.comparison.field import Field
from adaptax.comparison.program import OfSeed, Program, Tried
from adaptax.comparison.trials import Trial

KINDS = ("compile", "batches", "steps", "scoring")  # the kinds of work that training takes


class Cost(NamedTuple):
    """The time that a grid took, on a machine that may have been busy."""

    seconds: dict[str, float]  # by kind; of blocks that are computed at once, the mean over their threads
    member_steps: int
    gradients_per_step: int
    at_once: int | None  # how many members fit side by side on a device; None: all of a block


class Evaluation(NamedTuple):
    """A report after a block was scored."""

    member_steps: int  # since the last report
    trials: Sequence[Trial]
    validation: np.ndarray  # (seeds, trials)


Tick = Callable[[Evaluation], None]  # called from several threads


def train(
    field: Field,
    program: Program,
    trials: Sequence[Trial],
    seeds: Sequence[int],
    *,
    reads_test: bool = False,
    tick: Tick = lambda evaluation: None,
    at_once: int | None = None,
    free: int | None = None,
) -> tuple[list[Curve], Cost]:
    """Train every trial with every seed; the curves come seed by seed.

    Args:
        field: the task, its data and programs.
        program: the method's.
        trials: its trials.
        seeds: of initial params and batches.
        reads_test: whether the test split is scored at the end.
        tick: called at every evaluation.
        at_once: how many members stand side by side on a device; None: as many as fit its memory.
        free: bytes of memory on a device; None: what is free.

    Raises:
        InputError: not even one member fits, or a stream ends early.
    """
    programs, grid = field.programs, Shape(len(seeds), len(trials))
    layout, devices, clock = programs.layout, programs.devices.count, _Clock()
    with clock.of("compile"):
        shape = blocks.shape_of(layout, grid, devices, at_once)
        needed = _compile(field, program, shape, trials[0], reads_test)
        free = free_bytes() if free is None else free
        if at_once is None and needed > free:
            at_once = _most(field, program, grid, trials[0], free)
            shape = blocks.shape_of(layout, grid, devices, at_once)
            _compile(field, program, shape, trials[0], reads_test)
    cut_blocks = blocks.cut(grid, shape)
    threads = min(blocks.workers(layout), len(cut_blocks))
    work = _Work(field, program, list(trials), list(seeds), reads_test, tick, clock)
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work, block) for block in cut_blocks]
        try:
            of_blocks = [future.result() for future in futures]
        except BaseException:
            work.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    curves = {(curve.seed, curve.trial): curve for of_block in of_blocks for curve in of_block}
    seconds = {kind: clock.seconds[kind] / (1 if kind == "compile" else threads) for kind in KINDS}
    cost = Cost(
        seconds, grid.seeds * grid.trials * programs.task.steps, gradients_per_step(field, program, trials[0]), at_once
    )
    return [curves[seed, trial] for seed in seeds for trial in trials], cost


class _Clock:
    """Seconds by kind, of all threads together."""

    def __init__(self) -> None:
        self.seconds, self._lock = collections.Counter(), threading.Lock()

    def of(self, kind: str) -> _Timed:
        return _Timed(self, kind)

    def add(self, kind: str, seconds: float) -> None:
        with self._lock:
            self.seconds[kind] += seconds


class _Timed:
    def __init__(self, clock: _Clock, kind: str) -> None:
        self._clock, self._kind = clock, kind

    def __enter__(self) -> None:
        self._start = time.monotonic()

    def __exit__(self, *_: Any) -> None:
        self._clock.add(self._kind, time.monotonic() - self._start)


class _Work:
    """Trains one block from start to end."""

    def __init__(
        self, field: Field, program: Program, trials: list, seeds: list, reads_test: bool, tick: Tick, clock: _Clock
    ) -> None:
        self._field, self._program, self._trials, self._seeds = field, program, trials, seeds
        self._reads_test, self._tick, self._clock, self.stop = reads_test, tick, clock, threading.Event()

    def __call__(self, block: Block) -> list[Curve]:
        field, program, programs, task = self._field, self._program, self._field.programs, self._field.programs.task
        fetch, clock, shape = programs.devices.fetch, self._clock, block.counts
        seeds, trials = [self._seeds[s] for s in block.seeds], [self._trials[t] for t in block.trials]
        tried, numbers = program.tried([trials] * len(seeds)), np.array(seeds, np.uint32)
        with clock.of("batches"):
            drawn = programs.draw(numbers)
            members = program.begin(tried, drawn, (), ())
        scored: dict[str, list[np.ndarray]] = {"train": [], "validation": []}
        judged = None
        for last, batches in self._timed_pieces(seeds):
            with clock.of("steps"):
                members = jax.block_until_ready(program.train(tried, OfSeed(numbers, batches), members, field.data))
            if last % task.evaluate_every:
                continue
            with clock.of("scoring"):
                judged = program.judged(tried, (), members, ())
                scored["train"].append(fetch(programs.loss(tried, (), judged, field.scored)))
                scored["validation"].append(fetch(programs.score(tried, (), judged, field.splits["validation"])))
            seen = scored["validation"][-1][: shape.seeds, : shape.trials]
            self._tick(Evaluation(shape.seeds * shape.trials * task.evaluate_every, trials[: shape.trials], seen))
        with clock.of("scoring"):
            test = fetch(programs.score(tried, (), judged, field.splits["test"])) if self._reads_test else None
            diverged_at = fetch(members.diverged_at)
        of = {name: np.array(values) for name, values in scored.items()}  # (evaluations, seeds, trials)
        return [
            cut(
                trials[t],
                seeds[s],
                task.evaluations,
                of["train"][:, s, t],
                of["validation"][:, s, t],
                None if test is None else float(test[s, t]),
                int(diverged_at[s, t]),
            )
            for s in range(shape.seeds)
            for t in range(shape.trials)
        ]

    def _timed_pieces(self, seeds: list[int]) -> Any:
        pieces = self._field.pieces(seeds)
        while not self.stop.is_set():
            with self._clock.of("batches"):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece


class _Abstract(NamedTuple):
    """The arguments of a block's programs, as shapes."""

    tried: Tried
    seeds: jax.ShapeDtypeStruct
    drawn: Any
    members: Any
    judged: Any
    of_seeds: OfSeed


def _abstract(field: Field, program: Program, shape: Shape, trial: Trial) -> _Abstract:
    programs = field.programs
    tried = program.tried([[trial] * shape.trials] * shape.seeds)
    seeds = jax.ShapeDtypeStruct((shape.seeds,), np.uint32)
    drawn = jax.eval_shape(programs.draw.function, seeds)
    members = program.begin.eval_shape(tried, drawn, (), ())
    judged = program.judged.eval_shape(tried, (), members, ())
    return _Abstract(tried, seeds, drawn, members, judged, OfSeed(seeds, field.like(shape.seeds)))


def _compile(field: Field, program: Program, shape: Shape, trial: Trial, reads_test: bool) -> int:
    """Compile all programs for blocks of this shape, the longest first, as many at once as the machine has cores.

    Return the bytes that training needs on a device for all blocks that are computed at once.
    """
    programs, of = field.programs, _abstract(field, program, shape, trial)
    scored = [*([field.splits["test"]] if reads_test else []), field.splits["validation"]]
    work = [
        lambda: program.train.prepare(of.tried, of.of_seeds, of.members, field.data),
        lambda: programs.draw.prepare(of.seeds),
        lambda: program.begin.prepare(of.tried, of.drawn, (), ()),
        lambda: program.judged.prepare(of.tried, (), of.members, ()),
        lambda: programs.loss.prepare(of.tried, (), of.judged, field.scored),
        *(lambda split=split: programs.score.prepare(of.tried, (), of.judged, split) for split in scored),
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        needed, *_ = [future.result() for future in [pool.submit(part) for part in work]]
    return blocks.workers(programs.layout) * needed


def _most(field: Field, program: Program, grid: Shape, trial: Trial, free: int) -> int:
    """Measure how many members fit side by side on a device."""
    layout, devices = field.programs.layout, field.programs.devices.count
    wanted = blocks.shape_of(layout, grid, devices, None)
    each = wanted.seeds * wanted.trials // devices

    def needed(count: int) -> int:
        # A row of trials of one seed, or the block that is wanted.
        shape = wanted if count == each else Shape(1, count * devices)
        of = _abstract(field, program, shape, trial)
        return blocks.workers(layout) * program.train.prepare(of.tried, of.of_seeds, of.members, field.data)

    return blocks.most(needed, each, free)


def gradients_per_step(field: Field, program: Program, trial: Trial) -> int:
    """Return how many gradients a step of a method takes."""
    of = _abstract(field, program, Shape(1, 1), trial)
    first = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype), of.members)
    return len(jax.eval_shape(adaptax.lookahead_points, first.params, first.state))
