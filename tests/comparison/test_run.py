"""A comparison on the disk: resumed it ends the same, nothing is lost or mixed; one's own model; the command line."""

import functools
import io
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

import adaptax
from adaptax.comparison import Comparison, results, run
from adaptax.comparison import compare as compare_own
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.files import alone_in
from adaptax.comparison.methods import Method
from adaptax.comparison.program import Program, Programs
from adaptax.comparison.protocol import Grid, Protocol
from adaptax.comparison.report import pictures
from adaptax.comparison.task import Loss, Task
from adaptax.comparison.train import Evaluation, train
from experiments.engine import command_line, finder
from tests.comparison.test_program import DATA, LINE, init, loss, score

QUIET = Console(file=io.StringIO())
METHODS = {
    "sgd": Method(make=functools.partial(optax.sgd), default=0.05),
    # Its default is the best rate of the grid, see below.
    "smoothed": Method(make=functools.partial(adaptax.smoothed_nesterov, points=2), default=0.1),
}
PROTOCOL = Protocol(rates=Grid(0.01, 1.0, 3), tuning_seeds=2, final_seeds=2, extensions=1)
TASKS = {"line": LINE}
# What is trained: sgd is best at the edge, which no rate beyond it is; smoothed is best where its default is.
GRID = ((0.01, 0.1, 1.0), (0, 1))
OF_SGD = [GRID, ((10.0, 100.0), (0, 1)), ((1.0,), (1000, 1001)), ((0.05,), (1000, 1001))]
OF_SMOOTHED = [GRID, ((0.1,), (1000, 1001))]
GROUPS = OF_SGD + OF_SMOOTHED


@functools.cache
def kept_of(task: Task, layout: str) -> Programs:
    """Programs that are compiled once for all tests; a resumed run computes what a new one does."""
    return Programs(task, layout)


def kept(task: Task, layout: str, known: dict) -> Programs:
    assert list(known) == ["constant"]
    return kept_of(task, layout)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    """Compile once, and draw nothing: the report's own tests look at its pictures."""
    monkeypatch.setattr(run, "Programs", kept)
    for name in ("opening", "rates", "steps", "profile", "leaders"):
        monkeypatch.setattr(pictures, name, lambda *of: [])


def compare(out: Path, **changes: Any) -> dict[str, bytes]:
    arguments = {"tasks": TASKS, "methods": METHODS, "protocol": PROTOCOL, "layout": "threads"} | changes
    run.judge(**arguments, out=out, console=QUIET)
    return files(out)


def files(out: Path) -> dict[str, bytes]:
    """Read what two runs must have in common."""
    names = (path for path in (out / "line").iterdir() if path.suffix in (".json", ".jsonl"))
    return {path.name: path.read_bytes() for path in names if path.name not in ("meta.json",)}


class Log(NamedTuple):
    groups: list[tuple]  # those that were trained to the end: rates, seeds, after which ticks the test split was read
    ticks: list[int]


def watch(monkeypatch: pytest.MonkeyPatch, interrupt_at: int | None = None) -> Log:
    """Write down what is trained and what is read of the data; press Ctrl-C at some tick."""
    log, reads = Log([], []), []

    class Seen(dict):
        def __getitem__(self, name: str) -> Any:
            reads.append((name, len(log.ticks)))
            return super().__getitem__(name)

    def watched(field: Field, program: Program, trials: tuple, seeds: tuple, *, tick: Any, **options: Any) -> Any:
        def count(evaluation: Evaluation) -> None:
            log.ticks.append(evaluation.member_steps)
            if len(log.ticks) == interrupt_at:
                raise KeyboardInterrupt
            tick(evaluation)

        field.splits = Seen(field.splits)
        reads.clear()
        before = len(log.ticks)
        result = train(field, program, trials, seeds, tick=count, **options)
        rates = tuple(trial.rate for trial in trials)
        log.groups.append((rates, seeds, [at - before for name, at in reads if name == "test"]))
        return result

    monkeypatch.setattr(run, "train", watched)
    return log


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, with programs of its own."""
    out = tmp_path_factory.mktemp("whole")
    assert sorted(compare(out)) == ["config.json", "sgd.jsonl", "smoothed.jsonl"]
    return out


def test_two_runs_leave_the_same_bytes(tmp_path: Path, whole: Path):
    assert compare(tmp_path) == files(whole)


def test_the_record_holds_all_phases_and_no_rate_is_trained_twice(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
):
    """smoothed's default rate is its best one: its curves stand twice in the record and were trained once."""
    log = watch(monkeypatch)
    compare(tmp_path)
    assert [(rates, seeds) for rates, seeds, _ in log.groups] == GROUPS
    (read,) = results.read_all(whole)
    for name, default in (("sgd", 0.05), ("smoothed", 0.1)):
        by_phase = {phase: [r.curve for r in read.results[name] if r.phase == phase] for phase in ("final", "default")}
        assert [(c.rate, c.seed) for c in by_phase["default"]] == [(default, 1000), (default, 1001)]
        assert (by_phase["final"] == by_phase["default"]) == (name == "smoothed")
        assert len(read.results[name]) == {"sgd": 10, "smoothed": 6}[name] + 2 + 2
    assert read.timings["smoothed"]["gradients_per_step"] == 2
    assert read.timings["sgd"]["gradients_per_step"] == 1
    assert min(timing["microseconds_per_member_step"] for timing in read.timings.values()) > 0
    assert (read.slug, read.config["layout"]) == ("line", "threads")
    assert read.config["task"]["title"] == LINE.title
    assert read.meta["versions"]["jax"] == jax.__version__


