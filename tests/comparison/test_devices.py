"""Members over many devices, processes and memories: the numbers of one device, whatever is killed on the way."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import adaptax
from adaptax.comparison import InputError, Method, blocks, devices, program
from adaptax.comparison.blocks import Shape
from adaptax.comparison.devices import Devices
from adaptax.comparison.field import Field
from adaptax.comparison.program import Programs
from adaptax.comparison.protocol import best_trial
from adaptax.comparison.train import train
from adaptax.comparison.trials import at_rates
from tests.comparison.test_own import FLOATS, own_compare
from tests.comparison.test_program import LINE, METHODS

pytestmark = pytest.mark.usefixtures("compiles_quickly")

ROOT = Path(__file__).parents[2]


LSALR = Method(make=adaptax.lsalr)  # it must not take members for the parts of a layer


def curves_of(
    devices: Devices,
    rates: tuple,
    seeds: range,
    monkeypatch: pytest.MonkeyPatch,
    method: Method = METHODS["nesterov"].optimizer,
    **options,
):
    monkeypatch.setattr(program, "Devices", lambda alone: devices)
    field = Field(Programs(LINE, "vmap"), FLOATS)
    assert field.programs.devices is devices
    return train(field, field.programs.of(method), at_rates(rates), seeds, **options)


@pytest.mark.slow
@pytest.mark.parametrize("method", [METHODS["nesterov"].optimizer, LSALR], ids=["nesterov", "lsalr"])
@pytest.mark.parametrize(("rates", "seeds"), [(3, 3), (8, 1), (1, 5), (2, 9)])
def test_eight_devices_give_what_one_gives(rates: int, seeds: int, method: Method, monkeypatch: pytest.MonkeyPatch):
    """Also where members do not come out even: some are computed twice, and dropped."""
    assert Devices().count == 8
    grid = tuple(np.geomspace(0.01, 0.1, rates).tolist())
    many, _ = curves_of(Devices(), grid, range(seeds), monkeypatch, method, reads_test=True)
    one, _ = curves_of(Devices(alone=True), grid, range(seeds), monkeypatch, method, reads_test=True)
    assert [(c.seed, c.rate) for c in many] == [(c.seed, c.rate) for c in one]
    assert best_trial(many) == best_trial(one)
    for ours, theirs in zip(many, one, strict=True):
        np.testing.assert_allclose(ours.validation, theirs.validation, rtol=1e-5)
        np.testing.assert_allclose([*ours.train, ours.test], [*theirs.train, theirs.test], rtol=1e-5)


@pytest.mark.slow
def test_members_lie_on_all_devices(monkeypatch: pytest.MonkeyPatch):
    seen = []
    fetch = Devices.fetch

    def watched(self, tree):
        seen.extend(len(leaf.sharding.device_set) for leaf in jax.tree.leaves(tree))
        return fetch(self, tree)

    monkeypatch.setattr(Devices, "fetch", watched)
    curves_of(Devices(), (0.01, 0.1), range(4), monkeypatch)
    assert set(seen) == {8}


SHAPES = {  # layout, seeds, trials, devices, at most on each: the shape of a block
    "all": (("vmap", 5, 7, 1, None), (5, 7)),
    "seeds fill eight up less": (("vmap", 7, 9, 8, None), (8, 9)),
    "trials fill eight up less": (("vmap", 5, 8, 8, None), (5, 8)),
    "a part of the seeds": (("vmap", 5, 7, 1, 20), (2, 7)),
    "a part of the trials": (("vmap", 5, 7, 1, 5), (1, 4)),
    "a part on each device": (("vmap", 16, 3, 8, 3), (8, 3)),
    "a row": (("threads of rates", 5, 7, 1, None), (1, 7)),
    "half a row": (("threads of rates", 5, 7, 1, 6), (1, 4)),
    "one": (("threads", 5, 7, 1, None), (1, 1)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_blocks_have_one_shape_that_fits(name: str):
    (layout, seeds, trials, devices, at_most), expected = SHAPES[name]
    assert blocks.shape_of(layout, Shape(seeds, trials), devices, at_most) == expected


@pytest.mark.parametrize("shape", [Shape(2, 3), Shape(5, 7), Shape(1, 1), Shape(8, 4)])
def test_blocks_cover_the_grid_once(shape: Shape):
    counted = np.zeros((5, 7), int)
    for block in blocks.cut(Shape(5, 7), shape):
        assert (len(block.seeds), len(block.trials)) == shape
        counted[np.ix_(block.seeds[: block.counts.seeds], block.trials[: block.counts.trials])] += 1
    assert (counted == 1).all()


def test_as_many_members_as_fit_by_the_compilers_account():
    asked = []

    def needed(count: int) -> int:  # grows faster than in proportion, as padding does
        asked.append(count)
        return 100 + 10 * count + count**2 // 10

    assert blocks.most(needed, 40, 10_000) == 40
    assert asked == [40]
    found = blocks.most(needed, 40, 350)
    assert needed(found) <= 350 < needed(found + 3)
    with pytest.raises(
        InputError, match=r"^Not even one member fits: it needs 1\.02e-07 GiB, and 9\.31e-08 GiB are free"
    ):
        blocks.most(needed, 40, 100)


@pytest.mark.slow
def test_what_does_not_fit_at_once_is_trained_in_parts_and_the_number_is_told(monkeypatch: pytest.MonkeyPatch):
    alone, grid = Devices(alone=True), (0.01, 0.03, 0.1)
    whole, cost = curves_of(alone, grid, range(4), monkeypatch, free=10**9)
    assert cost.at_once is None
    monkeypatch.setattr(blocks, "most", lambda needed, wanted, free: {12: 5}[wanted])
    parts, cost = curves_of(alone, grid, range(4), monkeypatch, free=1)
    assert cost.at_once == 5
    for ours, theirs in zip(parts, whole, strict=True):
        np.testing.assert_allclose(ours.validation, theirs.validation, rtol=1e-6)
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"^Not even one member fits: it needs "):
        curves_of(alone, grid, range(4), monkeypatch, free=100)
    monkeypatch.setattr(blocks, "most", lambda *_: pytest.fail("the number is known"))
    again, _ = curves_of(alone, grid, range(4), monkeypatch, at_once=5)
    assert again == parts


@pytest.mark.slow
def test_the_number_that_fitted_is_recorded_and_used_when_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cuts = []
    cut = blocks.cut
    monkeypatch.setattr(blocks, "cut", lambda grid, shape: cuts.append(shape) or cut(grid, shape))
    monkeypatch.setattr(blocks, "most", lambda needed, wanted, free: 1)
    settings = {"layout": "threads of rates", "memory": 1, "methods": {"sgd": optax.sgd}}
    whole = own_compare(tmp_path, **settings)
    assert whole.record.timings["sgd"]["members_at_once"] == 1
    assert set(cuts) == {Shape(1, 1)}
    of = tmp_path / "yours/sgd.jsonl"
    of.write_text("".join(line for line in of.read_text().splitlines(keepends=True) if '"final"' not in line))
    monkeypatch.setattr(blocks, "most", lambda *_: pytest.fail("the number is known"))
    assert own_compare(tmp_path, **settings).record.results == whole.record.results


CHILD = """
import os, signal, sys
import jax
jax.config.update("jax_platforms", "cpu")
out, killed_at, count, number, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
if count > 1:
    jax.distributed.initialize(f"127.0.0.1:{port}", count, number, heartbeat_timeout_seconds=10)
