"""What is timed beside PyTorch is the same net on the same way, and whatever differs is refused; without a clock."""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from adaptax.comparison import record
from adaptax.comparison.record import Record
from experiments.bench import frame
from experiments.bench.lenet import run, task
from experiments.bench.lenet.run import DifferentTrainingError
from experiments.bench.lenet.task import Training, Weights, enlarged_digits
from experiments.engine.registry import COMMANDS

pytestmark = pytest.mark.slow

COMMITTED = Path(__file__).parents[2] / "experiments" / "results" / "lenet_speed" / "cpu"


class Own(NamedTuple):
    """Our training, and what it came to."""

    training: Training
    fresh: Training  # as it was before its first step
    start: Weights
    after_few: Weights
    loss_after_few: float


@pytest.fixture(scope="module")
def own():
    training = task.train_ours()
    start, (loss, gradients) = training.weights(), training.loss_and_gradients()
    training.run(run.FEW)
    fresh = Training(None, lambda: start, lambda: (loss, gradients))
    return Own(training, fresh, start, training.weights(), training.loss_and_gradients()[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [task.Kind(), task.Kind("channels_last")])  # to compile takes too long
def test_pytorch_trains_the_same_net_on_the_same_way(own, kind):
    pytest.importorskip("torch")
    other = task.train_pytorch(own.start, kind)
    run.same_gradients("PyTorch", own.fresh, other)
    other.run(run.FEW)
    run.same_changes("PyTorch", own.start, own.after_few, other.weights())
    assert other.loss_and_gradients()[0] == pytest.approx(own.loss_after_few, rel=1e-5)
    assert own.loss_after_few < own.fresh.loss_and_gradients()[0] - 0.1


@pytest.mark.slow
def test_our_program_changes_every_leaf(own):
    for name, start in own.start.items():
        assert np.mean(own.after_few[name] != start) > 0.8, name  # some units of ip1 rest


@pytest.mark.parametrize(("layer", "other"), [("relu1", "Identity"), ("pool1", "AvgPool2d"), ("pool2", "AvgPool2d")])
def test_another_layer_is_refused(own, monkeypatch, layer, other):
    nn = pytest.importorskip("torch").nn
    net = task.lenet()
    setattr(net, layer, getattr(nn, other)(2))
    monkeypatch.setattr(task, "lenet", lambda: net)
    with pytest.raises(
        DifferentTrainingError, match=r"^PyTorch: the loss must equal ours within 1e-05, relative to ours"
    ):
        run.same_gradients("PyTorch", own.fresh, task.train_pytorch(own.start))


@pytest.mark.parametrize("leaf", ["conv2.weight", "ip1.weight"])
def test_channels_in_another_order_are_refused(own, leaf):
    """The order in which ours has them: kernels (outputs, height, width, inputs), maps flattened channels last."""
    pytest.importorskip("torch")
    outputs, channels = (50, 20) if leaf == "conv2.weight" else (500, 50)
    kernel = own.start[leaf]
    mixed = kernel.reshape(outputs, channels, -1).swapaxes(1, 2).reshape(kernel.shape).copy()
    with pytest.raises(DifferentTrainingError, match="the loss must be"):
        run.same_gradients("PyTorch", own.fresh, task.train_pytorch(own.start | {leaf: mixed}))


def test_another_gradient_is_refused_and_named(own):
    loss, gradients = own.fresh.loss_and_gradients()
    wrong = own.fresh._replace(loss_and_gradients=lambda: (loss, gradients | {"ip2.bias": -gradients["ip2.bias"]}))
    with pytest.raises(DifferentTrainingError, match=r"the gradient of ip2\.bias must equal ours .* differs by 2\."):
        run.same_gradients("PyTorch", own.fresh, wrong)


@pytest.mark.parametrize("setting", [{"lr": 0.01}, {"weight_decay": 0.0}, {"momentum": 0.89}, {"nesterov": True}])
def test_another_solver_is_refused(own, monkeypatch, setting):
    pytest.importorskip("torch")
    sgd = task.sgd

    def other_sgd(model, fused):
        optimizer = sgd(model, fused)
        for group in optimizer.param_groups:
            group.update(setting)
        return optimizer

    monkeypatch.setattr(task, "sgd", other_sgd)
    other = task.train_pytorch(own.start)
    other.run(run.FEW)
    with pytest.raises(DifferentTrainingError, match=r"the change of .* must equal ours"):
        run.same_changes("PyTorch", own.start, own.after_few, other.weights())


@pytest.mark.parametrize("losses", [[2.3, 2.3, 2.3], [2.3, 2.4, 2.0], [2.3, 2.0, 2.0], [2.3, 2.0, float("nan")]])
def test_what_does_not_learn_is_refused(losses):
    with pytest.raises(DifferentTrainingError, match="idle: the loss must fall"):
        run.learned("idle", losses)


def test_a_loss_that_is_no_number_is_refused():
    with pytest.raises(DifferentTrainingError, match="differs by nan"):
        run.same("PyTorch: the loss", 0.2, float("nan"), run.ALIKE)


def test_pictures_have_mnists_shape():
    pictures, classes = enlarged_digits()["train"]
    assert (pictures.shape, pictures.dtype, pictures.max()) == ((1000, 28, 28), np.uint8, 255)
    assert set(classes) == set(range(10))
    np.testing.assert_array_equal(pictures[7, 2:-2:3, 4:-2:3], pictures[7, 4:-2:3, 2:-2:3])


def toy(slope=1.0, rate=0.1, loss=0.5, noise=0.0):
    """Descend a parabola, for the order of the checks; `noise` comes after a few steps."""
    w, taken = np.array([2.0, -1.0]), []

    def advance(steps):
        for _ in range(steps):
            w[:] -= rate * slope * w
        taken.append(steps)
        w[:] += noise * (len(taken) > 1)

    return Training(advance, lambda: {"w": w.copy()}, lambda: (float(loss * slope * w @ w), {"w": slope * w}))


@pytest.mark.parametrize(
    ("peer", "says"),
    [
        ({"loss": 0.51}, "PyTorch: the loss must equal ours within 1e-05"),
        ({"slope": 1.01, "loss": 0.5 / 1.01}, "PyTorch: the gradient of w"),
        ({"rate": 0.101}, "PyTorch: the change of w"),
        ({"noise": 1.0}, "PyTorch: the loss must equal ours within 0.1"),
    ],
)
def test_one_that_differs_anywhere_is_refused_before_anything_is_timed(peer, says):
    with pytest.raises(DifferentTrainingError, match=re.escape(says)):
        run.compare({"adaptax": toy(), "PyTorch": toy(**peer)})
    run.compare({"adaptax": toy(), "PyTorch": toy()})


def test_implementations_take_turns_and_every_second_run_counts():
    calls = []
    rows = frame.alternate({name: lambda name=name: calls.append(name) for name in "ab"}, 2, 50)
    assert [(row["round"], row["contender"]) for row in rows] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert calls == list("aabbaabb")


CONFIG = {"batch": 64, "steps": 50, "rounds": 3}
META = {
    "processor": "P",
    "cores": 2,
    "device": "cpu",
    "versions": {"jax": "1", "torch": "2"},
    "torch_threads": 2,
    "cores_of_others": 0.01,
    "losses": {"adaptax": [2.5, 1.25, 0.5], "PyTorch": [2.5, 1.25, 0.75]},
}


def test_ratios_are_of_neighbors_in_time(tmp_path):
    """The median of the ratios, 3, and not the ratio of the medians, 4."""
    times = {"adaptax": [10.0, 5.0, 20.0], "PyTorch": [20.0, 40.0, 60.0]}
    rows = [{"round": k, "contender": name, "milliseconds": times[name][k]} for k in range(3) for name in times]
    frame.keep(tmp_path, Record(CONFIG, META, {"rows": rows}), run.sections)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| adaptax | 10.00 | 5.00 to 20.00 | 1.00 | 1.00 to 1.00 | 2.500 → 1.250 → 0.500 |" in text
    assert "| PyTorch | 40.00 | 20.00 to 60.00 | 3.00 | 2.00 to 8.00 | 2.500 → 1.250 → 0.750 |" in text
    assert "torch 2 with 2 threads; float32. Batch 64; medians of 3 rounds" in text
    assert "Other processes kept 0.01 cores busy." in text


@pytest.mark.slow
def test_without_pytorch_it_says_what_to_install_and_measures_ours(own, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "ROUNDS", 1)
    monkeypatch.setattr(run, "STEPS", run.FEW)  # that is compiled
    monkeypatch.setattr(task, "train_ours", lambda: own.training)
    monkeypatch.setitem(sys.modules, "torch", None)  # to import it fails
    COMMANDS["lenet-speed"].find()(tmp_path)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Without PyTorch: torch is not installed (the extra `bench` installs it)." in printed
    _, meta, lines = record.read(tmp_path / "lenet_speed" / "cpu")
    assert [row["contender"] for row in lines["rows"]] == list(meta["losses"]) == ["adaptax"]
    assert "torch" not in meta["versions"]


def test_committed_table_says_what_the_committed_windows_say():
    config, meta, lines = record.read(COMMITTED)
    text = (COMMITTED / "table.md").read_text(encoding="utf-8")
    groups = frame.grouped(lines["rows"], "contender")
    times = {name: [row["milliseconds"] for row in groups[name]] for name in meta["losses"]}
    assert list(times) == ["adaptax", "PyTorch", "PyTorch, channels_last", "PyTorch, channels_last, compiled"]
    for name, milliseconds in times.items():
        assert len(milliseconds) == config["rounds"]
        assert f"\n| {name} | {np.median(milliseconds):.2f} | {min(milliseconds):.2f} to " in text