def test_the_test_split_is_read_at_the_end_of_the_reruns_and_never_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log = watch(monkeypatch)
    compare(tmp_path, layout="vmap")
    # Its shape when the program is compiled, the examples after the last evaluation; each group has three.
    assert [reads for *_, reads in log.groups] == [[], [], [0, 3], [0, 3], [], [0, 3]]
    assert {(min(seeds) >= 1000) == bool(reads) for _, seeds, reads in log.groups} == {True}
    log.groups.clear()
    compare(tmp_path / "sweep", protocol=Protocol(rates=PROTOCOL.rates, extensions=0, only_tunes=True))
    assert [(seeds, reads) for _, seeds, reads in log.groups] == [((0, 1, 2), [])] * 2


class Target(NamedTuple):
    """One weight from 0, a batch says where to; a step of the rate goes that far along to 1."""

    def init(self, key: jax.Array) -> jax.Array:
        return jnp.zeros(())

    def loss(self, params: jax.Array, batch: jax.Array) -> jax.Array:
        return 0.5 * ((params - batch) ** 2).mean()

    score = loss


def test_validation_alone_chooses(tmp_path: Path):
    """Train and test split would both have the highest rate, and the test split in the record says so."""
    data = {name: np.full(2, to, np.float32) for name, to in {"train": 1.0, "validation": 0.3, "test": 0.9}.items()}
    task = Task(title="", problem=Target(), data=lambda: data, scored="", batch_size=None, steps=1, evaluate_every=1)
    protocol = Protocol(rates=Grid(0.1, 0.9, 3), tuning_seeds=1, final_seeds=2)
    methods = {"sgd": Method(make=functools.partial(optax.sgd), default=0.9)}
    compare(tmp_path, tasks={"line": task}, methods=methods, protocol=protocol, layout="vmap")
    (read,) = results.read_all(tmp_path)
    ends = {(r.phase, r.curve.rate): r.curve for r in read.results["sgd"]}
    assert list(ends) == [("tune", 0.1), ("tune", 0.3), ("tune", 0.9), ("final", 0.3), ("default", 0.9)]
    assert ends["default", 0.9].test == 0.0 < ends["final", 0.3].test
    assert ends["final", 0.3].train > ends["default", 0.9].train


class Flat(NamedTuple):
    """One weight to 1; what it is judged by differs from rate to rate in the seventh digit, the higher the better."""

    def init(self, key: jax.Array) -> jax.Array:
        return jnp.zeros(())

    def loss(self, params: jax.Array, batch: jax.Array) -> jax.Array:
        return 0.5 * ((params - batch) ** 2).mean()

    def score(self, params: jax.Array, batch: jax.Array) -> jax.Array:
        return 1 + 5e-7 * (1 - params)


