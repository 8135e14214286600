"""Folders of pictures are trained on as by hand, resume in mid-epoch bit for bit, and lose nothing when one breaks."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from flax import nnx
from PIL import Image
from rich.console import Console

from experiments.data import Split, imagenet, scaling
from experiments.data.imagenet import CROP, SIZE, Placed, crop, place_anywhere
from experiments.data.pipeline import Pipeline
from experiments.engine import checkpoints, command_line, feeds, finder, loop, programs, records, runner, trials
from experiments.engine.experiment import Experiment, Trial
from experiments.engine.feeds import Streamed
from experiments.engine.placement import Placement
from experiments.engine.programs import Programs
from experiments.models import Params, functional
from experiments.models.caffe_layers import drop

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
QUIET = Console(file=io.StringIO())
INPUTS, CLASSES = 8 * 8 * 3, 2
RATE, MOMENTUM = 0.02, 0.9
TRAIN, TEST = {"n1": 7, "n2": 4}, {"n1": 3, "n2": 4}


class Dropping(nnx.Module):
    """Every 32nd pixel, half of them dropped, to two classes."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:  # noqa: D107
        self.output = nnx.Linear(INPUTS, CLASSES, rngs=rngs)

    def __call__(self, pictures: jax.Array, key: jax.Array | None = None) -> jax.Array:
        return self.output(drop(pictures[:, ::32, ::32].reshape(len(pictures), -1) / 100, 0.5, key))


def small(**changes) -> Experiment:
    """Two batches of five an epoch, so every evaluation but the last is in the middle of one."""
    heavy = partial(optax.sgd, learning_rate=RATE, momentum=MOMENTUM)
    trial = Trial(title="", data=partial(imagenet.load, num_workers=0), contenders={"heavy": heavy, "again": heavy})
    plan = {
        "title": "",
        "model": partial(Dropping),
        "weights": CLASSES * (INPUTS + 1),
        "loss": "mean",
        "batch_size": 5,
        "steps": 9,
        "evaluate_at": (5, 9),
        "seeds": 2,
        "scale": crop,
        "trials": {"trial": trial},
    }
    return Experiment(**plan | changes)


def write(folder: Path, counts: dict[str, int], random: np.random.Generator) -> None:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for k in range(count):
            picture = Image.fromarray(random.integers(256, size=(16, 12, 3), dtype=np.uint8))
            picture.save(folder / name / f"{k}.JPEG")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Pictures of noise; their mean goes into a home of the test's own."""
    root = tmp_path_factory.mktemp("stream")
    random = np.random.default_rng(0)
    write(root / "train", TRAIN, random)
    write(root / "val", TEST, random)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root / "home"))
        yield root


@pytest.fixture(scope="module")
def uninterrupted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return perform(folder, tmp_path_factory.mktemp("whole"))


def stream(folder: Path, **settings) -> Streamed:
    return Streamed(imagenet.load(folder, **settings), Placement())


def perform(folder: Path, out: Path, resume: bool = False) -> dict[str, bytes]:
    return rows_of(runner.perform("small", small(), out, QUIET, folder, resume))


def rows_of(record: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in record.glob("seed_*.jsonl")}


def checkpoint_at_every_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(checkpoints.Slot, "is_due", lambda slot: slot.close() or True)


def initial(experiment: Experiment) -> Params:
    """Draw the weights of every seed."""
    init = functional(experiment.model).init
    return jax.vmap(lambda seed: init(jax.random.key(seed)))(np.arange(experiment.seeds, dtype=np.uint32))


def parts_of(batch: Placed, mean: np.ndarray) -> np.ndarray:
    """Cut, center and mirror in NumPy: what the net is shown, every 32nd pixel."""
    shown = []
    for picture, (top, left), is_mirrored in zip(batch.picture, batch.corner, batch.is_mirrored, strict=True):
        part = (np.float64(picture) - mean)[top : top + CROP, left : left + CROP]
        shown.append((part[:, ::-1] if is_mirrored else part)[::32, ::32].ravel() / 100)
    return np.array(shown)


