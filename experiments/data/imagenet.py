"""ImageNet 2012: a thousand classes, 1.28 million training pictures; its validation pictures are our test split.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015. The pictures lie in `train/<wnid>` and
`val/<wnid>` of the folder; classes are numbered in the order of their sorted wnids. They are warped to 256 x 256 and
cut to 227 x 227, anywhere and mirrored half of the time to train, in the middle to test, as Caffe's AlexNet does.
Here chance is drawn, on the host; the cutting is done on the device: `experiments.data.crop`.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from adaptax.comparison.errors import InputError
from experiments.data import sources
from experiments.data.folder_mean import mean_image
from experiments.data.picture_folder import Example, PictureFolder

FOLDER, FOLDERS = "imagenet", {"train": "train", "test": "val"}
SIZE, CROP = 256, 227


class Placed(NamedTuple):
    """A picture, its class, and which part of it to take; or a batch of them."""

    picture: np.ndarray  # uint8, (256, 256, 3)
    class_: np.ndarray  # int32
    corner: np.ndarray  # int32, (2,): rows above the part, columns left of it
    is_mirrored: np.ndarray  # bool


class Folders(NamedTuple):
    """Splits that are read from the disk, batch by batch."""

    splits: Mapping[str, PictureFolder]
    mean: np.ndarray  # of the training pictures: (256, 256, 3)
    num_workers: int  # processes that decode; 0: threads of this one

    def checksum(self) -> str:
        """SHA-256 of what each split says of its files."""
        parts = [f"{name} {self.splits[name].checksum()}\n" for name in sorted(self.splits)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()


def load(path: str | os.PathLike[str] | None = None, *, num_workers: int = 0) -> Folders:
    """List the pictures below `path`, or below `imagenet` in it; by default that of the data folder."""
    root = sources.data_folder(path)
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    for name in FOLDERS.values():
        if not (folder / name).is_dir():
            raise InputError(
                f"There is no folder {name!r} in {str(folder)!r}; get ILSVRC 2012 from "
                "https://image-net.org/download.php and put its pictures there, one folder for each wnid."
            )
    train = PictureFolder(folder / FOLDERS["train"], size=SIZE)
    test = PictureFolder(folder / FOLDERS["test"], train.classes, SIZE)
    return Folders({"train": train, "test": test}, mean_image(train, num_workers=num_workers), num_workers)


def place_anywhere(example: Example, random: np.random.Generator) -> Placed:
    """Draw a part of the picture and whether to mirror it: to train."""
    corner = random.integers(0, SIZE - CROP, size=2, endpoint=True, dtype=np.int32)
    return Placed(*example, corner, random.integers(2) == 1)


def place_centrally(example: Example, random: np.random.Generator) -> Placed:
    """Take the middle: to test."""
    del random
    return Placed(*example, np.full(2, (SIZE - CROP) // 2, np.int32), np.False_)