def test_a_resumed_comparison_chooses_as_an_uninterrupted_one(tmp_path: Path):
    """Also by figures that differ where the disk keeps no digits: there they are equal, and the lowest rate is best."""
    data = dict.fromkeys(("train", "validation", "test"), np.ones(2, np.float32))
    task = Task(title="", problem=Flat(), data=lambda: data, scored="", batch_size=None, steps=1, evaluate_every=1)
    assert Flat().score(jnp.float32(0.1), None) != Flat().score(jnp.float32(0.9), None)
    settings = {"tasks": {"line": task}, "methods": {"sgd": Method(make=optax.sgd)}, "layout": "vmap"}
    settings["protocol"] = Protocol(rates=Grid(0.1, 0.9, 2), tuning_seeds=1, final_seeds=2, extensions=0)
    whole = compare(tmp_path, **settings)
    of = tmp_path / "line/sgd.jsonl"
    of.write_text("".join(line for line in of.read_text().splitlines(keepends=True) if '"tune"' in line))
    assert compare(tmp_path, **settings, resume=True) == whole
    (read,) = results.read_all(tmp_path)
    assert {r.curve.rate for r in read.results["sgd"] if r.phase == "final"} == {0.1}


def test_interrupted_and_resumed_it_leaves_the_same_bytes_and_trains_no_group_twice(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
):
    """Ctrl-C in the first method's grid, extension and last rerun, in the second one's grid: each loses one group."""
    trained = []
    for interrupt_at, finished in ((2, 0), (20, 1), (20, 2), (8, 1), (None, 2)):
        log = watch(monkeypatch, interrupt_at)
        if interrupt_at is None:
            assert compare(tmp_path, resume=True) == files(whole)
        else:
            with pytest.raises(KeyboardInterrupt):
                compare(tmp_path, resume=True)
        assert len(log.groups) == finished
        trained += log.groups
    assert [(rates, seeds) for rates, seeds, _ in trained] == GROUPS


def timings_in(out: Path) -> dict[str, Any]:
    return json.loads((out / "line/meta.json").read_text())["timings"]


def test_what_is_complete_is_read_and_not_trained(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch):
    before = compare(tmp_path)
    timings = timings_in(tmp_path)
    assert timings.keys() == METHODS.keys()
    log = watch(monkeypatch)
    assert compare(tmp_path, resume=True) == before
    assert not log.ticks
    assert timings_in(tmp_path) == timings
    # Interrupted before the default rate, which was trained as the best one: what a step costs is still known.
    of = tmp_path / "line/smoothed.jsonl"
    of.write_text("".join(line for line in of.read_text().splitlines(keepends=True) if '"default"' not in line))
    assert compare(tmp_path, resume=True) == before
    assert not log.ticks
    assert timings_in(tmp_path) == timings


def test_methods_join_a_comparison_and_those_that_were_there_stay(tmp_path: Path, whole: Path):
    for name, method in METHODS.items():
        compare(tmp_path, methods={name: method}, resume=True)
    assert files(tmp_path) == files(whole)
    assert timings_in(tmp_path).keys() == METHODS.keys()


def test_a_method_that_needs_a_matrix_is_left_out_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = watch(monkeypatch)
    muon = Method(make=optax.contrib.muon, default=0.02, needs_matrix=True)
    left = compare(tmp_path, methods={"muon": muon, "sgd": METHODS["sgd"]})
    assert sorted(left) == ["config.json", "sgd.jsonl"]
    assert [(rates, seeds) for rates, seeds, _ in log.groups] == OF_SGD


def test_results_are_not_overwritten(whole: Path, monkeypatch: pytest.MonkeyPatch):
    before, log = files(whole), watch(monkeypatch)
    with pytest.raises(InputError, match=r"^There are results in '[^\n]*line'; add --resume to continue [^\n]*\.$"):
        compare(whole)
    assert files(whole) == before
    assert not log.ticks


OTHER_DATA = {**DATA, "test": {name: part + 1e-3 for name, part in DATA["test"].items()}}


def with_line(**changes: Any) -> dict[str, Any]:
    return {"tasks": {"line": Task(**(vars(LINE) | changes))}}


@pytest.mark.parametrize(
    ("changes", "different"),
    [
        (with_line(title="Another"), "task"),
        (with_line(steps=12), "task"),
        ({"protocol": Protocol(rates=PROTOCOL.rates, tuning_seeds=2, final_seeds=3, extensions=1)}, "protocol"),
        ({"protocol": Protocol(tuning_seeds=2, final_seeds=2, extensions=1)}, "protocol"),
        ({"layout": "vmap"}, "layout"),
        ({"methods": {"sgd": Method(make=functools.partial(optax.sgd, momentum=0.9), default=0.05)}}, "sgd"),
        ({"methods": {"sgd": Method(make=functools.partial(optax.sgd), default=0.06)}}, "sgd"),
        (with_line(title="Another", data=lambda: OTHER_DATA) | {"layout": "vmap"}, "task and layout and data_sha256"),
    ],
)
def test_it_does_not_go_on_with_something_else(
    changes: dict[str, Any], different: str, whole: Path, monkeypatch: pytest.MonkeyPatch
):
    before, log = files(whole), watch(monkeypatch)
    with pytest.raises(InputError) as caught:
        compare(whole, resume=True, **changes)
    folder = str(whole / "line")
    assert str(caught.value) == (
        f"What is in {folder!r} differs in {different}; resume it with its first settings, or remove that folder."
    )
    assert files(whole) == before
    assert not log.ticks


