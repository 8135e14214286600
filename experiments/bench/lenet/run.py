"""Check that all implementations train the same net, then time them in turn and show progress.

Times are comparable only if the nets are the same, take the same steps, and really learn.
"""

import os
import shutil
from collections.abc import Iterator
from functools import partial

import jax
import numpy as np

from adaptax.comparison.record import Record
from adaptax.comparison.report.markup import Section
from experiments.bench import frame
from experiments.bench.frame import machine, table
from experiments.bench.lenet import task
from experiments.bench.lenet.task import STEPS, TASK, Training, Weights
from experiments.engine.places import RESULTS, Out, Overwrite

ROUNDS = 15
OURS = "adaptax"
FEW = 2  # steps; after more, rounding decides which of two nearly equal pixels is the maximum
ROUNDING = 1e-5  # tolerance at equal weights: float32 sums in another order
DRIFT = 1e-3  # tolerance after FEW steps: rounding errors add up
ALIKE = 0.1  # tolerance of losses after many steps
HEADINGS = (
    "", "ms/step", "fastest and slowest window", "ratio to ours", "lowest and highest ratio", "loss of the first batch",
)  # fmt: skip


def run(out: Out = RESULTS, overwrite: Overwrite = False) -> None:
    """Time training steps of LeNet, ours and PyTorch's; write record and table to OUT/lenet_speed/cpu.

    The extra `bench` installs PyTorch. Before the timing, the command checks that both compute the same steps.
    """
    folder, device = out / "lenet_speed" / "cpu", jax.devices("cpu")[0]
    config = {"batch": TASK.batch_size, "steps": STEPS, "rounds": ROUNDS}
    meta = frame.begin(folder, config, overwrite) | {"device": device.device_kind}
    with jax.default_device(device):
        trainings = prepare(frame.has_pytorch("cpu", meta))
        losses = [losses_of(trainings), compare(trainings)]
        others = frame.watch_others()
        windows = {name: partial(training.run, STEPS) for name, training in trainings.items()}
        rows = frame.alternate(windows, ROUNDS, STEPS)
        meta["cores_of_others"] = others()
        losses.append(losses_of(trainings))
    meta["losses"] = {name: [at[name] for at in losses] for name in trainings}
    for name, of in meta["losses"].items():
        learned(name, of)
    frame.keep(folder, Record(config, meta, {"rows": rows}), sections)


def prepare(with_pytorch: bool) -> dict[str, Training]:
    """Give every implementation the same weights; ours is the first."""
    trainings = {OURS: task.train_ours()}
    start = trainings[OURS].weights()
    for name, kind in task.KINDS.items() if with_pytorch else ():
        compiler = os.environ.get("CXX", "g++")
        if kind.compiled and not shutil.which(compiler):
            print(f"Without {name}: there is no C++ compiler {compiler!r}, which torch.compile calls.")
        else:
            trainings[name] = task.train_pytorch(start, kind)
    return trainings


def compare(trainings: dict[str, Training]) -> dict[str, float]:
    """Take the first steps and refuse an implementation that differs from ours; return the losses after them."""
    start = trainings[OURS].weights()
    for name, training in trainings.items():
        same_gradients(name, trainings[OURS], training)
    for name, training in trainings.items():
        training.run(FEW)
        same_changes(name, start, trainings[OURS].weights(), training.weights())
    for training in trainings.values():
        training.run(STEPS)
    losses = losses_of(trainings)
    for name, loss in losses.items():
        same(f"{name}: the loss", losses[OURS], loss, ALIKE)
    return losses


def losses_of(trainings: dict[str, Training]) -> dict[str, float]:
    """Return the loss of the first batch at the current weights."""
    return {name: training.loss_and_gradients()[0] for name, training in trainings.items()}


class DifferentTrainingError(RuntimeError):
    """An implementation differs from ours or learns nothing."""


def same_gradients(name: str, ours: Training, other: Training) -> None:
    """Refuse a different net: at the same weights, its loss or gradients of the first batch differ."""
    (loss, gradients), (other_loss, other_gradients) = ours.loss_and_gradients(), other.loss_and_gradients()
    same(f"{name}: the loss", loss, other_loss, ROUNDING)
    for leaf in gradients:
        same(f"{name}: the gradient of {leaf}", gradients[leaf], other_gradients[leaf], ROUNDING)


def same_changes(name: str, start: Weights, ours: Weights, other: Weights) -> None:
    """Refuse a different solver or other batches: a few steps change the weights differently."""
    for leaf in start:
        same(f"{name}: the change of {leaf}", ours[leaf] - start[leaf], other[leaf] - start[leaf], DRIFT)


def same(what: str, ours: np.ndarray | float, other: np.ndarray | float, tolerance: float) -> None:
    """Refuse a value whose relative difference from ours exceeds the tolerance."""
    off = np.linalg.norm(np.subtract(other, ours)) / np.linalg.norm(ours)
    if not off <= tolerance:  # NaN is refused, too
        raise DifferentTrainingError(
            f"{what} must equal ours within {tolerance:g}, relative to ours, but differs by {off:.2g}."
        )


def learned(name: str, losses: list[float]) -> None:
    """Refuse an implementation whose loss did not fall before the timed steps or during them."""
    if not losses[0] > losses[1] > losses[2]:
        raise DifferentTrainingError(f"{name}: the loss must fall before and during the timed steps, got {losses}.")


def sections(of: Record) -> Iterator[Section]:
    """Write the conditions, then a row per implementation; the first is ours."""
    meta, config, others = of.meta, of.config, of.meta["cores_of_others"]
    busy = "" if others is None else f" Other processes kept {others} cores busy."
    conditions = (
        f"Measured on {machine(meta)}; float32. Batch {config['batch']}; medians of {config['rounds']} rounds. Each "
        f"round times a window of {config['steps']} steps of every implementation in turn.{busy} Losses: at the start, "
        "before the first window, after the last one."
    )
    lines = [
        [*cells, " → ".join(f"{loss:.3f}" for loss in meta["losses"][name])]
        for name, cells in frame.compared(of.lines["rows"]).items()
    ]
    yield Section("", [conditions], table(HEADINGS, lines))
