"""Data sets, one per module: `load(...)` returns named splits; each experiment chooses how to scale them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from adaptax.comparison.errors import InputError


class Split(NamedTuple):
    """Pictures and their classes."""

    pictures: np.ndarray  # float32 in [0, 1], or uint8 as published; (count, height, width), CIFAR's with 3 channels
    classes: np.ndarray  # int32, (count,)


Dataset = Mapping[str, Split]  # always has "train" and "test"


def cut_validation(data: Dataset, size: int) -> Dataset:
    """Move the last `size` training pictures into a split "validation"; a size of 0 makes none."""
    train = data["train"]
    count = len(train.classes)
    if not 0 <= size < count:
        raise InputError(f"validation must be from 0 to {count - 1} of the {count} training pictures, got {size}.")
    if size == 0:
        return data
    kept, held = Split(*(part[:-size] for part in train)), Split(*(part[-size:] for part in train))
    return {**data, "train": kept, "validation": held}


def shorten_test(data: Dataset, size: int) -> Dataset:
    """Keep the first `size` test pictures, if reading all would take as long as training."""
    return {**data, "test": Split(*(part[:size] for part in data["test"]))}