def test_two_comparisons_in_one_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = watch(monkeypatch)
    with alone_in(tmp_path / "line"):
        with pytest.raises(InputError, match=r"^Another run is writing into '[^\n]*line'\.$"):
            compare(tmp_path)
    assert not log.ticks


def test_a_seed_that_diverged_survives_the_disk(tmp_path: Path):
    """Nothing that is not a number stands in the file; a curve that was cut is read as it was written."""
    protocol = Protocol(rates=Grid(0.1, 1e30, 2), tuning_seeds=2, only_tunes=True)
    compare(tmp_path, methods={"sgd": METHODS["sgd"]}, protocol=protocol)
    text = (tmp_path / "line/sgd.jsonl").read_text()
    assert not re.search("nan|inf", text, re.IGNORECASE)
    (read,) = results.read_all(tmp_path)
    fine, wild = (result.curve for result in read.results["sgd"][:2])
    assert (wild.rate, wild.diverged_at, wild.train, wild.validation, wild.test) == (1e30, 2, (), (), None)
    assert (fine.diverged_at, len(fine.train), len(fine.validation), fine.test) == (None, 3, 3, None)


def your_compare(out: Path, **changes: Any) -> Comparison:
    settings = {"methods": ["optax_sgd", "adam"], "score": score, "batch_size": 4, "steps": 9, "evaluations": 3}
    settings |= {"rates": "0.01:1:3", "tuning_seeds": 2, "seeds": 2, "out": out, "title": "A line of one's own"}
    arguments = {"loss": loss, "init": init, "data": DATA} | settings | changes
    return compare_own(**arguments)