import optax
from adaptax.comparison import compare, train
from tests.comparison.test_own import FLOATS
from tests.comparison.test_program import init, loss
ticks = []
if killed_at:
    from adaptax.comparison import live
    advance = live.OfTask.advance
    def dying(self, evaluation):
        ticks.append(evaluation)
        if len(ticks) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        advance(self, evaluation)
    live.OfTask.advance = dying
result = compare(loss, init, FLOATS, methods={"sgd": optax.sgd, "adam": "adam"}, schedules=("constant", "cosine"),
    batch_size=4, steps=9, evaluations=3, rates="0.01:0.1:2", tuning_seeds=2, seeds=2, out=out, progress=False)
print(result.best("sgd"))
"""


def children(out: Path, killed_at: int = 0, count: int = 1) -> list[tuple[int, str]]:
    """Run a comparison in processes, perhaps killed at an evaluation; return how each ended and what it said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={2 if count > 1 else 1}"}
    environment = os.environ | flags | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, *map(str, (out, killed_at, count, number, port))],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(count)
    ]
    return [(child.wait(300), said) for child in running for said in [child.communicate(timeout=300)[0]]]


def lines_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "yours").glob("*.jsonl")}


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_bits(tmp_path: Path):
    ((code, said),) = children(tmp_path / "whole")
    assert code == 0, said
    for killed_at in (2, 5, 8, 3):  # each time counted from where it goes on
        ((code, said),) = children(tmp_path / "killed", killed_at)
        assert code == -signal.SIGKILL, said
    ((code, said),) = children(tmp_path / "killed")
    assert code == 0, said
    assert lines_of(tmp_path / "killed") == lines_of(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_train_together_and_choose_the_same(tmp_path: Path):
    ((code, alone),) = children(tmp_path / "one")
    assert code == 0, alone
    both = children(tmp_path / "two", count=2)
    for code, said in both:
        assert code == 0, said
        assert said.splitlines()[-1].split("score=")[0] == alone.splitlines()[-1].split("score=")[0]
    assert lines_of(tmp_path / "two").keys() == lines_of(tmp_path / "one").keys()


def test_free_memory_is_that_of_the_machine_and_of_the_fullest_process(monkeypatch: pytest.MonkeyPatch):
    """Pages that a cache holds are free, too: a machine that has read much is not full."""
    alone = devices.free_bytes()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < alone <= total
    monkeypatch.setattr(devices.jax, "process_count", lambda: 2)
    monkeypatch.setattr(devices.multihost_utils, "process_allgather", lambda mine: np.array([mine, 3], np.int32))
    assert devices.free_bytes() == 3 << 20
