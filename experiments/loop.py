"""The one training loop: `run(experiment)` trains every contender on every seed.

Here are the order of things and the rows; what is compiled is in `experiments.programs`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.data import Dataset, Split
from experiments.experiment import Experiment
from experiments.models import Params, count_weights
from experiments.programs import Programs

CONTENDERS_AT_ONCE = 2  # compiling keeps one core busy; another contender trains meanwhile


class Row(NamedTuple):
    """One evaluation of one seed; no loss and no error where the loss was no longer finite."""

    trial: str
    contender: str
    seed: int
    epoch: int
    step: int
    split: str
    loss: float | None  # mean cross-entropy per picture, in nats
    error: float | None  # per cent of the pictures
    diverged: bool


Watch = Callable[[list[Row]], None]  # is told of every evaluation, from several threads


def run(experiment: Experiment, watch: Watch = lambda rows: None) -> list[Row]:
    """Train every contender on every seed; the rows come in the order of the experiment."""
    programs = Programs(experiment)
    start = _initial_params(experiment, programs)
    meetings = [
        (trial, jax.device_put(dict(settings.data())), contender, method)
        for trial, settings in experiment.trials.items()
        for contender, method in settings.contenders.items()
    ]
    with ThreadPoolExecutor(CONTENDERS_AT_ONCE) as pool:
        futures = [pool.submit(_meet, experiment, programs, start, *meeting, watch) for meeting in meetings]
        try:
            return [row for future in futures for row in future.result()]
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, start nothing more


def _meet(
    experiment: Experiment,
    programs: Programs,
    start: Params,
    trial: str,
    data: Dataset,
    contender: str,
    method: functools.partial,
    watch: Watch,
) -> list[Row]:
    """Train one contender in one trial, all seeds."""
    rows: list[Row] = []
    alive = np.ones(experiment.seeds, bool)
    for epoch, params in _train(experiment, programs, start, data["train"], method):
        scores = jax.device_get(programs.evaluate(params, data))
        step = epoch * _steps_per_epoch(experiment, data["train"])
        like = Row(trial, contender, 0, epoch, step, "", None, None, False)
        evaluation = _rows(like, scores, alive)
        watch(evaluation)
        rows += evaluation
        # A seed that diverged is recorded once, and then no more.
        alive &= np.all([np.isfinite(s[:, 0]) for s in scores.values()], axis=0)
    return rows


def count_evaluations(experiment: Experiment) -> int:
    """Count what the watcher of `run` will be told of."""
    contenders = sum(len(trial.contenders) for trial in experiment.trials.values())
    return contenders * (1 + experiment.epochs // experiment.evaluate_every_epochs)


def _train(
    experiment: Experiment,
    programs: Programs,
    start: Params,
    train: Split,
    contender: functools.partial,
) -> Iterator[tuple[int, Params]]:
    """Yield (epoch, params of all seeds), from the start on; read them before asking for more."""
    program = programs.of(contender)
    yield 0, start
    params = jax.tree.map(jnp.copy, start)  # a chunk consumes what it gets; others start here too
    state = program.init(params)
    for epoch in range(0, experiment.epochs, experiment.evaluate_every_epochs):
        batches = _draw_batches(experiment, epoch, len(train.classes))
        params, state = program.chunk(params, state, train, batches)
        yield epoch + experiment.evaluate_every_epochs, params


def _initial_params(experiment: Experiment, programs: Programs) -> Params:
    """Draw the initial weights of every seed, stacked."""
    keys = jax.vmap(jax.random.key)(jnp.arange(experiment.seeds, dtype=jnp.uint32))
    # One after the other: the random numbers of all seeds at once take three times as long to compile.
    params = jax.jit(lambda keys: jax.lax.map(programs.net.init, keys))(keys)
    weights = count_weights(params) // experiment.seeds
    if weights != experiment.weights:
        raise ValueError(f"The model must have {experiment.weights} weights, got {weights}.")
    return params


def _steps_per_epoch(experiment: Experiment, train: Split) -> int:
    """Count the whole batches of an epoch; the last, incomplete one is dropped."""
    count = len(train.classes)
    return count // (experiment.batch_size or count)


def _draw_batches(experiment: Experiment, first_epoch: int, count: int) -> jax.Array | None:
    """Draw the pictures of each batch until the next evaluation: (seeds, steps, batch_size).

    The order depends on seed and epoch alone, so all contenders of a seed see the same.
    """
    if experiment.batch_size is None:
        return None
    whole = count - count % experiment.batch_size
    epochs = range(first_epoch, first_epoch + experiment.evaluate_every_epochs)
    orders = [
        [np.random.default_rng([seed, epoch]).permutation(count)[:whole] for epoch in epochs]
        for seed in range(experiment.seeds)
    ]
    shape = (experiment.seeds, -1, experiment.batch_size)
    return jax.device_put(np.array(orders, np.int32).reshape(shape))


def _rows(like: Row, scores: dict[str, np.ndarray], alive: np.ndarray) -> list[Row]:
    """Turn the scores of one evaluation into rows; seeds that diverged before are left out."""
    rows = []
    for split, values in scores.items():
        for seed in map(int, np.flatnonzero(alive)):
            loss, error = map(float, values[seed])
            measured = {"loss": loss, "error": error, "diverged": False}
            if not np.isfinite(loss):
                measured = {"loss": None, "error": None, "diverged": True}
            rows.append(like._replace(seed=seed, split=split, **measured))
    return rows
