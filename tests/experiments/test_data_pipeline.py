"""The pipeline: the same batches for a seed however they are made, each picture once, nothing skipped."""

from typing import NamedTuple

import jax
import numpy as np
import pytest
from PIL import Image

from adaptax.comparison.errors import InputError
from experiments.data import imagenet
from experiments.data.imagenet import crop
from experiments.data.pipeline import Example, PictureFolder, Pipeline

COUNT = 23


class Numbered(NamedTuple):
    number: np.ndarray
    chance: np.ndarray


class Numbers:
    """A record is its number."""

    def __len__(self):  # noqa: D105
        return COUNT

    def __getitem__(self, number):  # noqa: D105
        return Numbered(np.int32(number), np.float32(0))


def augment(record, random):
    return record._replace(chance=random.random(dtype=np.float32))


def pipeline(**settings):
    return Pipeline(Numbers(), **{"batch_size": 4, "seed": 5, "augment": augment, **settings})


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for part, other_part in zip(batch, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def numbers(batches):
    return [int(number) for batch in batches for number in batch.number]


def test_a_seed_decides_order_and_augmentation():
    batches = list(pipeline(epochs=2))
    assert len(batches) == 2 * pipeline().batches_per_epoch == 10
    assert_same(batches, list(pipeline(epochs=2)))
    others = list(pipeline(epochs=2, seed=6))
    assert numbers(batches) != numbers(others)
    # Nor is another seed the same sequence of epochs, begun later.
    assert numbers(batches[5:]) != numbers(others[:5])


def test_every_record_comes_once_per_epoch():
    batches = list(pipeline(epochs=3, drop_last=False))
    assert [len(batch.number) for batch in batches] == 3 * [4, 4, 4, 4, 4, 3]
    epochs = [numbers(batches[k : k + 6]) for k in (0, 6, 12)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs} | {tuple(range(COUNT))}) == 4
    dropping = numbers(pipeline())
    assert len(set(dropping)) == len(dropping) == 20


def test_without_shuffling_the_order_is_that_of_the_records():
    assert numbers(pipeline(shuffle=False, drop_last=False)) == list(range(COUNT))


def test_chance_comes_from_seed_epoch_and_record_alone():
    def chances(**settings):
        kept = {"drop_last": False, "epochs": 2, **settings}
        found = [
            (int(n), float(c)) for batch in pipeline(**kept) for n, c in zip(batch.number, batch.chance, strict=True)
        ]
        return [dict(found[:COUNT]), dict(found[COUNT:])]  # by epoch

    first, second = chances()
    assert len({*first.values(), *second.values()}) == 2 * COUNT
    assert chances(shuffle=False) == chances(batch_size=7) == [first, second]
    shards = [chances(process_index=k, process_count=2, epochs=1)[0] for k in range(2)]
    assert shards[0] | shards[1] == first


def test_augmentation_does_not_change_the_order():
    assert numbers(pipeline(augment=None)) == numbers(pipeline())


@pytest.mark.parametrize("done", [0, 1, 7, 10])
@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_later_first_batch_gives_exactly_the_remaining_ones(done, num_workers):
    assert_same(list(pipeline(epochs=2, first_batch=done, num_workers=num_workers)), list(pipeline(epochs=2))[done:])


def test_an_endless_pipeline_ends_before_its_last_batch():
    whole = list(pipeline(epochs=2))
    assert_same(list(pipeline(epochs=None, first_batch=2, last_batch=8)), whole[2:8])
    assert_same(list(pipeline(epochs=2, last_batch=3)), whole[:3])


def test_an_endless_pipeline_goes_on_with_the_next_epoch():
    endless, late, epochs = pipeline(epochs=None), pipeline(epochs=None, first_batch=24), list(pipeline(epochs=5))
    assert_same([next(endless) for _ in range(25)], epochs)
    assert_same([next(late)], epochs[24:])


