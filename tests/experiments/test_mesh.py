"""Over eight devices, however they are arranged, a run is what it is on one: layer norms, momenta, gains and losses."""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from rich.console import Console

import adaptax
from adaptax.comparison import processes
from adaptax.comparison.errors import InputError
from adaptax.comparison.processes import from_main
from experiments.engine import checkpoints, feeds, loop, programs, records, runner, trials
from experiments.engine.experiment import Experiment, Trial
from experiments.engine.placement import Placement
from experiments.engine.rows import Row
from experiments.models.mlp import SigmoidNet
from tests.experiments.test_loop import fake

pytestmark = pytest.mark.slow

QUIET = Console(file=io.StringIO())
CONTENDERS = {
    "lsalr": partial(adaptax.lsalr, learning_rate=0.1, momentum=0.9),
    "slow": partial(adaptax.lsalr, learning_rate=0.03, momentum=0.9),  # with the program of the one before
    "heavy": partial(optax.sgd, learning_rate=0.1, momentum=0.9),
    "gains": partial(adaptax.local_gains, learning_rate=0.1),
    "adam": partial(adaptax.adam, learning_rate=0.05),
}


@pytest.fixture(scope="module", autouse=True)
def compile_fast() -> Iterator[None]:
    """Dividing is no optimization: it is compiled all the same."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def small(*names: str, **changes) -> Experiment:
    """Build a net of 16-8-4 units on 24 pictures: all but the last biases can be divided by eight."""
    contenders = {name: CONTENDERS[name] for name in names or CONTENDERS}
    plan = {"loss": "mean", "batch_size": 8, "steps": 12, "evaluate_at": (4, 8, 12), "seeds": 2, **changes}
    return Experiment(
        title="",
        model=partial(SigmoidNet, inputs=16, hidden=8, classes=4, half_width=0.5),
        weights=8 * (16 + 1) + 4 * (8 + 1),
        trials={"trial": Trial(title="", data=partial(fake, 24, 4, 4), contenders=contenders)},
        **plan,
    )


def compare(ours: list[Row], single: list[Row]) -> None:
    single = [row for row in single if row.contender in {row.contender for row in ours}]
    assert [row[:5] for row in ours] == [row[:5] for row in single]
    np.testing.assert_allclose([row.loss for row in ours], [row.loss for row in single], rtol=1e-5)


@pytest.fixture(scope="module")
def single() -> list[Row]:
    rows = loop.run(small())
    assert len({row.loss for row in rows if row.step}) == 2 * 2 * 3 * len(CONTENDERS)  # nothing stands still
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mesh", "names"),
    [("data=8", ("lsalr", "gains")), ("data=4,model=2", tuple(CONTENDERS)), ("model=8", ("lsalr", "adam"))],
)
def test_losses_are_those_of_one_device(mesh: str, names: tuple[str, ...], single: list[Row]):
    """A gradient of one part of the batch, or a norm over one part of a layer, would be another."""
    compare(loop.run(small(*names), placement=Placement(mesh)), single)


@pytest.mark.slow
def test_losses_are_those_of_one_device_seed_by_seed_too(single: list[Row], monkeypatch: pytest.MonkeyPatch):
    """Large nets train one seed after the other (`lax.map`), where constraints lie in another loop."""
    monkeypatch.setattr(programs, "SIDE_BY_SIDE_WEIGHTS", 0)
    compare(loop.run(small("lsalr"), placement=Placement("data=4,model=2")), single)


def parts(tree) -> list[int]:
    """Say into how many different parts each leaf is divided."""
    return [len({str(shard.index) for shard in leaf.addressable_shards}) for leaf in jax.tree.leaves(tree)]


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["data=4,model=2", "model=8"])
def test_every_device_holds_its_part_alone(mesh: str):
    """Losses are right also where every device does everything; so look what lies where, before and after a chunk."""
    experiment, place = small("lsalr"), Placement(mesh)
    made = programs.Programs(experiment, place)
    program = made.of(CONTENDERS["lsalr"])
    params = loop.initial_params(experiment, made)
    state = program.init(params)
    feed = feeds.make_feeds(feeds.load_sets(experiment), place)["trial"]
    ((batches, steps),) = feed.pieces(experiment, 0, 4)
    data, model = place.mesh.shape["data"], place.mesh.shape["model"]
    assert parts(batches) == [data]
    expected = [
        1 if model == 8 and leaf.shape[-1] == 4 and leaf.ndim == 2 else model for leaf in jax.tree.leaves(params)
    ]
    assert sorted(expected)[-2:] == [model, model]
    for _ in range(2):
        assert parts(params) == expected
        assert parts(state) == expected  # momenta; the optimizer keeps nothing else
        params, state = program.chunk(params, state, feed.data, batches, np.int32(0), steps)
    assert program.chunk.func._cache_size() == 1  # where things lie does not drift: else it compiles again


@pytest.mark.slow
def test_every_device_does_its_part_of_the_work_alone():
    """A step of all 24 pictures over 8 devices is one of 3 on each, and one addition of the gradients."""

    def compiled(place: Placement) -> jax.stages.Compiled:
        experiment = small("heavy", batch_size=None)
        made = programs.Programs(experiment, place)
        program, params = made.of(CONTENDERS["heavy"]), loop.initial_params(experiment, made)
        feed = feeds.make_feeds(feeds.load_sets(experiment), place)["trial"]
        ((batches, steps),) = feed.pieces(experiment, 0, 4)
        given = (params, program.init(params), feed.data, batches, np.int32(0), steps)
        return program.chunk.func.lower(*program.chunk.args, *given).compile()

    one, eight = compiled(Placement()), compiled(Placement("data=8"))
    assert one.cost_analysis()["flops"] > 4 * eight.cost_analysis()["flops"]
    assert eight.as_text().count(" all-reduce(") == 1


@pytest.mark.slow
def test_an_interrupted_run_goes_on_over_another_mesh(
    tmp_path: Path, single: list[Row], monkeypatch: pytest.MonkeyPatch
):
    def headline(slug: str, rows: list) -> str:
        if list((tmp_path / "small/checkpoints").glob("*/0/[0-9]*[0-9]")):  # at the latest when it is the second's turn
            raise KeyboardInterrupt
        return ""

    experiment = small("lsalr", "slow")
    with monkeypatch.context() as patch:
        patch.setattr(trials, "_headline", headline)
        patch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
        with pytest.raises(KeyboardInterrupt):
            runner.perform("small", experiment, tmp_path, QUIET, mesh="data=4,model=2")
    record = records.read(runner.perform("small", experiment, tmp_path, QUIET, resume=True, mesh="data=2,model=4"))
    assert record.meta["resumed"]
    assert record.meta["mesh"] == {"data": 2, "model": 4}
    compare(sorted(record.rows), sorted(row for row in single if row.contender in ("lsalr", "slow")))


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        ("data=3", r"^mesh data=3,model=1 is for 3 devices; there are 8\.$"),
        ("data=8,model=2", r"^mesh data=8,model=2 is for 16 devices; there are 8\.$"),
        ("rows=8", r"^mesh must be like data=4,model=2, got 'rows=8'\.$"),
        ("data=0", r"got 'data=0'\.$"),
        ("data", r"got 'data'\.$"),
        ("data=4;model=2", r"got 'data=4;model=2'\.$"),
    ],
)
def test_impossible_meshes_are_refused(mesh: str, message: str):
    with pytest.raises(InputError, match=message):
        Placement(mesh)


def test_a_batch_that_cannot_be_divided_is_refused_before_anything_is_read_or_written(tmp_path: Path):
    with pytest.raises(InputError, match=r"^batch_size must be a multiple of data = 4, got 6\.$"):
        runner.perform("small", small("heavy", batch_size=6), tmp_path, QUIET, mesh="data=4,model=2")
    assert not any(tmp_path.iterdir())


def test_what_the_main_process_refuses_all_refuse_in_its_words(monkeypatch: pytest.MonkeyPatch):
    sent = []

    def refuse() -> bool:
        raise InputError("The folder 'für alle' is locked.")

    def broadcast(told: np.ndarray) -> np.ndarray:
        """The main process is asked first; it says how long its answer is, then the answer."""
        if processes.is_main():
            sent.append(told)
            return told
        return sent.pop(0)

    monkeypatch.setattr(processes.jax, "process_count", lambda: 2)
    monkeypatch.setattr(processes.multihost_utils, "broadcast_one_to_all", broadcast)
    for number in range(2):
        monkeypatch.setattr(processes, "is_main", lambda number=number: number == 0)
        with pytest.raises(InputError, match=r"^The folder 'für alle' is locked\.$"):
            from_main(refuse if number == 0 else lambda: pytest.fail("only the main process decides"))
    assert not sent


def test_the_main_process_tells_the_others_when_a_checkpoint_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Left to themselves, one would save and wait for others that train on. Here nothing is due but by its word."""
    asked, kept = [], []
    monkeypatch.setattr(loop, "from_main", lambda is_due: asked.append(is_due()) or True)
    monkeypatch.setattr(checkpoints.Slot, "save", lambda self, saved: kept.append(saved.step))
    loop.run(small("heavy"), checkpoints=checkpoints.Checkpoints(tmp_path))
    assert asked == [False, False]  # the end is always kept
    assert kept == [4, 8, 12]
