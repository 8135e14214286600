"""A task on which methods are compared: a problem to minimize, its data, and the number of steps.

It knows nothing of pictures or classes: params are any tree, and a batch is any tree of arrays with the examples along
their first axis. A split is such a tree as a whole, or a function from a seed to an iterator of batches.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import jax
import numpy as np

from adaptax.comparison.describe import describe, name_of
from adaptax.comparison.errors import InputError

Batch = Any
Params = Any
Splits = Mapping[str, Any]  # by name, a batch of all examples or a function from a seed to batches
Init = Callable[[jax.Array], Params]  # from a key to initial params
Score = Callable[[Params, Batch], Any]  # lower is better
Search = Mapping[str, Mapping[str, Sequence[Any]]]  # by method and by setting, the values to try
Layout = Literal["vmap", "threads", "threads of rates"]
SPLITS = ("train", "validation", "test")


@runtime_checkable
class Problem(Protocol):
    """A loss to minimize, and a score that judges the result."""

    def init(self, key: jax.Array) -> Params:
        """Draw initial parameters."""
        ...

    def loss(self, params: Params, batch: Batch) -> jax.Array:
        """Return the mean loss of a batch, which training minimizes."""
        ...

    def score(self, params: Params, batch: Batch) -> jax.Array:
        """Return the score that judges a method; lower is better."""
        ...


@dataclasses.dataclass(frozen=True)
class Loss:
    """A user's own loss; it is also the score if no score is given."""

    init: Init
    loss: Callable[[Any, Any], jax.Array]
    judged_by: Score | None = None

    def score(self, params: Any, batch: Any) -> jax.Array:
        """Give what is judged."""
        return (self.judged_by or self.loss)(params, batch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A problem, its data and a budget, the same for every method."""

    title: str
    problem: Any  # a `Problem`, or an object with `functions()` (`problem.py`)
    data: Callable[[], Splits]  # "train", "validation" and "test"; it may take `path`, a folder with data sets
    scored: str  # what the score is, with its unit
    batch_size: int | None  # None: the full batch
    steps: int
    evaluate_every: int  # steps; divides `steps`
    tuning_seeds: int = 3  # for every rate of the grid
    train_examples_scored: int = 1000  # the first ones, for the curve of the training loss
    layout_on_cpu: Layout = "threads of rates"  # the fastest on two cores: results/sweep_speed

    def __post_init__(self) -> None:
        """Refuse counts below 1 and evaluations that do not end with the last step."""
        for name in ("batch_size", "steps", "evaluate_every", "tuning_seeds", "train_examples_scored"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}.")
        if self.steps % self.evaluate_every:
            raise InputError(f"evaluate_every must divide steps = {self.steps}, got {self.evaluate_every}.")

    @property
    def evaluations(self) -> tuple[int, ...]:
        """Return the steps at which members are evaluated."""
        return tuple(range(self.evaluate_every, self.steps + 1, self.evaluate_every))


def config_of(task: Task) -> dict[str, Any]:
    """Describe a task as JSON values, with the class of its problem."""
    return describe(task) | {"problem_class": name_of(type(task.problem))}


def check_splits(splits: Splits) -> None:
    """Refuse data without the three splits, or with arrays of different lengths in one of them."""
    for name in SPLITS:
        if name not in splits:
            raise InputError(f"The data must have a split {name!r}, got {sorted(splits)}.")
        if callable(splits[name]):
            continue
        shapes = [np.shape(part) for part in jax.tree.leaves(splits[name])]
        lengths = {shape[0] if shape else 0 for shape in shapes}
        if len(lengths) != 1 or 0 in lengths:
            raise InputError(f"The arrays of the split {name!r} must have one length above 0, got {sorted(lengths)}.")


def load(task: Task, folder: Path | None = None) -> Splits:
    """Load a task's data; `folder`, if known, has the data sets that are files."""
    return call_with_path(task.data, folder)


def call_with_path(load: Callable[..., Any], folder: Path | None) -> Any:
    """Call the loader of a data set, with the folder if it takes one."""
    return load(**({"path": folder} if folder is not None and has_path(load) else {}))


def has_path(load: Callable[..., Any]) -> bool:
    """Say whether the loader of a data set reads files."""
    return "path" in inspect.signature(load).parameters


def checksum(splits: Splits) -> str:
    """Return the SHA-256 of all splits, in the order of their names; of a stream, of the first batch of seed 0."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        split: Any = splits[name]
        whole = next((batch for batch in split(0)), ()) if callable(split) else split  # pyright: ignore
        for part in jax.tree.leaves(whole):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