@pytest.mark.parametrize("drop_last", [False, True])
def test_processes_share_the_records_without_overlap(drop_last):
    shards = [list(pipeline(process_index=k, process_count=3, drop_last=drop_last)) for k in range(3)]
    seen = [set(numbers(shard)) for shard in shards]
    assert sum(map(len, seen)) == len(set.union(*seen)) == (12 if drop_last else COUNT)
    assert not drop_last or [len(shard) for shard in shards] == [1, 1, 1]


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="batch_size must be at most 23, the number of pictures, got 24"):
        pipeline(batch_size=24)
    with pytest.raises(InputError, match="process_index must be from 0 to 1, got 2"):
        pipeline(process_index=2, process_count=2)


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for name in ("n1", "n2"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for k in range(3):
            picture = Image.fromarray(random.integers(256, size=(16, 16, 3), dtype=np.uint8))
            picture.save(tmp_path / "train" / name / f"{k}.JPEG")
    return tmp_path / "train"


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("content", [b"no picture", None])
def test_a_corrupt_picture_is_named_and_not_skipped(folder, num_workers, content):
    broken = folder / "n2" / "1.JPEG"
    broken.write_bytes(content or broken.read_bytes()[:-300])
    pictures = Pipeline(PictureFolder(folder, size=16), batch_size=2, shuffle=False, num_workers=num_workers)
    for _ in range(2):
        next(pictures)
    for _ in range(2 - num_workers):  # asking again does not get past it
        with pytest.raises(InputError, match=r"n2/1\.JPEG' cannot be decoded"):
            next(pictures)


def test_the_mean_picture_is_kept_until_the_pictures_change(folder, tmp_path):
    pictures = PictureFolder(folder, size=16)
    expected = np.mean([pictures[k].picture for k in range(6)], axis=0)
    cache = tmp_path / "results"
    np.testing.assert_allclose(imagenet.mean_image(pictures, cache), expected, rtol=1e-6)
    (kept,) = cache.iterdir()
    np.save(kept, np.full((16, 16, 3), 7, np.float32))
    assert (imagenet.mean_image(pictures, cache) == 7).all()
    (folder / "n1" / "0.JPEG").unlink()
    assert not (imagenet.mean_image(PictureFolder(folder, size=16), cache) == 7).any()


def test_a_picture_is_cut_with_its_mean():
    """Against slices in NumPy: the mean is cut where the picture is, then both are mirrored."""
    random = np.random.default_rng(1)
    pictures = random.integers(256, size=(3, 256, 256, 3), dtype=np.uint8)
    mean = random.uniform(0, 255, (256, 256, 3)).astype(np.float32)
    place = [imagenet.place_anywhere(Example(picture, np.int32(0)), random) for picture in pictures]
    place[0] = place[0]._replace(corner=np.array([29, 3], np.int32), is_mirrored=np.True_)
    place[1] = place[1]._replace(corner=np.array([0, 29], np.int32), is_mirrored=np.False_)
    place[2] = imagenet.place_centrally(Example(pictures[2], np.int32(0)), random)
    batch = jax.tree.map(lambda *parts: np.stack(parts), *place)
    parts = crop(batch, mean)
    by_hand = pictures.astype(np.float32) - mean
    np.testing.assert_allclose(parts[0], by_hand[0, 29:256, 3:230][:, ::-1], rtol=1e-6)
    np.testing.assert_allclose(parts[1], by_hand[1, 0:227, 29:256], rtol=1e-6)
    np.testing.assert_allclose(parts[2], by_hand[2, 14:241, 14:241], rtol=1e-6)
    of_channels = crop(batch, np.array([1.0, 2.0, 3.0], np.float32), 200)
    np.testing.assert_allclose(of_channels[1], pictures[1, 0:200, 29:229] - np.array([1.0, 2.0, 3.0]), rtol=1e-6)


def test_parts_are_drawn_from_the_whole_range():
    random = np.random.default_rng(2)
    example = Example(np.zeros((256, 256, 3), np.uint8), np.int32(0))
    drawn = [imagenet.place_anywhere(example, random) for _ in range(1000)]
    corners = np.array([placed.corner for placed in drawn])
    assert corners.min(axis=0).tolist() == [0, 0]
    assert corners.max(axis=0).tolist() == [29, 29]
    assert abs(np.corrcoef(corners.T)[0, 1]) < 0.1
    assert 400 < sum(bool(placed.is_mirrored) for placed in drawn) < 600
