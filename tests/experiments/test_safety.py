"""Long work is safe: killed at any moment and resumed it ends the same; what cannot work is said before it begins."""

import collections
import dataclasses
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import optax
import pytest
from rich.console import Console

import adaptax
from adaptax.comparison.errors import InputError
from adaptax.comparison.files import alone_in
from experiments.engine import checkpoints, records, runner, trials
from experiments.engine.experiment import Experiment
from tests.experiments.test_loop import tiny

ROOT = Path(__file__).parents[2]
QUIET = Console(file=io.StringIO())
# Momentum, so that a checkpoint without the optimizer's state would show.
CONTENDERS = {
    "heavy": partial(optax.sgd, learning_rate=0.05, momentum=0.9),
    "wild": partial(optax.sgd, learning_rate=float("inf")),
    "adam": partial(adaptax.adam, learning_rate=0.05),
}
# A process of its own: it checkpoints whenever it can, and tells every evaluation to whoever wants to kill it.
CHILD = """
import sys, time
from pathlib import Path
from rich.console import Console
from experiments.engine import checkpoints, runner, trials
from tests.experiments.test_safety import small

checkpoints.SECONDS_BETWEEN = 0.0
headline = trials._headline
def slowly(slug, rows):
    time.sleep(0.02)
    return headline(slug, rows)
trials._headline = slowly
runner.perform("small", small(), Path(sys.argv[1]), Console(), resume=True)
"""


def small(**changes) -> Experiment:
    return dataclasses.replace(tiny(steps=60, batch_size=2, **CONTENDERS), **changes)


def perform(out: Path, resume: bool = False, **changes) -> dict[str, bytes]:
    folder = runner.perform("small", small(**changes), out, QUIET, resume=resume)
    return rows_of(folder)


def rows_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("seed_*.jsonl")}


def child(out: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(out)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole")
    rows = perform(out)
    assert sorted(rows) == ["seed_0.jsonl", "seed_1.jsonl"]
    assert not (out / "small/checkpoints").exists()
    return rows


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_it_gives_the_same_bytes(tmp_path: Path, uninterrupted: dict[str, bytes]):
    for kill in range(2):
        process = child(tmp_path)
        seen = 2 + 5 * kill  # the number of checkpoints to wait for: no two kills at the same place
        places: collections.Counter = collections.Counter()
        while sum(places.values()) < seen and process.poll() is None:
            places |= collections.Counter(map(str, (tmp_path / "small/checkpoints").glob("*/*/[0-9]*[0-9]")))
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        errors = process.communicate()[1]
        assert process.returncode == -signal.SIGKILL, errors.decode()[-2000:]
        assert not rows_of(tmp_path / "small")
    assert perform(tmp_path, resume=True) == uninterrupted
    assert records.read(tmp_path / "small").meta["resumed"]
    assert not (tmp_path / "small/checkpoints").exists()


def interrupt(monkeypatch: pytest.MonkeyPatch, out: Path, after: int) -> None:
    """Let a run die in its own process after some evaluations, as Ctrl-C does."""
    told = []

    def headline(slug: str, rows: list) -> str:
        told.append(rows)
        if len(told) == after:
            raise KeyboardInterrupt
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(trials, "_headline", headline)
        patch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
        with pytest.raises(KeyboardInterrupt):
            perform(out)


@pytest.mark.slow
def test_what_finished_is_not_run_again_and_an_old_record_stays_until_the_new_one_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, bytes]
):
    old = perform(tmp_path, seeds=1)
    interrupt(monkeypatch, tmp_path, after=45)
    assert rows_of(tmp_path / "small") == old
    assert perform(tmp_path, resume=True) == uninterrupted


@pytest.mark.slow
def test_an_unfinished_run_is_neither_thrown_away_nor_continued_as_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    interrupt(monkeypatch, tmp_path, after=40)
    with pytest.raises(InputError, match=r"^An unfinished run is in '[^\n]*; add --resume [^\n]*\.$"):
        perform(tmp_path)
    with pytest.raises(InputError, match=r"differs in seeds and title; [^\n]*\.$"):
        perform(tmp_path, resume=True, seeds=3, title="another")


def test_two_runs_in_one_folder_are_refused(tmp_path: Path):
    with alone_in(tmp_path / "small"):
        with pytest.raises(InputError, match=r"^Another run is writing into '[^\n]*small'\.$"):
            perform(tmp_path)
        with alone_in(tmp_path / "other"):
            pass
    with alone_in(tmp_path / "small"):
        pass


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trials, "run", None)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^The folder '[^\n]*file/small' cannot be written: Not a directory\.$"):
        perform(tmp_path / "file")


def test_a_full_disk_is_refused_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain = tiny(plain=CONTENDERS["wild"], heavy=CONTENDERS["heavy"])
    assert trials.checkpoint_bytes(plain) == 2 * 4 * 23 * (1 + 2)  # seeds, bytes, weights, copies of them
    monkeypatch.setattr(trials, "run", None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: collections.namedtuple("Usage", "free")(50_000_000))
    with pytest.raises(InputError, match=r"^The run may need 51 MB in '[^\n]*', where 50 MB are free\.$"):
        perform(tmp_path)


@pytest.mark.slow
# What Orbax's threads leave undone after a failed write is collected during some test or other.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_fills_up_ends_the_run_in_one_sentence_and_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, bytes]
):
    """No file may grow any more after some evaluations: writing fails as on a full disk."""
    told, before = [], resource.getrlimit(resource.RLIMIT_FSIZE)

    def headline(slug: str, rows: list) -> str:
        told.append(rows)
        if len(told) == 40:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(trials, "_headline", headline)
        patch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
        try:
            with pytest.raises(InputError, match=r"^The checkpoint in '[^\n]*' could not be written \([^\n]*\.$"):
                perform(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert perform(tmp_path, resume=True) == uninterrupted
