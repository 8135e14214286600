"""The roofline's figures on tiny shapes, without a clock: state, parameters that really change, dashes for nothing."""

from functools import partial

import jax
import numpy as np
import optax
import pytest

from adaptax.comparison.record import Record
from adaptax.comparison.report.markup import to_markdown
from experiments.bench.roofline import run
from experiments.bench.roofline.contenders import TRIALS, contenders, parameters, variant
from experiments.bench.roofline.measure import measure, prepare, trees

pytestmark = pytest.mark.slow

SHAPES = [(64, 64), (256,)]


def tiny(name, contender):
    return measure(name, contender, "tiny", SHAPES, "float32")


def torch_contender(name):
    pytest.importorskip("torch")
    return contenders("cpu")[name]


@pytest.mark.parametrize(("make", "state"), [(optax.adam, 8), (optax.sgd, 0)])
def test_a_row_of_optax(make, state):
    with jax.numpy_dtype_promotion("standard"):  # Optax's Adam counts on it
        row = tiny("optax", partial(prepare, make(1e-3)))
    assert (row["state_bytes"], row["best_bytes"], row["leaves"]) == (state, 12 + 2 * state, 2)
    assert row["xla_bytes"] >= row["best_bytes"]
    assert row["equations"] > 0
    assert row["milliseconds"] > 0


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("torch.Adam, foreach", 8),
        ("torch.Adam, fused", 8),
        ("torch.SGD, fused", 0),
        ("torch.SGD, momentum, foreach", 4),
    ],
)
def test_a_row_of_pytorch(name, state):
    row = tiny(name, torch_contender(name))
    assert (row["state_bytes"], row["best_bytes"], row["leaves"]) == (state, 12 + 2 * state, 2)
    assert (row["xla_bytes"], row["compile_seconds"], row["equations"]) == (None, None, None)
    assert row["milliseconds"] > 0


def test_pytorch_starts_where_jax_does_and_steps_alike():
    torch = pytest.importorskip("torch")
    params = parameters(SHAPES, "float32", "cpu")
    torch.optim.SGD(params, lr=0.5).step()
    for w, start, gradient in zip(params, *map(jax.tree.leaves, trees(SHAPES, "float32")), strict=True):
        np.testing.assert_allclose(w.detach(), start - 0.5 * gradient, atol=1e-6)


def test_peers_stand_before_ours():
    pytest.importorskip("torch")
    names = list(contenders("cpu"))
    start = names.index("optax.adam")
    assert names[start : start + 4] == ["optax.adam", "torch.Adam, foreach", "torch.Adam, fused", "adam"]


def test_methods_that_memory_does_not_bound_are_left_out():
    names = contenders()
    assert "adam" in names
    assert "learned_lstm" not in names


def test_without_a_device_for_pytorch_there_is_none_of_it():
    assert {run.maker(name) for name in contenders()} == {"adaptax", "Optax"}


def test_an_optimizer_that_does_nothing_is_refused():
    with pytest.raises(RuntimeError, match="did not change"):
        tiny("idle", partial(prepare, optax.set_to_zero()))


def test_a_pytorch_optimizer_that_does_nothing_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError, match="did not change"):
        tiny("idle", partial(variant, partial(torch.optim.SGD, lr=0.0), "cpu"))


def test_what_pytorch_has_no_figure_for_is_a_dash():
    row = tiny("optax.sgd", partial(prepare, optax.sgd(1e-3)))
    row |= {"contender": "torch.SGD, fused", "xla_bytes": None, "compile_seconds": None, "equations": None}
    meta = {"processor": "P", "cores": 2, "device": "cpu", "versions": {"jax": "1", "torch": "2"}, "torch_threads": 2}
    of = Record({"dtype": "float32", "windows": 9}, meta, {"rows": [row]})
    table = to_markdown(run.sections(of), level=3)
    cells = next(line for line in table.splitlines() if line.startswith("| torch")).strip("| ").split(" | ")
    assert [cells[0], cells[2], *cells[-2:]] == ["torch.SGD, fused", "–", "–", "–"]
    assert "torch 2 with 2 threads" in table


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("local gains, two arrays", "local_gains"),
        ("local gains, inexact at zeros", "local gains, inexact at zeros, leaves in stacks"),
        ("Adadelta, as printed", "adadelta"),
        ("Adadelta, as printed", "Adadelta, as printed, leaves in stacks"),
    ],
)
def test_trials_are_spellings_of_one_rule(one, other):
    params = {f"{k}": np.linspace(-1, 1, 6, dtype="f") + k for k in range(3)} | {"odd": np.ones((2, 2), "f")}

    def walk(optimizer):
        state, seen = optimizer.init(params), []
        for step in range(5):
            gradients = {k: np.sin(p * (step + 1) + 0.3).astype("f") for k, p in params.items()}
            updates, state = jax.jit(optimizer.update)(gradients, state)
            seen.append(updates)
        return seen

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5), walk(TRIALS[one]), walk(TRIALS[other]))
