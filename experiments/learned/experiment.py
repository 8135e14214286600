"""What an experiment with a learned optimizer is: meta-training on one family of functions, then comparison on several.

Plain values and partials only, as in `experiments.engine.experiment`, so that it can be written down.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import optax

from adaptax import adam, learned_lstm, rmsprop
from adaptax.comparison.errors import InputError
from adaptax.comparison.methods import Rule
from experiments.data import Dataset
from experiments.learned.problems import Problem

LEARNED = "learned LSTM"
META_TRAINING = "meta_training"  # in the place of a trial, in the rows of the validations; their steps are epochs
WEIGHTS = "weights.npz"  # in a record's folder
# Beside rates, the defaults of Torch7's package optim, as in the paper. There eps stands outside RMSprop's root. NAG's
# params are the points at which gradients are taken, in Torch7's record of losses as in Optax.
RULES = {
    "SGD": partial(optax.sgd),
    "RMSprop": partial(rmsprop, decay=0.99, eps=1e-16),
    "Adam": partial(adam, b1=0.9, b2=0.999, eps=1e-8),
    "NAG": partial(optax.sgd, momentum=0.9, nesterov=True),
}
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def at_rate(rule: str, rate: float) -> str:
    """Name a rule made by hand at a rate of the grid."""
    return f"{rule} at {rate:g}"


MADE_BY_HAND = {
    at_rate(rule, rate): partial(make, learning_rate=rate) for rule, make in RULES.items() for rate in RATES
}
# The learned optimizer gets the weights of the run; every rule meets it at its best rate.
CONTENDERS = {LEARNED: partial(learned_lstm, learning_rate=1.0), **MADE_BY_HAND}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """Functions to minimize, for so many steps."""

    title: str
    problem: Callable[[], Problem]
    data: Callable[[], Dataset]
    steps: int
    contenders: Mapping[str, Rule] = dataclasses.field(default_factory=lambda: CONTENDERS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearningPlan:
    """The plain values: what the command line may change."""

    title: str
    inputs: int  # numbers that the net reads: 1, the raw gradient; 2, those made of it (Appendix A)
    output_scale: float  # the net's output times this is the step
    meta_rate: float  # Adam's, on the net's weights, at the start; it falls as a cosine to 0
    epochs: int  # each minimizes new functions, as many steps as the first trial has
    functions: int  # side by side in an epoch
    unroll: int = 20  # steps that are backpropagated through, for one step of the net's weights
    one_in: int = 1  # of so many numbers that the functions have one is backpropagated through, others in each epoch
    validate_every: int  # epochs
    validated_functions: int
    tuned_functions: int  # that every rate of a rule made by hand is tried on
    evaluate_every: int  # steps, in the comparison
    seeds: int  # of the comparison
    functions_per_seed: int  # over which a seed's loss is the mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learning(LearningPlan):
    """An optimizer to be learned on the first trial's functions, and compared on new ones of every trial."""

    KIND: ClassVar[str] = "experiments.learned.run"
    trials: Mapping[str, Family]

    def __post_init__(self) -> None:
        """Refuse counts below 1 and what does not divide."""
        for field in dataclasses.fields(LearningPlan):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                raise InputError(f"{field.name} must be at least 1, got {value}.")
        if self.inputs > 2:
            raise InputError(f"inputs must be 1 or 2, got {self.inputs}.")
        if self.epochs % self.validate_every:
            raise InputError(f"validate_every must divide epochs = {self.epochs}, got {self.validate_every}.")
        if (steps := self.trained_on.steps) % self.unroll:
            raise InputError(f"unroll must divide the {steps} steps of the first trial, got {self.unroll}.")
        for name, trial in self.trials.items():
            if trial.steps % self.evaluate_every:
                raise InputError(
                    f"evaluate_every must divide the {trial.steps} steps of {name!r}, got {self.evaluate_every}."
                )

    @property
    def trained_on(self) -> Family:
        """Return the first trial."""
        return next(iter(self.trials.values()))