def test_ones_own_model_is_compared_as_a_task_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The same numbers as the task of the same loss and data; page and Markdown say them."""
    page = your_compare(tmp_path / "yours", methods=["optax_sgd"], layout="threads").report()
    assert page == tmp_path / "yours/report.html"
    assert f"Report: {page}" in capsys.readouterr().out.replace("\n", "")
    assert "A line of one&#x27;s own" in page.read_text()
    assert "# A line of one's own" in page.with_suffix(".md").read_text()
    methods = {"optax_sgd": Method(make=functools.partial(optax.sgd), default=0.01)}
    protocol = Protocol(rates=Grid(0.01, 1.0, 3), final_seeds=2)
    task = Task(**(vars(LINE) | {"tuning_seeds": 2, "train_examples_scored": 1000}))
    compare(tmp_path / "task", tasks={"line": task}, methods=methods, protocol=protocol)
    ours, theirs = (tmp_path / name / "optax_sgd.jsonl" for name in ("yours/yours", "task/line"))
    assert ours.read_bytes() == theirs.read_bytes()
    assert json.loads((tmp_path / "yours/yours/config.json").read_text())["data_sha256"]


def test_ones_own_model_is_judged_by_its_loss_unless_there_is_a_score():
    params = {"weights": jnp.ones(3)}
    batch = jax.tree.map(jnp.float32, DATA["test"])
    assert Loss(init, loss).score(params, batch) == loss(params, batch) != score(params, batch)
    assert Loss(init, loss, score).score(params, batch) == score(params, batch)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"data": {"train": DATA["train"], "test": DATA["test"]}},
            r"must have a split 'validation', got \['test', 'tr",
        ),
        ({"data": DATA | {"train": {"x": np.ones((4, 3)), "y": np.ones(3)}}}, r"split 'train' must have one length"),
        ({"methods": ["adam", "optax_sdg"]}, r"^There is no method 'optax_sdg'; the nearest is 'optax_sgd'\.$"),
        ({"evaluations": 4}, r"^evaluations must divide steps = 9, got 4\.$"),
        ({"evaluations": 0}, r"^evaluations must divide steps = 9, got 0\.$"),
        ({"evaluations": 18}, r"^evaluations must divide steps = 9, got 18\.$"),
        ({"steps": 0}, r"^steps must be at least 1, got 0\.$"),
        ({"batch_size": 11}, r"^batch_size must be at most 10, [^\n]*, got 11\.$"),
        ({"tuning_seeds": 0}, r"^tuning_seeds must be at least 1, got 0\.$"),
        ({"seeds": 1}, r"^final_seeds must be at least 2, for an interval, got 1\.$"),
        ({"rates": "1:0.1:3"}, r"^rates must be LOW:HIGH:N with [^\n]*\.$"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_sentence(wrong: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message) as caught:
        your_compare(tmp_path, **wrong)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.jsonl"))


def command(*words: str) -> None:
    command_line.main(list(words))


@pytest.fixture
def known_tasks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(finder, "tasks", lambda: TASKS)


FEW = ("--rates", "0.01:1:3", "--layout", "threads")


@pytest.mark.usefixtures("known_tasks")
def test_the_commands_sweep_compare_and_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "compared"
    command("sweep", "line", "--methods", "optax_sgd", "--seeds", "2", *FEW, "--out", str(tmp_path / "swept"))
    (swept,) = results.read_all(tmp_path / "swept")
    assert [(r.phase, r.curve.rate, r.curve.seed) for r in swept.results["optax_sgd"]] == [
        ("tune", rate, seed) for seed in (0, 1) for rate in (0.01, 0.1, 1.0)
    ]
    compare_ = ("compare", "--tasks", "line", "--methods", "optax_sgd, adam", "--tuning-seeds", "1", "--seeds", "2")
    command(*compare_, *FEW, "--out", str(out))
    (compared,) = results.read_all(out)
    phases = {name: [(r.phase, r.curve.seed) for r in of] for name, of in compared.results.items()}
    assert phases.keys() == {"optax_sgd", "adam"}
    assert {phase for phase, _ in phases["optax_sgd"]} == {"tune", "final", "default"}
    assert {seed for phase, seed in phases["adam"] if phase == "tune"} == {0}
    assert {seed for phase, seed in phases["adam"] if phase != "tune"} == {1000, 1001}
    printed = capsys.readouterr().out.replace("\n", "")
    assert f"Report: {tmp_path / 'swept/report.html'}" in printed
    assert f"Report: {out / 'report.html'}" in printed
    with pytest.raises(SystemExit, match=r"^There are results in '[^\n]*'; add --resume to continue [^\n]*\.$"):
        command(*compare_, *FEW, "--out", str(out))
    command("report", "--results", str(out), "--out", str(tmp_path / "again"))
    for name in ("report.md", "report.html"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


@pytest.mark.usefixtures("known_tasks")
def test_the_command_tasks_names_tasks_and_methods(capsys: pytest.CaptureFixture[str]):
    command("tasks")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "line: A line, mean absolute error"
    assert {"optax_sgd", "lsalr", "local_gains_adam"} < set(second.removeprefix("Methods: ").split(", "))


@pytest.mark.usefixtures("known_tasks")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sweep lines --methods adam", "There is no task 'lines'; the nearest is 'line'."),
        ("sweep line --methods optax_adan", "There is no method 'optax_adan'; the nearest is 'optax_adam'."),
        ("sweep line --methods adam --rates 1:2", "rates must be LOW:HIGH:N, as 1e-3:1:7, got '1:2'."),
        ("sweep line --methods adam --seeds 0", "tuning_seeds must be from 1 to 1000, got 0."),
        ("compare --tasks line,dot", "There is no task 'dot'; the nearest is 'line'."),
        ("compare --methods adam --seeds 1", "final_seeds must be at least 2, for an interval, got 1."),
        ("compare --methods adam --tuning-seeds -1", "tuning_seeds must be from 1 to 1000, got -1."),
        ("report --results OUT", "There is no comparison in 'OUT'; run it first."),
        ("compare --methods adam --out OUT/file", "The folder 'OUT/file/line' cannot be written: Not a directory."),
    ],
)
def test_bad_input_on_the_command_line_ends_in_one_sentence(words: str, sentence: str, tmp_path: Path):
    (tmp_path / "file").touch()
    arguments = words.replace("OUT", str(tmp_path)).split()
    arguments += [] if "--out" in arguments else ["--out", str(tmp_path)]
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    assert caught.value.code == sentence.replace("OUT", str(tmp_path))
