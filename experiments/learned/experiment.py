"""An experiment with a learned optimizer: meta-training on one family of functions, then comparison on several.

It holds only plain values and partials, as in `experiments.engine.experiment`, so that a record can hold it.
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
META_TRAINING = "meta_training"  # the trial's name in rows of validations; their steps are epochs
WEIGHTS = "weights.npz"  # in a record's folder
# All settings except the rates are the defaults of Torch7's package optim, as in the paper. In Torch7 eps is outside
# RMSprop's root. NAG's params are the points at which gradients are taken, in Torch7's record of losses and in Optax.
RULES = {
    "SGD": partial(optax.sgd),
    "RMSprop": partial(rmsprop, decay=0.99, eps=1e-16),
    "Adam": partial(adam, b1=0.9, b2=0.999, eps=1e-8),
    "NAG": partial(optax.sgd, momentum=0.9, nesterov=True),
}
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def at_rate(rule: str, rate: float) -> str:
    """Name a hand-designed rule at a rate of the grid."""
    return f"{rule} at {rate:g}"


MADE_BY_HAND = {
    at_rate(rule, rate): partial(make, learning_rate=rate) for rule, make in RULES.items() for rate in RATES
}
# The learned optimizer gets the weights of the run; every rule is compared at its best rate.
CONTENDERS = {LEARNED: partial(learned_lstm, learning_rate=1.0), **MADE_BY_HAND}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """A family of functions, and the number of steps to minimize each."""

    title: str
    problem: Callable[[], Problem]
    data: Callable[[], Dataset]
    steps: int
    contenders: Mapping[str, Rule] = dataclasses.field(default_factory=lambda: CONTENDERS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearningPlan:
    """The plain values, which the command line can change."""

    title: str
    inputs: int  # numbers that the net reads: 1 for the raw gradient, 2 for the preprocessed one (Appendix A)
    output_scale: float  # the net's output times this is the step
    meta_rate: float  # Adam's first rate for the net's weights; it falls along a cosine to 0
    epochs: int  # each minimizes new functions, for the steps of the first trial
    functions: int  # minimized side by side in an epoch
    unroll: int = 20  # steps of backpropagation for one step of the net's weights
    one_in: int = 1  # one in so many numbers is backpropagated through; each epoch draws new ones
    validate_every: int  # epochs
    validated_functions: int
    tuned_functions: int  # for choosing the rates of the hand-designed rules
    evaluate_every: int  # steps, in the comparison
    seeds: int  # of the comparison
    functions_per_seed: int  # a seed's loss is their mean


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learning(LearningPlan):
    """An optimizer that is learned on the first trial's functions, and compared on new functions of every trial."""

    KIND: ClassVar[str] = "experiments.learned.run"
    trials: Mapping[str, Family]

    def __post_init__(self) -> None:
        """Refuse counts below 1 and counts that do not divide."""
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