def descend_in_numpy(folder: Path, seed: int, steps: int) -> list[float]:
    """Give the mean training loss, without dropout, before each step: V = μ V + r g, w -= V."""
    train = imagenet.load(folder).splits["train"]
    mean = np.mean([train[k].picture for k in range(len(train))], axis=0, dtype=np.float64)
    middle = np.full((len(train), 2), (SIZE - CROP) // 2)
    whole = Placed(np.array([train[k].picture for k in range(len(train))]), train.labels, middle, middle[:, 0] < 0)
    params = functional(partial(Dropping)).init(jax.random.key(seed))["output"]
    w, b = np.float64(params["kernel"]), np.float64(params["bias"])
    v, u, losses = 0 * w, 0 * b, []
    batches = Pipeline(train, batch_size=5, seed=seed, epochs=None, augment=place_anywhere)
    for step in range(steps):
        z = parts_of(whole, mean) @ w + b
        losses.append((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), whole.class_]).mean())
        batch = next(batches)
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 0x0DD5), step)
        kept = np.asarray(jax.random.bernoulli(key, 0.5, (5, INPUTS)))
        x = np.where(kept, 2 * parts_of(batch, mean), 0)
        e = np.exp(x @ w + b)
        g = (e / e.sum(axis=1, keepdims=True) - np.eye(CLASSES)[batch.class_]) / 5
        v, u = MOMENTUM * v + RATE * x.T @ g, MOMENTUM * u + RATE * g.sum(axis=0)
        w, b = w - v, b - u
    batches.close()
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("side_by_side", [0, 100_000])  # seed by seed as AlexNet, and all seeds in one
def test_training_on_a_stream_equals_numpy(folder: Path, monkeypatch: pytest.MonkeyPatch, side_by_side: int):
    """Pictures cut and mirrored with their mean, units dropped by seed and step; to test, all of both are there."""
    monkeypatch.setattr(programs, "SIDE_BY_SIDE_WEIGHTS", side_by_side)
    experiment, ticks = small(steps=4, evaluate_at=(2, 4)), []
    rows = loop.run(
        experiment, tick=ticks.append, feeds=feeds.make_feeds(feeds.load_sets(experiment, folder), Placement())
    )
    assert sum(ticks) == loop.count_steps(experiment) == 8
    assert max(ticks) == 1
    for contender in ("heavy", "again"):  # the same pictures and the same units dropped
        for seed in range(2):
            ours = [r.loss for r in rows if (r.contender, r.seed, r.split) == (contender, seed, "train")]
            np.testing.assert_allclose(ours, descend_in_numpy(folder, seed, 5)[::2], rtol=1e-5)


def test_dropped_units_depend_on_seed_and_step_alone(folder: Path):
    """With a batch of one picture, the weights of a dropped unit get no gradient."""
    experiment, feed = small(batch_size=1), stream(folder)
    compiled, (batch, _) = Programs(experiment), next(feed.pieces(small(batch_size=1), 0, 1))
    batch = jax.tree.map(lambda part: part[:1].repeat(2, axis=0), batch)  # both seeds see the same

    def kept(rate: float, step: int) -> np.ndarray:
        program, params = compiled.of(partial(optax.sgd, learning_rate=rate)), initial(experiment)
        before = np.asarray(params["output"]["kernel"])
        after, _ = program.chunk(params, program.init(params), feed.data, batch, np.int32(step), 1)
        return np.any(np.asarray(after["output"]["kernel"]) != before, axis=2)

    masks = [mask for step in (0, 1, 7) for mask in kept(0.1, step)]
    assert all(0.3 < mask.mean() < 0.7 for mask in masks)
    assert len({mask.tobytes() for mask in masks}) == 6
    np.testing.assert_array_equal(kept(0.5, 7), masks[4:])


