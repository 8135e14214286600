"""An experiment: one model, one training protocol, and trials that compare contenders.

Everything in it is a plain value or a `functools.partial` with keywords, so that the whole
experiment can be written down as JSON (`describe`) and a record can be compared with the code.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import jax
import optax
from flax import nnx

from adaptax.comparison.errors import InputError
from experiments.data import Dataset, scaling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One plot: contenders that start from the same weights and see the same data."""

    title: str
    data: Callable[[], Dataset]
    contenders: Mapping[str, Callable[[], optax.GradientTransformation]]  # the first is the baseline
    # contender -> split -> error in per cent, where the source states it
    published: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The plain values of an experiment, which the command line can change."""

    title: str
    weights: int  # the number that the model must have
    loss: Literal["mean", "sum"]  # over the pictures of a batch; records always have the mean
    batch_size: int | None  # None: the full batch
    steps: int  # one batch each; an epoch's last, incomplete batch is dropped
    evaluate_at: tuple[int, ...]  # steps, rising, the last one included; step 0 is always evaluated
    train_pictures_evaluated: int | None = None  # how many of the first ones are scored; None: all
    seeds: int  # seeds 0 … seeds - 1; one seed gives all contenders the same initial weights
    observe: int | None = None  # steps between observations of every layer; None: no observations


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Plan):
    """A comparison of contenders over seeds; `run` in `experiments.engine.loop` is a function of it."""

    KIND: ClassVar[str] = "experiments.engine.trials"
    model: Callable[..., nnx.Module]  # called with `rngs`
    # the model's input, on the device: called with pictures and the mean training picture
    scale: Callable[[jax.Array, jax.Array], jax.Array] = scaling.unchanged
    trials: Mapping[str, Trial]

    def __post_init__(self) -> None:
        """Refuse counts below 1, and evaluations that do not end with the last step."""
        for name in ("batch_size", "steps", "train_pictures_evaluated", "seeds", "observe"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}.")
        pairs = itertools.pairwise((0, *self.evaluate_at))
        if not all(earlier < later for earlier, later in pairs) or self.evaluate_at[-1:] != (self.steps,):
            raise InputError(f"evaluate_at must rise from above 0 to steps = {self.steps}, got {self.evaluate_at}.")
