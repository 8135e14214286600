"""Observe each layer under each contender (`--observe 20`): a comparison's engine trains the first seed once more.

Weights, batches and steps are those of the run. For each contender, OUT/SLUG/observed/TRIAL has a file with a line per
step and layer, and a picture of its effective rates.
"""

import functools
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import optax

from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method
from adaptax.comparison.observing import check_every, observe
from adaptax.comparison.program import Programs as MemberPrograms
from adaptax.comparison.report.observed import drawn
from adaptax.comparison.results import OBSERVED, read_observed, write_observed
from adaptax.comparison.task import Loss, Task
from adaptax.comparison.trials import Trial as Tried
from adaptax.live import History
from experiments.data import Dataset, Split
from experiments.data.imagenet import Folders
from experiments.data.scaling import mean_image
from experiments.engine.experiment import Experiment
from experiments.engine.programs import Programs
from experiments.models import Params


def check(experiment: Experiment, sets: Mapping[str, Dataset | Folders]) -> None:
    """Refuse an interval above the number of steps, and pictures that are streamed."""
    check_every(experiment.observe, experiment.steps)
    if experiment.observe and any(isinstance(data, Folders) for data in sets.values()):
        raise InputError("observe needs data in memory; these are folders of pictures.")


def observe_all(
    experiment: Experiment, sets: Mapping[str, Any], tell: Callable[[str], None]
) -> Iterator[tuple[str, str, History]]:
    """Observe every contender of every trial; yield trial, contender and observations."""
    for trial, settings in experiment.trials.items() if experiment.observe else ():
        splits = {"validation": sets[trial]["test"], **sets[trial]}  # a comparison's has one; neither is looked at
        field = Field(MemberPrograms(_task(experiment, splits), "threads"), splits)
        for contender, method in settings.contenders.items():
            tell(f"{trial}, {contender}: observing")
            program = field.programs.of(Method(make=functools.partial(_of_its_own_rate, method)))
            yield trial, contender, observe(field, program, Tried(0.0), 0, experiment.observe)


def write(folder: Path, seen: list[tuple[str, str, History]]) -> None:
    """Write the observations, and their pictures, to the folder of the record."""
    shutil.rmtree(folder / OBSERVED, ignore_errors=True)  # an older record's
    for trial, contender, history in seen:
        write_observed(folder / OBSERVED / trial, contender, history)
    for of_trial in {folder / OBSERVED / trial: None for trial, *_ in seen}:
        observed = read_observed(of_trial)
        for contender, picture in zip(observed, drawn(observed), strict=True):
            (of_trial / f"{contender}.svg").write_text(picture, encoding="utf-8")


def _of_its_own_rate(method: Callable[[], optax.GradientTransformation], *, learning_rate: Any) -> Any:
    """Make a contender; it already has its rate."""
    return method()


def _task(experiment: Experiment, data: Dataset) -> Task:
    """Make a comparison's task of the experiment; nothing is scored."""
    programs, mean = Programs(experiment), mean_image(data["train"].pictures)

    def loss(params: Params, batch: Split, key: jax.Array) -> jax.Array:
        return programs.loss(params, batch, mean, key if programs.net.has_chance else None)

    return Task(
        title=experiment.title,
        problem=Loss(programs.net.init, loss),
        data=lambda: data,
        scored="nothing",
        batch_size=experiment.batch_size,
        steps=experiment.steps,
        evaluate_every=experiment.steps,
    )
