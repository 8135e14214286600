"""The data of an experiment: each set is read once, before anything is compiled, and then put where programs get it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adaptax.comparison.task import call_with_path, checksum, has_path
from experiments.data import Dataset
from experiments.data.imagenet import Folders
from experiments.engine.experiment import Experiment
from experiments.engine.feeds import Feed, Held, Streamed
from experiments.engine.placement import Placement

Sets = dict[str, Dataset | Folders]  # by trial


def load(experiment: Experiment, folder: Path | None = None) -> Sets:
    """Read the data of every trial, from `folder` where they are files; what two trials share is one object."""
    sets: dict[Any, Dataset | Folders] = {}
    for trial in experiment.trials.values():
        key = _call(trial.data)
        if key not in sets:
            sets[key] = call_with_path(trial.data, folder)
    return {name: sets[_call(trial.data)] for name, trial in experiment.trials.items()}


def feed(sets: Sets, placement: Placement) -> dict[str, Feed]:
    """Make the feed of each trial, one for all that share a set."""
    distinct = {id(part): part for part in sets.values()}
    feeds = {
        key: Streamed(part, placement) if isinstance(part, Folders) else Held(part, placement)
        for key, part in distinct.items()
    }
    return {name: feeds[id(part)] for name, part in sets.items()}


def checksums(sets: Sets) -> dict[str, str]:
    """Tell data sets apart, by trial."""
    return {name: part.checksum() if isinstance(part, Folders) else checksum(part) for name, part in sets.items()}


def _call(load: Callable[..., Dataset | Folders]) -> Any:
    """Tell loaders apart: two partials with the same settings are one."""
    if isinstance(load, functools.partial):
        return load.func, tuple(sorted(load.keywords.items()))
    return load


def reads_files(experiment: Experiment) -> bool:
    """Say whether some of the data are files; letters and digits come with the packages."""
    return any(has_path(trial.data) for trial in experiment.trials.values())
