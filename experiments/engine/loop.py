"""The one training loop: `run(experiment)` trains every contender on every seed.

This file has the order of the work. Compiled functions are in `programs`, the sources of pictures in `feeds`, the saved
state of a run in `checkpoints`, the layout over devices in `placement`.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax.comparison.errors import InputError
from adaptax.comparison.processes import from_main
from experiments.engine.checkpoints import Checkpoints, Saved, Slot
from experiments.engine.experiment import Experiment
from experiments.engine.feeds import Feed, Streamed, load_sets, make_feeds
from experiments.engine.placement import Placement
from experiments.engine.programs import Programs, Scores
from experiments.engine.rows import Row, all_diverged, of_evaluation
from experiments.models import Params

CONTENDERS_AT_ONCE = 2  # while one compiles, or keeps only one core busy, another trains
ALONE_WEIGHTS = 300_000  # two at once gain with CIFAR-10 quick's 145,578, and lose with LeNet's 431,080

Watch = Callable[[list[Row]], None]  # called at every evaluation, from several threads
Tick = Callable[[int], None]  # called with the number of new steps, from several threads


class Meeting(NamedTuple):
    """One contender in one trial."""

    trial: str
    contender: str
    method: functools.partial
    feed: Feed
    slot: Slot | None  # where its checkpoints are


class Evaluation(NamedTuple):
    """Scores and state that the device was asked for after some steps; reading them waits for it."""

    step: int
    untold: int  # steps before it that `tick` has not reported
    scores: Scores | None  # None if only a checkpoint is due
    state: Any  # a copy of params and optimizer state if a checkpoint is due, else None


def run(
    experiment: Experiment,
    watch: Watch = lambda rows: None,
    tick: Tick = lambda steps: None,
    feeds: dict[str, Feed] | None = None,
    checkpoints: Checkpoints | None = None,
    placement: Placement | None = None,
) -> list[Row]:
    """Train every contender on every seed; the rows come in the order of the experiment.

    With checkpoints, contenders continue from theirs.
    """
    placement = placement or Placement()
    feeds = feeds or make_feeds(load_sets(experiment), placement)
    programs = Programs(experiment, placement)
    start = initial_params(experiment, programs)
    meetings = [
        Meeting(trial, contender, method, feeds[trial], checkpoints and checkpoints.of(trial, number))
        for trial, settings in experiment.trials.items()
        for number, (contender, method) in enumerate(settings.contenders.items())
    ]
    # Programs over a mesh must come in one order everywhere; two large nets would take each other's caches, two streams
    # each other's decoders, and their speed could not be told.
    alone = placement.mesh is not None or experiment.weights > ALONE_WEIGHTS
    alone = alone or any(isinstance(feed, Streamed) for feed in feeds.values())
    stop = threading.Event()
    with ThreadPoolExecutor(1 if alone else CONTENDERS_AT_ONCE) as pool:
        futures = [pool.submit(_meet, programs, start, meeting, watch, tick, stop) for meeting in meetings]
        try:
            return [row for future in futures for row in future.result()]
        finally:  # after an error or Ctrl-C, start nothing more
            stop.set()
            for feed in feeds.values():
                feed.stop()
            pool.shutdown(cancel_futures=True)


def count_steps(experiment: Experiment) -> int:
    """Count the steps that `tick` will report; a contender whose seeds all diverge ends earlier."""
    return experiment.steps * sum(len(trial.contenders) for trial in experiment.trials.values())


def _meet(
    programs: Programs, start: Params, meeting: Meeting, watch: Watch, tick: Tick, stop: threading.Event
) -> list[Row]:
    """Train one contender in one trial, all seeds, from its checkpoint or from the start."""
    program, slot = programs.of(meeting.method), meeting.slot
    params = jax.tree.map(jnp.copy, start)  # a chunk consumes what it gets; others start here too
    begin = Saved(-1, (params, program.init(params)), [])
    begin = (slot and slot.read(begin.state)) or begin
    rows = list(begin.rows)
    tick(max(begin.step, 0))
    for _, evaluation in itertools.groupby(rows, key=lambda row: row.step):
        watch(list(evaluation))
    asked_for = _train(programs, meeting, begin, tick)
    if not isinstance(meeting.feed, Streamed):  # each is read after the next was asked for, so the device keeps working
        asked_for = (asked for asked, _ in itertools.pairwise(itertools.chain(asked_for, [None])))
    for asked in asked_for:
        evaluation = []
        if asked.scores is not None:
            like = Row(meeting.trial, meeting.contender, 0, asked.step, "", None, None, False)
            evaluation = of_evaluation(like, jax.device_get(asked.scores), rows)
        rows += evaluation
        if asked.state is not None:
            slot.save(Saved(asked.step, asked.state, list(rows)))
        if evaluation:
            watch(evaluation)
        tick(asked.untold)
        if stop.is_set() or all_diverged(rows):
            break
    if slot:
        slot.close()
    return rows


def _train(programs: Programs, meeting: Meeting, begin: Saved, tick: Tick) -> Iterator[Evaluation]:
    """Yield every evaluation after `begin`, without waiting for its values."""
    experiment, feed, slot = programs.experiment, meeting.feed, meeting.slot
    program, (step, (params, state), rows) = programs.of(meeting.method), begin

    def copy_if(due: bool) -> Any:
        if slot is None:
            return None
        ready = slot.is_due()
        if not (due or from_main(lambda: ready)):
            return None
        return jax.tree.map(jnp.copy, (params, state))  # the next chunk consumes them

    if all_diverged(rows):
        return
    if step < 0:
        step = 0
        yield Evaluation(0, 0, feed.score(programs, params), None)
    untold = 0
    for last in (at for at in experiment.evaluate_at if at > step):
        for number, (batches, steps) in enumerate(feed.pieces(experiment, step, last)):
            if number:  # a stream
                jax.block_until_ready(params)  # otherwise its batches would pile up on the device
                tick(untold)
                if copy := copy_if(False):  # an evaluation may be hours away
                    yield Evaluation(step, 0, None, copy)
            params, state = program.chunk(params, state, feed.data, batches, np.int32(step), steps)
            step, untold = step + steps, steps
        copy = copy_if(last == experiment.steps)
        yield Evaluation(last, untold, feed.score(programs, params), copy)


def initial_params(experiment: Experiment, programs: Programs) -> Params:
    """Draw the initial weights of every seed, stacked."""

    def draw(seed: jax.Array) -> Params:
        return programs.placement.divide_weights(programs.net.init(jax.random.key(seed)))

    # One seed after the other: random numbers of all seeds at once take three times as long to compile.
    params = jax.jit(lambda seeds: jax.lax.map(draw, seeds))(np.arange(experiment.seeds, dtype=np.uint32))
    weights = optax.tree.size(params) // experiment.seeds
    if weights != experiment.weights:
        raise InputError(f"The model must have {experiment.weights} weights, got {weights}.")
    return params