def test_scores_of_a_stream_are_those_of_the_pictures_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feeds, "PICTURES_AT_ONCE", 3)  # 11 and 7 pictures: some are left over
    folders, middle = imagenet.load(folder), slice((SIZE - CROP) // 2, (SIZE + CROP) // 2)
    held = {
        name: Split(np.array([pictures[k].picture - folders.mean for k in range(len(pictures))]), pictures.labels)
        for name, pictures in folders.splits.items()
    }
    held = {name: Split(split.pictures[:, middle, middle], split.classes) for name, split in held.items()}
    params = initial(small())
    expected = feeds.Held(held, Placement()).score(Programs(small(scale=scaling.unchanged)), params)
    scores = stream(folder).score(Programs(small()), params)
    assert set(scores) == {"train", "test"}
    for name in scores:
        np.testing.assert_allclose(scores[name], expected[name], rtol=1e-5)


def test_the_training_sample_is_the_same_each_time_and_not_one_class(folder: Path):
    experiment, feed, seen = small(train_pictures_evaluated=6), stream(folder), []
    compiled = Programs(experiment)
    tally = compiled.tally

    def spy(params: Params, batch: Split, mean: jax.Array) -> jax.Array:
        seen.append(np.asarray(batch.classes).tolist())
        return tally(params, batch, mean)

    compiled.tally = spy
    first, second = (feed.score(compiled, initial(experiment)) for _ in range(2))
    assert len(seen[0]) == 6 < TRAIN["n1"]
    assert set(seen[0]) == {0, 1}
    assert seen[:2] == seen[2:]
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.slow
def test_workers_change_nothing(folder: Path):
    experiment, compiled = small(seeds=1), Programs(small(seeds=1))
    batches, scores = [], []
    for num_workers in (0, 2):
        folders = imagenet.load(folder, num_workers=num_workers)
        batches.append(list(Streamed(folders, Placement()).pieces(experiment, 1, 6)))  # of three epochs
        test = Streamed(folders._replace(splits={"test": folders.splits["test"]}), Placement())
        scores.append(test.score(compiled, initial(experiment)))
    jax.tree.map(np.testing.assert_array_equal, *batches)
    jax.tree.map(np.testing.assert_array_equal, *scores)


# A process of its own, that is killed after some steps: between two evaluations, in the middle of an epoch.
CHILD = """
import os, signal, sys
from pathlib import Path
import pytest
from experiments.engine import loop, runner, trials
from tests.experiments.test_stream import QUIET, checkpoint_at_every_step, small

checkpoint_at_every_step(pytest.MonkeyPatch())
run = loop.run
def until_killed(experiment, watch, tick, *rest):
    steps = []
    def counted(done):
        steps.append(done)
        if sum(steps) >= 8:
            os.kill(os.getpid(), signal.SIGKILL)
    return run(experiment, watch, counted, *rest)
trials.run = until_killed
runner.perform("small", small(), Path(sys.argv[2]), QUIET, Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_it_gives_the_same_bytes(
    folder: Path, tmp_path: Path, uninterrupted: dict[str, bytes]
):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", CHILD, str(folder), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert saved(tmp_path) in (6, 7, 8)
    assert perform(folder, tmp_path, resume=True) == uninterrupted
    assert records.read(tmp_path / "small").meta["resumed"]


def saved(out: Path) -> int:
    """Say after how many steps the first contender's checkpoint was written."""
    return max(int(path.name) for path in (out / "small/checkpoints/trial/0").iterdir() if path.name.isdecimal())


@pytest.mark.slow
def test_a_picture_that_breaks_ends_the_run_in_one_sentence_and_loses_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, bytes]
):
    train = imagenet.load(folder).splits["train"]
    batches = Pipeline(train, batch_size=5, epochs=None, first_batch=5, augment=place_anywhere)  # of seed 0
    used = [{tuple(picture.sum(axis=(0, 1))) for picture in next(batches).picture} for _ in range(4)]
    batches.close()
    late = next(k for k in range(len(train)) if tuple(train[k].picture.sum(axis=(0, 1))) in used[2] - used[0] - used[1])
    broken, content, headlines = train.path(late), train.path(late).read_bytes(), []

    def headline(slug: str, rows: list) -> str:
        headlines.append(rows[0].step)
        if headlines == [0, 5]:
            broken.write_bytes(content[:-100])
        return ""

    monkeypatch.setattr(finder, "paper", lambda slug: small(seeds=1))
    arguments = ["run", "small", "--data", str(folder), "--out", str(tmp_path)]
    try:
        with monkeypatch.context() as patch:
            checkpoint_at_every_step(patch)
            patch.setattr(trials, "_headline", headline)
            with pytest.raises(SystemExit, match=r"^'[^\n]*JPEG' cannot be decoded: [^\n]*\.$"):
                command_line.main(arguments)
    finally:
        broken.write_bytes(content)
    assert saved(tmp_path) == 6  # the step before the last one that was taken
    command_line.main([*arguments, "--resume"])
    assert rows_of(tmp_path / "small") == {"seed_0.jsonl": uninterrupted["seed_0.jsonl"]}
    meta = records.read(tmp_path / "small").meta
    assert meta["pictures_per_second"]["trial"] > 0
    assert 0 <= meta["share_waited_for_pictures"]["trial"] <= 1


def test_ctrl_c_ends_a_stream_between_two_evaluations(folder: Path):
    experiment, ticks = small(steps=2000, evaluate_at=(2000,)), []

    def tick(steps: int) -> None:
        ticks.append(steps)
        if len(ticks) == 5:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # libraries of other tests may have set theirs
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run(experiment, tick=tick, feeds=feeds.make_feeds(feeds.load_sets(experiment, folder), Placement()))
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)
    assert len(ticks) < 1000


def test_what_cannot_begin_is_said_in_one_sentence(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    run = ["run", "lsalr_imagenet", "--out", str(tmp_path), "--data"]
    with pytest.raises(SystemExit, match=r"^There is no folder 'train' in '[^\n]*'; get ILSVRC 2012 from [^\n]*\.$"):
        command_line.main([*run, str(tmp_path)])
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(SystemExit, match=r"^The mean picture cannot be kept in '[^\n]*': Not a directory\.$"):
        command_line.main([*run, str(folder)])
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(folder / "val", tmp_path / "val")
    shutil.copytree(folder / "val", tmp_path / "train")
    (tmp_path / "train/n2/1.JPEG").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"^'[^\n]*train/n2/1\.JPEG' cannot be decoded: [^\n]*\.$"):
        command_line.main([*run, str(tmp_path)])
    assert not list(tmp_path.glob(".cache/adaptax/*"))
