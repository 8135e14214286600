"""ImageNet 2012: a thousand classes, 1.28 million training pictures; its validation pictures are our test split.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015. The pictures are in `train/<wnid>` and
`val/<wnid>` of the folder; classes are numbered in the order of their sorted wnids. As in Caffe's AlexNet, pictures are
resized to 256 x 256 and cropped to 227 x 227: for training anywhere, and mirrored half of the time; for the test in the
middle. The host draws the random numbers, the device crops and mirrors. So bytes are transferred, and only the device
turns them into floats.
"""

import contextlib
import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import rich.progress

from adaptax.comparison.errors import InputError
from experiments.data import sources
from experiments.data.pipeline import Example, PictureFolder, Pipeline
from experiments.data.scaling import minus_mean

FOLDER, FOLDERS = "imagenet", {"train": "train", "test": "val"}
SIZE, CROP = 256, 227


class Placed(NamedTuple):
    """A picture, its class and its crop; or a batch of them."""

    picture: np.ndarray  # uint8, (256, 256, 3)
    class_: np.ndarray  # int32
    corner: np.ndarray  # int32, (2,): rows above the crop, columns left of it
    is_mirrored: np.ndarray  # bool


class Folders(NamedTuple):
    """Splits that are read from the disk, batch by batch."""

    splits: Mapping[str, PictureFolder]
    mean: np.ndarray  # of the training pictures: (256, 256, 3)
    num_workers: int  # processes that decode; 0: threads of this one

    def checksum(self) -> str:
        """Return the SHA-256 of the splits' checksums."""
        parts = [f"{name} {self.splits[name].checksum()}\n" for name in sorted(self.splits)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()


def load(path: str | os.PathLike[str] | None = None, *, num_workers: int = 0) -> Folders:
    """List the pictures in `path`, by default the data folder, or in its folder `imagenet` if there is one."""
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
    """Draw a crop of the picture and whether to mirror it, for training."""
    corner = random.integers(0, SIZE - CROP, size=2, endpoint=True, dtype=np.int32)
    return Placed(*example, corner, random.integers(2) == 1)


def place_centrally(example: Example, random: np.random.Generator) -> Placed:
    """Take the middle of the picture, for the test."""
    del random
    return Placed(*example, np.full(2, (SIZE - CROP) // 2, np.int32), np.False_)


def mean_image(pictures: PictureFolder, cache: Path | None = None, *, num_workers: int = 0) -> np.ndarray:
    """Return the mean picture, float32 (size, size, 3); `.mean(axis=(0, 1))` of it is the mean of each channel.

    The folder `cache` keeps it under a name that depends on the pictures and on their size.
    """
    cache = cache or Path(sources.DEFAULT).expanduser()
    kept = cache / f"mean_{pictures.size}_{pictures.checksum()[:16]}.npy"
    if not kept.exists():
        part = kept.with_suffix(f".{os.getpid()}.part")
        try:  # opened before the work, so that a folder without write access fails at once
            kept.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as content:
                batches = Pipeline(pictures, batch_size=64, shuffle=False, drop_last=False, num_workers=num_workers)
                total = np.zeros((pictures.size, pictures.size, 3))
                for batch in rich.progress.track(batches, "mean picture", total=batches.batches_per_epoch):
                    total += batch.picture.sum(axis=0, dtype=np.float64)
                np.save(content, (total / len(pictures)).astype(np.float32))
            os.replace(part, kept)
        except OSError as error:
            raise InputError(f"The mean picture cannot be kept in {str(kept.parent)!r}: {error.strerror}.") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
    try:
        return np.load(kept, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{str(kept)!r} is no mean picture ({error}); remove it.") from error


@functools.partial(jax.jit, static_argnames="size")
def crop(batch: Placed, mean: jax.Array, size: int = CROP) -> jax.Array:
    """Subtract the mean and crop each picture as its fields say: (n, size, size, 3).

    A mean image (256, 256, 3) is cropped and mirrored with the picture, as Caffe does; a mean of each channel is (3,).
    """
    pictures = minus_mean(batch.picture, mean)

    def cut(picture: jax.Array, corner: jax.Array, is_mirrored: jax.Array) -> jax.Array:
        part = jax.lax.dynamic_slice(picture, (corner[0], corner[1], 0), (size, size, 3))
        return jnp.where(is_mirrored, part[:, ::-1], part)

    return jax.vmap(cut)(pictures, batch.corner, batch.is_mirrored)
