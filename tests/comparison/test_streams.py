"""Batches from iterators train as the same batches from arrays; what breaks off or changes shape is said."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from adaptax.comparison import InputError, compare, streams
from adaptax.comparison.task import checksum
from tests.comparison.test_own import FLOATS, SETTINGS
from tests.comparison.test_program import init, loss

pytestmark = pytest.mark.usefixtures("compiles_quickly")


def epochs(seed: int) -> Iterator[Any]:
    """Yield what a comparison draws from arrays: each epoch in an order of seed and epoch, without the last two."""
    for epoch in itertools.count():
        order = np.random.default_rng([seed, epoch]).permutation(10)
        for place in (0, 4):
            yield jax.tree.map(lambda part: part[order[place : place + 4]], FLOATS["train"])  # noqa: B023


def compared(out: Path, data: Any, **changes: Any) -> Any:
    settings = SETTINGS | {"methods": {"sgd": optax.sgd}, "batch_size": None} | changes
    return compare(loss, init, data, out=out, **settings).record


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["vmap", "threads of rates", "threads"])
def test_a_stream_trains_as_the_same_batches_of_arrays(layout: Any, tmp_path: Path):
    stream = {"train": epochs, "validation": lambda seed: cut("validation"), "test": FLOATS["test"]}
    streamed = compared(tmp_path / "a", stream, layout=layout)
    whole = compared(tmp_path / "b", FLOATS, batch_size=4, layout=layout)
    assert streamed.config["task"]["batch_size"] == 4
    for (_, ours), (_, theirs) in zip(streamed.results["sgd"], whole.results["sgd"], strict=True):
        assert ours.trial == theirs.trial
        np.testing.assert_allclose(ours.validation, theirs.validation, rtol=1e-5)
        np.testing.assert_allclose(ours.test or 0, theirs.test or 0, rtol=1e-5)


def cut(split: str) -> Iterator[Any]:
    """Yield a split in batches of which the last one is smaller."""
    for first in range(0, 7, 3):
        yield jax.tree.map(lambda part: part[first : first + 3], FLOATS[split])  # noqa: B023


def test_a_stream_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch):
    """Six steps in pieces of two, and at a later start from there on; the next piece is read ahead."""
    read = []

    def logged(seed: int) -> Iterator[Any]:
        for number, batch in enumerate(epochs(seed)):
            read.append(number)
            yield batch

    pieces = streams.pieces(logged, [3, 5], 0, 6, 2)
    first = next(pieces)
    assert first["x"].shape == (2, 2, 4, 3)
    expected = [list(itertools.islice(epochs(seed), 2)) for seed in (3, 5)]
    np.testing.assert_array_equal(first["x"], [[batch["x"] for batch in of] for of in expected])
    assert len(list(pieces)) == 2
    assert max(read) == 5
    (late,) = streams.pieces(epochs, [3], 4, 6, 2)
    np.testing.assert_array_equal(late["x"][0], [batch["x"] for batch in itertools.islice(epochs(3), 4, 6)])
    batch = next(epochs(0))
    assert streams.steps_at_once(batch, 6) == 6
    monkeypatch.setattr(streams, "PIECE_BYTES", 4 * (batch["x"].nbytes + batch["y"].nbytes))
    assert streams.steps_at_once(batch, 6) == 3
    assert streams.steps_at_once(batch, 7) == 1


def test_the_checksum_of_a_stream_is_of_its_first_batch():
    other = FLOATS | {"train": lambda seed: itertools.islice(epochs(seed), 1, None)}
    assert checksum(FLOATS | {"train": epochs}) == checksum(FLOATS | {"train": epochs}) != checksum(other)


WRONG = {
    "ends": (lambda seed: itertools.islice(epochs(seed), 5), r"^The batches of seed \d ended before 9 steps; let the "),
    "shapes": (
        lambda seed: itertools.chain(itertools.islice(epochs(seed), 2), cut("test")),
        r"^Batches must have one shape; with seed \d, batch 0 has \[\(4, 3\), \(4,\)\] and batch 2 has \[\(3, 3\), ",
    ),
    "nothing": (lambda seed: iter(()), r"^The split 'train' must have batches, and its function yielded none\.$"),
    "no iterator": (lambda seed: 3, r"^The split 'train' must be arrays or a function from a seed to an iterator of "),
    "lengths": (
        lambda seed: iter([{"x": np.ones((4, 3), np.float32), "y": np.ones(3, np.float32)}]),
        r"^The arrays of a batch must have one length above 0, got \[3, 4\]\.$",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_stream_is_said_in_one_sentence(name: str, tmp_path: Path):
    stream, message = WRONG[name]
    with pytest.raises(InputError, match=message) as caught:
        compared(tmp_path / "out", FLOATS | {"train": stream})
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"^batch_size must be that of the batches, 4, or None, got 5\.$"):
        compared(tmp_path / "out", FLOATS | {"train": epochs}, batch_size=5)


@pytest.mark.slow
def test_a_pipeline_of_grain_feeds_a_comparison(tmp_path: Path):
    import grain

    records = [jax.tree.map(lambda part: part[k], FLOATS["train"]) for k in range(10)]  # noqa: B023

    def stream(seed: int) -> Any:
        return (
            grain.MapDataset.source(records)
            .seed(seed)
            .shuffle()
            .repeat()
            .batch(4, drop_remainder=True)
            .to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=8))  # 500 by default, for each seed
        )

    twice = [compared(tmp_path / name, FLOATS | {"train": stream}) for name in "ab"]
    assert twice[0].results == twice[1].results
    seeds = {curve.seed: curve.validation for phase, curve in twice[0].results["sgd"] if phase == "final"}
    assert len(set(seeds.values())) == len(seeds)


@pytest.mark.slow
def test_a_data_loader_of_pytorch_feeds_a_comparison(tmp_path: Path):
    torch = pytest.importorskip("torch", reason="the extra `bench` brings PyTorch")
    data = torch.utils.data.TensorDataset(*(torch.tensor(FLOATS["train"][name]) for name in "xy"))

    def stream(seed: int) -> Iterator[Any]:
        order = torch.Generator().manual_seed(seed)
        loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True, drop_last=True, generator=order)
        while True:
            yield from ({"x": x, "y": y} for x, y in loader)

    held_out = torch.utils.data.DataLoader([{"x": x, "y": y} for x, y in zip(*FLOATS["test"].values(), strict=True)], 3)
    splits = {"train": stream, "validation": lambda seed: held_out, "test": FLOATS["test"]}
    twice = [compared(tmp_path / name, splits) for name in "ab"]
    assert twice[0].results == twice[1].results
    for _, curve in twice[0].results["sgd"]:
        assert curve.diverged_at is None
        if curve.test is not None:
            np.testing.assert_allclose(curve.test, curve.validation[-1], rtol=1e-5)  # the same examples
