"""The experiments' data: as many pictures as promised, balanced, the same each time, none in two splits."""

import numpy as np
import pytest

from adaptax.comparison.task import checksum
from experiments.data import digits, letters
from experiments.engine import feeds
from experiments.engine.experiment import Experiment
from experiments.engine.finder import comparisons

HARD = {"train_per_letter": 4, "test_per_letter": 3, "strength": 0.35, "ground": 0.25, "ink": 1.0}


@pytest.fixture(scope="module")
def hard():
    return letters.load(**HARD)


def test_letters_have_26_balanced_classes_of_29_by_29_pictures(hard):
    for split, per_letter in (("train", 4), ("test", 3)):
        pictures, classes = hard[split]
        assert pictures.shape == (26 * per_letter, 29, 29)
        assert pictures.dtype == np.float32
        np.testing.assert_array_equal(np.bincount(classes), [per_letter] * 26)


def test_letters_are_ink_on_ground(hard):
    for pictures, _ in hard.values():
        assert pictures.min() == np.float32(0.25)  # the paper
        assert (pictures[:, 0, 0] == np.float32(0.25)).mean() > 0.9  # a corner is hardly ever inked
        assert pictures.max(axis=(1, 2)).min() > 0.6  # no picture is empty
        assert pictures.max() <= 1


def test_letters_are_the_same_each_time_and_depend_on_every_setting(hard):
    assert checksum(letters.load(**HARD)) == checksum(hard)
    for other in ({"strength": 0.3}, {"ground": 0.2}, {"ink": 0.9}, {"test_per_letter": 4}):
        assert checksum(letters.load(**HARD | other)) != checksum(hard)


def test_upright_letters_are_centered():
    upright = letters.load(**HARD | {"strength": 0.0, "ground": 0.0})["train"].pictures
    rows, columns = (np.flatnonzero(upright[0].any(axis=axis)) for axis in (1, 0))
    for inked in (rows, columns):
        assert abs((inked[0] + inked[-1]) / 2 - 14) <= 1


def test_strength_bounds_how_far_a_letter_strays():
    random = np.random.default_rng(0)
    poses = letters._poses(0.5, random)
    drawn = [next(poses) for _ in range(200)]
    turns = np.abs([pose.turn_degrees for pose in drawn])
    shifts = np.abs([pose.shift_pixels for pose in drawn])
    sizes = np.abs([pose.size - 1 for pose in drawn])
    for values, limit in ((turns, 15.0), (shifts, 2.5), (sizes, 0.15)):
        assert 0.9 * limit < values.max() <= limit


def test_no_font_is_in_both_splits():
    assert len(letters.TRAIN_FONTS) == 15
    assert len(letters.TEST_FONTS) == 7
    assert set(letters.TRAIN_FONTS).isdisjoint(letters.TEST_FONTS)


def test_a_font_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="ships no font 'Papyrus'"):
        letters.draw("A", "Papyrus", letters.Pose(0.0, (0.0, 0.0), 1.0))


def test_digits_are_split_once_and_for_all():
    data = digits.load()
    assert {name: len(split.classes) for name, split in data.items()} == {
        "train": 1_000,
        "validation": 297,
        "test": 500,
    }
    assert checksum(digits.load()) == checksum(data)
    for pictures, classes in data.values():
        assert pictures.shape[1:] == (8, 8)
        assert (pictures.min(), pictures.max()) == (0, 1)
        assert np.bincount(classes).min() > 0.09 * len(classes)  # stratified: a tenth each


COME_ALONG = {slug: experiment for slug, experiment in comparisons().items() if not feeds.reads_files(experiment)}


@pytest.mark.slow
@pytest.mark.parametrize(("slug", "experiment"), COME_ALONG.items(), ids=COME_ALONG)
def test_no_picture_is_in_two_splits(slug: str, experiment: Experiment):
    for trial in experiment.trials.values():
        pictures = [split.pictures for split in trial.data().values()]
        kinds = [{picture.tobytes() for picture in split} for split in pictures]
        assert len(set.union(*kinds)) == sum(map(len, kinds)), trial.title
