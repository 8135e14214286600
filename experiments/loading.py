"""The data of an experiment, each set read once: before anything is compiled, and then on the device as a whole."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.data import Dataset, Split
from experiments.data.scaling import mean_image
from experiments.experiment import Experiment

Sets = dict[str, Dataset]  # by trial


class OnDevice(NamedTuple):
    """A data set as the programs take it."""

    splits: dict[str, Split]
    mean: jax.Array  # of the training pictures


def load(experiment: Experiment, folder: Path | None = None) -> Sets:
    """Read the data of every trial, from `folder` where they are files; what two trials share is one object."""
    sets: dict[Any, Dataset] = {}
    for trial in experiment.trials.values():
        key = _call(trial.data)
        if key not in sets:
            sets[key] = trial.data(**_where(trial.data, folder))
    return {name: sets[_call(trial.data)] for name, trial in experiment.trials.items()}


def put_on_device(data: Sets) -> dict[str, OnDevice]:
    """Copy every set once."""
    copies = {id(dataset): dataset for dataset in data.values()}
    placed = {
        key: OnDevice(jax.device_put(dict(dataset)), jax.device_put(mean_image(dataset["train"].pictures)))
        for key, dataset in copies.items()
    }
    return {name: placed[id(dataset)] for name, dataset in data.items()}


def _call(load: Callable[..., Dataset]) -> Any:
    """Tell loaders apart: two partials with the same settings are one."""
    if isinstance(load, functools.partial):
        return load.func, tuple(sorted(load.keywords.items()))
    return load


def _where(load: Callable[..., Dataset], folder: Path | None) -> dict[str, Path]:
    """Give the folder to those that read files; letters and digits come with the packages."""
    return {"path": folder} if folder is not None and "path" in inspect.signature(load).parameters else {}
