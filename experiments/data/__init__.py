"""Data sets, each a module: `load(...)` gives named splits; how they are scaled is the experiment's business."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """Pictures and their classes."""

    pictures: np.ndarray  # float32 in [0, 1], or uint8 as published; (count, height, width), CIFAR's with 3 channels
    classes: np.ndarray  # int32, (count,)


Dataset = Mapping[str, Split]  # always has "train" and "test"
