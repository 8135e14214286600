"""The one training loop: `run(experiment)` trains every contender on every seed.

Here is the order of things: what is compiled is in `experiments.programs`, which pictures a step sees in
`experiments.batches`, what is kept for a run that is killed in `experiments.checkpoints`.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments import batches, loading
from experiments.checkpoints import Checkpoints, Saved, Slot
from experiments.evaluation import Scores
from experiments.experiment import Experiment, InputError
from experiments.loading import OnDevice
from experiments.models import Params, count_weights
from experiments.programs import Programs
from experiments.rows import Row, of_evaluation

CONTENDERS_AT_ONCE = 2  # compiling keeps one core busy; another contender trains meanwhile

Watch = Callable[[list[Row]], None]  # is told of every evaluation, from several threads


class Meeting(NamedTuple):
    """One contender in one trial."""

    trial: str
    contender: str
    method: functools.partial
    data: OnDevice
    slot: Slot | None  # where its checkpoints are


class Evaluation(NamedTuple):
    """What the device was asked for after some steps; reading it waits until it is there."""

    step: int
    scores: Scores
    state: Any  # a copy of params and optimizer state where a checkpoint is due, else None


def run(
    experiment: Experiment,
    watch: Watch = lambda rows: None,
    data: loading.Sets | None = None,
    checkpoints: Checkpoints | None = None,
) -> list[Row]:
    """Train every contender on every seed; the rows come in the order of the experiment.

    With checkpoints, contenders go on from theirs.
    """
    placed = loading.put_on_device(data or loading.load(experiment))
    programs = Programs(experiment)
    start = _initial_params(experiment, programs)
    meetings = [
        Meeting(trial, contender, method, placed[trial], checkpoints and checkpoints.of(trial, number))
        for trial, settings in experiment.trials.items()
        for number, (contender, method) in enumerate(settings.contenders.items())
    ]
    stop = threading.Event()
    with ThreadPoolExecutor(CONTENDERS_AT_ONCE) as pool:
        futures = [pool.submit(_meet, experiment, programs, start, meeting, watch, stop) for meeting in meetings]
        try:
            return [row for future in futures for row in future.result()]
        finally:  # after an error or Ctrl-C, start nothing more
            stop.set()
            pool.shutdown(cancel_futures=True)


def count_evaluations(experiment: Experiment) -> int:
    """Count what the watcher of `run` will be told of."""
    contenders = sum(len(trial.contenders) for trial in experiment.trials.values())
    return contenders * (1 + len(experiment.evaluate_at))


def _meet(
    experiment: Experiment, programs: Programs, start: Params, meeting: Meeting, watch: Watch, stop: threading.Event
) -> list[Row]:
    """Train one contender in one trial, all seeds, from its checkpoint or from the start."""
    program, slot = programs.of(meeting.method), meeting.slot
    params = jax.tree.map(jnp.copy, start)  # a chunk consumes what it gets; others start here too
    begin = Saved(-1, (params, program.init(params)), [])
    begin = (slot and slot.read(begin.state)) or begin
    rows = list(begin.rows)
    for _, evaluation in itertools.groupby(rows, key=lambda row: row.step):
        watch(list(evaluation))
    for asked in _one_behind(_train(experiment, programs, meeting, begin)):
        scores = jax.device_get(asked.scores)
        like = Row(meeting.trial, meeting.contender, 0, asked.step, "", None, None, False)
        evaluation = of_evaluation(like, scores, rows)
        rows += evaluation
        if asked.state is not None:
            slot.save(Saved(asked.step, asked.state, list(rows)))
        watch(evaluation)
        if stop.is_set():
            break
    if slot:
        slot.close()
    return rows


def _train(experiment: Experiment, programs: Programs, meeting: Meeting, begin: Saved) -> Iterator[Evaluation]:
    """Ask for every evaluation after `begin`, without waiting for any."""
    step, (params, state), _ = begin
    program, slot, train = programs.of(meeting.method), meeting.slot, meeting.data.splits["train"]
    if step < 0:
        step = 0
        yield Evaluation(0, programs.evaluate(params, meeting.data), None)
    for last in (at for at in experiment.evaluate_at if at > step):
        order = batches.draw(experiment, step, last, len(train.classes))
        params, state = program.chunk(params, state, meeting.data, order, last - step)
        due = slot is not None and (last == experiment.steps or slot.is_due())
        copy = jax.tree.map(jnp.copy, (params, state)) if due else None  # the next chunk consumes them
        yield Evaluation(last, programs.evaluate(params, meeting.data), copy)
        step = last


def _one_behind(asked: Iterable[Evaluation]) -> Iterator[Evaluation]:
    """Give each evaluation only when the next has been asked for: the device works while the host reads."""
    waiting = None
    for evaluation in asked:
        if waiting is not None:
            yield waiting
        waiting = evaluation
    if waiting is not None:
        yield waiting


def _initial_params(experiment: Experiment, programs: Programs) -> Params:
    """Draw the initial weights of every seed, stacked."""
    keys = jax.vmap(jax.random.key)(jnp.arange(experiment.seeds, dtype=jnp.uint32))
    # One after the other: the random numbers of all seeds at once take three times as long to compile.
    params = jax.jit(lambda keys: jax.lax.map(programs.net.init, keys))(keys)
    weights = count_weights(params) // experiment.seeds
    if weights != experiment.weights:
        raise InputError(f"The model must have {experiment.weights} weights, got {weights}.")
    return params
