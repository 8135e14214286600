"""Choose settings that a source does not state, on the baselines alone.

choose_rates   every method at every rate of one grid, by the protocol: a rate at which a seed diverges is not chosen,
               and the test split is not read
descend        plain gradient descent, for settings that show only in the curve of the loss
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import optax

from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method, Rule
from adaptax.comparison.program import Programs
from adaptax.comparison.protocol import best_rate
from adaptax.comparison.task import Splits, Task
from adaptax.comparison.train import train
from adaptax.comparison.trials import at_rates
from experiments.engine.experiment import Experiment, Trial
from experiments.engine.loop import run
from experiments.engine.rows import curves as curves_of
from experiments.models import Classification


def choose_rates(
    seeds: int,
    *,
    experiment: Experiment,
    data: Callable[[], Splits],
    methods: Mapping[str, Rule],
    rates: Sequence[float],
) -> Iterator[str]:
    """Yield a table line by line: the scores of each method at each rate, and the best rates."""
    splits = data()
    task = Task(
        title=experiment.title,
        problem=Classification(experiment.model, experiment.scale),
        data=lambda: splits,
        scored="error, %",
        batch_size=experiment.batch_size,
        steps=experiment.steps,
        evaluate_every=experiment.steps,
        train_examples_scored=len(splits["train"].classes),
    )
    field = Field(Programs(task, task.layout_on_cpu), splits)
    epochs = experiment.steps * experiment.batch_size // field.count
    yield f"{epochs} epochs, mean over {seeds} seeds: validation error, training loss.\n"
    yield f"| method | {' | '.join(f'{rate:g}' for rate in rates)} | by validation | by training loss |"
    yield "|---" * (len(rates) + 3) + "|"
    for name, method in methods.items():
        curves, _ = train(field, field.programs.of(Method(make=method)), at_rates(rates), range(seeds))
        losses, cells = {}, []
        for rate in rates:
            of_rate, losses[rate], cell = [curve for curve in curves if curve.rate == rate], np.inf, "diverged"
            if not any(curve.diverged_at for curve in of_rate):
                losses[rate] = np.mean([curve.train[-1] for curve in of_rate])
                cell = f"{np.mean([curve.validation[-1] for curve in of_rate]):.2f} %, {losses[rate]:.2g}"
            cells.append(cell)
        yield f"| {name} | {' | '.join(cells)} | {best_rate(curves):g} | {min(losses, key=losses.__getitem__):g} |"


class Descent(NamedTuple):
    """Plain descent, averaged over the seeds."""

    rises: float  # per cent of the evaluations with a training loss above the one before
    first_loss: float
    last_loss: float
    right: np.ndarray  # per cent, train and test, at the end


def descend(
    experiment: Experiment, sets: Mapping[str, Callable[[], Any]], rates: Sequence[float], seeds: int
) -> dict[tuple[str, float], Descent]:
    """Run plain gradient descent on data sets at some rates, by set and rate."""
    methods = {f"{rate:g}": partial(optax.sgd, learning_rate=rate) for rate in rates}
    trials = {name: Trial(title="", data=data, contenders=methods) for name, data in sets.items()}
    rows, descents = run(dataclasses.replace(experiment, seeds=seeds, trials=trials)), {}
    for name, rate in itertools.product(sets, rates):
        train, test = (curves_of(rows, name, f"{rate:g}", split) for split in ("train", "test"))
        descents[name, rate] = Descent(
            rises=100 * np.mean(np.diff(train.loss, axis=1) > 0),
            first_loss=train.loss[:, 0].mean(),
            last_loss=train.loss[:, -1].mean(),
            right=np.array([100 - of.error[:, -1].mean() for of in (train, test)]),
        )
    return descents
