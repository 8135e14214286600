"""The sources of pictures: a data set that is on the device as a whole, or folders that are read batch by batch.

Both feeds have the same three parts. `data` is an argument of every call of a program; `pieces` are the batches between
two evaluations, one piece for each call; `score` is the evaluation.
"""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import jax
import numpy as np

from adaptax.comparison import batches
from adaptax.comparison.task import call_with_path, checksum, has_path
from experiments.data import Dataset, Split
from experiments.data.imagenet import Folders, Placed, place_anywhere, place_centrally
from experiments.data.pipeline import Pipeline
from experiments.data.scaling import mean_image
from experiments.engine.experiment import Experiment
from experiments.engine.placement import Placement
from experiments.engine.programs import OnDevice, Programs, Scores
from experiments.models import Params

PICTURES_AT_ONCE = 50  # for scoring a stream, as in Caffe's test batches
Sets = dict[str, Dataset | Folders]  # by trial


class Held:
    """A data set on the device: one piece, with the numbers of the pictures."""

    def __init__(self, dataset: Dataset, placement: Placement) -> None:
        """Copy it once."""
        self.data = OnDevice(placement.put(dict(dataset)), placement.put(mean_image(dataset["train"].pictures)))
        self._count, self._placement = len(dataset["train"].classes), placement

    def pieces(self, experiment: Experiment, first: int, last: int) -> Iterator[tuple[Any, int]]:
        """Yield the batches from step `first` to before `last`, and their number of steps."""
        order = batches.draw(range(experiment.seeds), experiment.batch_size, first, last, self._count)
        yield (None if order is None else self._placement.put_batches(order)), last - first

    def score(self, programs: Programs, params: Params) -> Scores:
        """Measure loss and error on every split."""
        return programs.evaluate(params, self.data)

    def stop(self) -> None:
        """Do nothing: no piece takes long."""


class Streamed:
    """Folders of pictures: one piece per step, decoded ahead on the host."""

    def __init__(self, folders: Folders, placement: Placement) -> None:
        """Put the mean picture on the device; pictures are read later, on demand."""
        self.data = OnDevice({}, placement.put(folders.mean))
        self.pictures = self.seconds = self.waited = 0.0  # trained on; in so long; of which for the next batch
        self._folders, self._placement, self._is_stopped = folders, placement, threading.Event()

    def stop(self) -> None:
        """Stop reading, in all threads: nothing waits for the pictures any more."""
        self._is_stopped.set()

    def pieces(self, experiment: Experiment, first: int, last: int) -> Iterator[tuple[Any, int]]:
        """Yield the batches of every seed, step by step."""
        number, count = self._placement.share()
        pipelines = [
            Pipeline(
                self._folders.splits["train"],
                batch_size=experiment.batch_size // count,
                seed=seed,
                epochs=None,
                augment=place_anywhere,
                num_workers=self._folders.num_workers,
                process_index=number,
                process_count=count,
                first_batch=first,
                last_batch=last,
            )
            for seed in range(experiment.seeds)
        ]
        try:
            for step in range(first, last):
                began = time.monotonic()
                of_seeds = [Split(batch, batch.class_) for batch in map(self._next, pipelines)]
                waited = time.monotonic() - began
                yield self._placement.put_shares(jax.tree.map(lambda *parts: np.stack(parts)[:, None], *of_seeds)), 1
                if step > first:  # the first one compiles, or starts the workers
                    self.pictures += experiment.batch_size * experiment.seeds
                    self.seconds += time.monotonic() - began
                    self.waited += waited
        finally:
            for pipeline in pipelines:
                pipeline.close()

    def score(self, programs: Programs, params: Params) -> Scores:
        """Measure loss and error on the middle of every test picture and of a sample of the others."""
        limits = {"train": programs.experiment.train_pictures_evaluated}
        return {split: self._score(programs, params, split, limits.get(split)) for split in self._folders.splits}

    def _score(self, programs: Programs, params: Params, split: str, limit: int | None) -> jax.Array:
        # The folders are sorted by class, so a sample is drawn, always the same.
        records = self._folders.splits[split]
        total = min(limit or len(records), len(records))
        ahead = Pipeline(
            records,
            batch_size=PICTURES_AT_ONCE,
            shuffle=limit is not None,
            drop_last=False,
            augment=place_centrally,
            num_workers=self._folders.num_workers,
            last_batch=-(-total // PICTURES_AT_ONCE),
        )
        sums, count = 0.0, 0
        with contextlib.closing(ahead) as pictures:
            while count < total:
                batch = jax.tree.map(lambda part: part[: total - count], self._next(pictures))  # noqa: B023
                sums += programs.tally(params, self._placement.put(Split(batch, batch.class_)), self.data.mean)
                jax.block_until_ready(sums)  # otherwise batches would pile up on the device
                count += len(batch.class_)
        return sums / total

    def _next(self, pictures: Pipeline) -> Placed:
        if self._is_stopped.is_set():
            raise CancelledError
        return next(pictures)


Feed = Held | Streamed


def load_sets(experiment: Experiment, folder: Path | None = None) -> Sets:
    """Read the data of every trial, from `folder` if they are files; trials with the same data share one object."""
    loaders = {_call(trial.data): trial.data for trial in experiment.trials.values()}
    sets = {call: call_with_path(load, folder) for call, load in loaders.items()}
    return {name: sets[_call(trial.data)] for name, trial in experiment.trials.items()}


def make_feeds(sets: Sets, placement: Placement) -> dict[str, Feed]:
    """Make the feed of each trial; trials with the same data set share one."""
    distinct = {id(part): part for part in sets.values()}
    feeds = {
        key: Streamed(part, placement) if isinstance(part, Folders) else Held(part, placement)
        for key, part in distinct.items()
    }
    return {name: feeds[id(part)] for name, part in sets.items()}


def checksums(sets: Sets) -> dict[str, str]:
    """Identify the data set of each trial."""
    return {name: part.checksum() if isinstance(part, Folders) else checksum(part) for name, part in sets.items()}


def _call(load: Callable[..., Dataset | Folders]) -> Any:
    """Identify a loader: partials with the same settings are the same."""
    if isinstance(load, functools.partial):
        return load.func, tuple(sorted(load.keywords.items()))
    return load


def reads_files(experiment: Experiment) -> bool:
    """Say whether some of the data are files; letters and digits come with the packages."""
    return any(has_path(trial.data) for trial in experiment.trials.values())
