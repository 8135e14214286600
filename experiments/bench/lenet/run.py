"""Check that all implementations train the same net, then time them in turn while one watches."""

import functools
import time
from collections.abc import Callable
from pathlib import Path

import jax
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from adaptax.comparison.environment import describe_environment
from experiments.bench.lenet import check, ours, pytorch, report
from experiments.bench.lenet.report import Window
from experiments.bench.lenet.task import STEPS, TASK, Training
from experiments.bench.roofline import neighbors
from experiments.bench.roofline.pytorch import absence, version_and_threads

ROUNDS = 15
OURS = "adaptax"


def run(out: Path) -> None:
    """Measure on the processor and leave record and table in OUT/lenet_speed/cpu."""
    device = jax.devices("cpu")[0]
    meta = {**describe_environment(), "device": device.device_kind}
    meta |= {"batch": TASK.batch_size, "steps": STEPS, "rounds": ROUNDS}
    if reason := absence("cpu"):
        Console().print(f"Without PyTorch: {reason}.")
    else:
        meta["versions"]["torch"], meta["torch_threads"] = version_and_threads()
    with jax.default_device(device):
        trainings = prepare(with_pytorch=not reason)
        losses = [losses_of(trainings)]
        compare(trainings)
        losses.append(losses_of(trainings))
        others = neighbors.watch()
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
            task = progress.add_task("LeNet", total=ROUNDS * len(trainings))
            windows = alternate(trainings, ROUNDS, functools.partial(progress.advance, task))
        meta["cores_of_others"] = others()
        losses.append(losses_of(trainings))
    meta["losses"] = {name: [at[name] for at in losses] for name in trainings}
    for name in trainings:
        check.learned(name, meta["losses"][name])
    folder = out / "lenet_speed" / "cpu"
    report.write(folder, meta, windows)
    Console().print(Markdown((folder / "table.md").read_text(encoding="utf-8")))
    neighbors.warn(meta["cores_of_others"])


def prepare(with_pytorch: bool) -> dict[str, Training]:
    """Give every implementation the same weights; ours is the first."""
    trainings = {OURS: ours.train()}
    start = trainings[OURS].weights()
    if with_pytorch:
        for name, kind in pytorch.KINDS.items():
            if kind.compiled and (reason := pytorch.absence_of_compiler()):
                Console().print(f"Without {name}: {reason}.")
            else:
                trainings[name] = pytorch.train(start, kind)
    return trainings


def compare(trainings: dict[str, Training]) -> None:
    """Take the first steps, and refuse what is not the same net or goes another way."""
    start = trainings[OURS].weights()
    for name, training in trainings.items():
        check.same_gradients(name, trainings[OURS], training)
    _run_all(trainings, check.FEW)
    for name, training in trainings.items():
        check.same_changes(name, start, trainings[OURS].weights(), training.weights())
    _run_all(trainings, STEPS)
    losses = losses_of(trainings)
    for name, loss in losses.items():
        check.same_losses(name, losses[OURS], loss)


def alternate(trainings: dict[str, Training], rounds: int, advance: Callable[[], None]) -> list[Window]:
    """Time the implementations in turn; before each window come as many steps that do not count."""
    windows = []
    for number in range(rounds):
        for name, training in trainings.items():
            training.run(STEPS)  # threads of the one before may still spin, and caches hold what it used
            start = time.perf_counter()
            training.run(STEPS)
            windows.append(Window(number, name, round(1e3 * (time.perf_counter() - start) / STEPS, 3)))
            advance()
    return windows


def losses_of(trainings: dict[str, Training]) -> dict[str, float]:
    """Return the loss of the first batch at the present weights."""
    return {name: training.loss_and_gradients()[0] for name, training in trainings.items()}


def _run_all(trainings: dict[str, Training], steps: int) -> None:
    for training in trainings.values():
        training.run(steps)
