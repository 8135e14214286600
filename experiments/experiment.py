"""What an experiment is: one model, one training protocol, and trials in which contenders meet.

Everything in it is a plain value or a `functools.partial` with keywords, so that the whole
experiment can be written down as JSON (`describe`) and a record can be compared with the code.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import optax
from flax import nnx

from experiments.data import Dataset


class InputError(ValueError):
    """Bad input, said in one sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One plot: contenders that start from the same weights and see the same data."""

    title: str
    data: Callable[[], Dataset]
    contenders: Mapping[str, Callable[[], optax.GradientTransformation]]  # the first is the baseline
    # contender -> split -> error in per cent, where the source states it
    published: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """A comparison of contenders over seeds; `run` in `experiments.loop` is a function of it."""

    title: str
    model: Callable[..., nnx.Module]  # called with `rngs`
    weights: int  # how many the model must have
    loss: Literal["mean", "sum"]  # over the pictures of a batch; records always hold the mean
    batch_size: int | None  # None: the full batch
    epochs: int
    evaluate_every_epochs: int
    seeds: int  # seeds 0 … seeds - 1; one seed gives all contenders the same initial weights
    trials: Mapping[str, Trial]

    def __post_init__(self) -> None:
        """Refuse durations that would leave the last epochs unevaluated."""
        if self.epochs % self.evaluate_every_epochs:
            raise InputError(
                f"epochs must be a multiple of evaluate_every_epochs = {self.evaluate_every_epochs}, got {self.epochs}."
            )
        if self.seeds < 1:
            raise InputError(f"seeds must be at least 1, got {self.seeds}.")


def describe(value: Any) -> Any:
    """Write an experiment, or any part of it, as what JSON can hold."""
    if dataclasses.is_dataclass(value):
        return {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): describe(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [describe(part) for part in value]
    if isinstance(value, functools.partial):
        return {"call": describe(value.func), **describe(value.keywords)}
    if callable(value):
        # The package and the name: moving a function inside its package makes no record stale.
        return f"{value.__module__.partition('.')[0]}.{value.__qualname__}"
    return value
