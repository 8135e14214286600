"""What is timed: Caffe's LeNet, batch 64 and SGD, as in `papers/caffe_lenet.py`, on digits that come along.

The rate is constant here. Then it does not matter whether it stands inside the momentum buffer, as in Caffe, or
outside, as in PyTorch: all implementations go the same way from the same weights.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from experiments import caffe
from experiments.data import Dataset, Split, digits
from experiments.engine.experiment import Trial
from experiments.papers import caffe_lenet

STEPS = 50  # of a window
RATE, MOMENTUM, DECAY = 0.01, 0.9, 0.0005

Weights = dict[str, np.ndarray]  # weights or gradients by PyTorch's names, in PyTorch's order of axes


class Training(NamedTuple):
    """One implementation on its weights, ready to be timed."""

    run: Callable[[int], None]  # so many steps, always from the first batch on; they are done when it returns
    weights: Callable[[], Weights]
    loss_and_gradients: Callable[[], tuple[float, Weights]]  # of the first batch at the present weights


def enlarged_digits() -> Dataset:
    """Enlarge scikit-learn's digits threefold and put a rim around: bytes, 28 x 28, as MNIST's."""
    train = digits.load()["train"]
    large = np.pad(train.pictures.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    return {"train": Split(np.round(255 * large).astype(np.uint8), train.classes)}


SOLVER = partial(caffe.solver, rule="sgd", learning_rate=RATE, momentum=MOMENTUM, weight_decay=DECAY)
TASK = dataclasses.replace(
    caffe_lenet.EXPERIMENT,
    title="Training steps of LeNet",
    steps=STEPS,
    evaluate_at=(STEPS,),
    seeds=1,
    trials={"lenet": Trial(title="LeNet", data=enlarged_digits, contenders={"sgd": SOLVER})},
)
