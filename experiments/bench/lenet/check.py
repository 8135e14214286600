"""Times are worth comparing only between the same nets on the same way, and only if both really train."""

import numpy as np

from experiments.bench.lenet.task import Training, Weights

FEW = 2  # steps before rounding decides which of nearly equal pixels is a maximum
ROUNDING = 1e-5  # float32 sums in another order
DRIFT = 1e-3  # steps that start from the rounding of those before
ALIKE = 0.1  # losses after many steps


class DifferentTrainingError(RuntimeError):
    """Two implementations that do not compute the same, or one that learns nothing."""


def same_gradients(name: str, ours: Training, other: Training) -> None:
    """Refuse another net: from the same weights, loss or gradients of the first batch differ."""
    (loss, gradients), (other_loss, other_gradients) = ours.loss_and_gradients(), other.loss_and_gradients()
    same(f"{name}: the loss", loss, other_loss, ROUNDING)
    for leaf in gradients:
        same(f"{name}: the gradient of {leaf}", gradients[leaf], other_gradients[leaf], ROUNDING)


def same_changes(name: str, start: Weights, ours: Weights, other: Weights) -> None:
    """Refuse another solver or other batches: what a few steps changed differs."""
    for leaf in start:
        same(f"{name}: the change of {leaf}", ours[leaf] - start[leaf], other[leaf] - start[leaf], DRIFT)


def same(what: str, ours: np.ndarray | float, other: np.ndarray | float, tolerance: float) -> None:
    """Refuse to compare implementations that come to something else."""
    off = np.linalg.norm(np.subtract(other, ours)) / np.linalg.norm(ours)
    if not off <= tolerance:  # NaN is refused, too
        raise DifferentTrainingError(
            f"{what} must be that of ours, give or take {tolerance:g}, and is off by {off:.2g}."
        )


def learned(name: str, losses: list[float]) -> None:
    """Refuse what learned nothing before the steps that were timed, or in them."""
    if not losses[0] > losses[1] > losses[2]:
        raise DifferentTrainingError(f"{name}: the loss must fall all the way, got {losses}.")
