"""Check that all implementations train the same net, then time them in turn while one watches."""

import itertools
import timeit
from functools import partial
from pathlib import Path

import jax

from adaptax.comparison.record import Line, Record
from experiments.bench import frame, neighbors
from experiments.bench.lenet import check, ours, pytorch, report
from experiments.bench.lenet.task import STEPS, TASK, Training
from experiments.engine.places import RESULTS

ROUNDS = 15
OURS = "adaptax"


def run(out: Path = RESULTS, overwrite: bool = False) -> None:
    """Time training steps of LeNet, ours and PyTorch's; record and table in OUT/lenet_speed/cpu.

    PyTorch is an extra, `bench`. Before anything is timed both must compute the same.

    Args:
        out: The folder for records.
        overwrite: Replace a record that was made with other settings.
    """
    folder, device = out / "lenet_speed" / "cpu", jax.devices("cpu")[0]
    config = {"batch": TASK.batch_size, "steps": STEPS, "rounds": ROUNDS}
    meta = frame.begin(folder, config, overwrite) | {"device": device.device_kind}
    with jax.default_device(device):
        trainings = prepare(frame.has_pytorch("cpu", meta))
        losses = [losses_of(trainings)]
        losses.append(compare(trainings))
        others = neighbors.watch()
        rows = alternate(trainings, ROUNDS)
        meta["cores_of_others"] = others()
        losses.append(losses_of(trainings))
    meta["losses"] = {name: [at[name] for at in losses] for name in trainings}
    for name, of in meta["losses"].items():
        check.learned(name, of)
    frame.keep(folder, Record(config, meta, {"rows": rows}), report.sections)


def prepare(with_pytorch: bool) -> dict[str, Training]:
    """Give every implementation the same weights; ours is the first."""
    trainings = {OURS: ours.train()}
    start = trainings[OURS].weights()
    for name, kind in pytorch.KINDS.items() if with_pytorch else ():
        if kind.compiled and (reason := pytorch.absence_of_compiler()):
            print(f"Without {name}: {reason}.")
        else:
            trainings[name] = pytorch.train(start, kind)
    return trainings


def compare(trainings: dict[str, Training]) -> dict[str, float]:
    """Take the first steps, and refuse what is not the same net or goes another way; return where that led."""
    start = trainings[OURS].weights()
    for name, training in trainings.items():
        check.same_gradients(name, trainings[OURS], training)
    _run_all(trainings, check.FEW)
    for name, training in trainings.items():
        check.same_changes(name, start, trainings[OURS].weights(), training.weights())
    _run_all(trainings, STEPS)
    losses = losses_of(trainings)
    for name, loss in losses.items():
        check.same(f"{name}: the loss", losses[OURS], loss, check.ALIKE)
    return losses


def alternate(trainings: dict[str, Training], rounds: int) -> list[Line]:
    """Time the implementations in turn; before each window come as many steps that do not count."""
    rows = []
    for number, name in frame.watched(itertools.product(range(rounds), trainings)):
        window = partial(trainings[name].run, STEPS)
        window()  # threads of the one before may still spin, and caches hold what it used
        milliseconds = round(1e3 * timeit.timeit(window, number=1) / STEPS, 3)  # of a step
        rows.append({"round": number, "contender": name, "milliseconds": milliseconds})
    return rows


def losses_of(trainings: dict[str, Training]) -> dict[str, float]:
    """Return the loss of the first batch at the present weights."""
    return {name: training.loss_and_gradients()[0] for name, training in trainings.items()}


def _run_all(trainings: dict[str, Training], steps: int) -> None:
    for training in trainings.values():
        training.run(steps)
