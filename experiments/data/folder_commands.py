"""Try the reader of ImageNet without ImageNet: write a small data set in its layout, and time the reading.

The time includes decoding, placing and the transfer to the device, but no net.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import rich.progress
from PIL import Image

from adaptax.comparison.errors import InputError
from experiments.data import Dataset, cifar10, imagenet
from experiments.data.imagenet import FOLDERS, Folders, place_anywhere
from experiments.data.pipeline import THREADS, Pipeline

BATCH_SIZE = 64


def write_as_folder(dataset: Dataset, folder: Path, size: int = 256, *, limit: int | None = None) -> Path:
    """Write the first `limit` pictures of each split, enlarged to size x size; return the folder.

    Class 7 is written as `n00000007`, so that sorted names keep the order of the classes.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1, got {limit}.")
    if folder.exists():
        raise InputError(f"{str(folder)!r} exists already.")
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")  # a half-written folder must not look complete
    try:
        total = sum(len(dataset[split].classes[:limit]) for split in FOLDERS)
        for path, picture in rich.progress.track(_pictures(dataset, limit), "writing", total=total):
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            enlarged = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR)
            enlarged.save(part / path, "JPEG", quality=95)
        os.replace(part, folder)
    except OSError as error:
        raise InputError(f"The folder {str(folder)!r} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _pictures(dataset: Dataset, limit: int | None) -> Iterator[tuple[str, np.ndarray]]:
    for split, name in FOLDERS.items():
        for number, (picture, label) in enumerate(zip(*(part[:limit] for part in dataset[split]), strict=True)):
            yield f"{name}/n{label:08d}/n{label:08d}_{number}.JPEG", picture


def write_folders(out: Path, data: Path | None = None, limit: int | None = None) -> None:
    """Write CIFAR-10 in the layout of ImageNet: 256 x 256 JPEG pictures, one folder per class.

    Args:
        out: The folder to make.
        data: The folder of CIFAR-10; by default the variable ADAPTAX_DATA, else ~/.cache/adaptax.
        limit: Write only so many pictures of each split, the first ones; all 60,000 take 800 MB.
    """
    print(write_as_folder(cifar10.load(data), out, limit=limit))


def measure(folders: Folders, num_workers: int, pictures: int) -> float:
    """Return pictures per second; the time starts after the batches that could be decoded ahead."""
    if num_workers < 0:
        raise InputError(f"workers must be at least 0, got {num_workers}.")
    if pictures < BATCH_SIZE:
        raise InputError(f"pictures must be at least {BATCH_SIZE}, one batch, got {pictures}.")
    ahead, count = THREADS + 2 * num_workers, pictures // BATCH_SIZE
    batches = Pipeline(
        folders.splits["train"],
        batch_size=BATCH_SIZE,
        epochs=None,
        augment=place_anywhere,
        num_workers=num_workers,
        last_batch=2 * ahead + count,  # so that decoders are busy to the end
    )
    with contextlib.closing(batches):
        _take(batches, ahead)
        start = time.monotonic()
        _take(batches, count)
        seconds = time.monotonic() - start
        _take(batches, ahead)  # read the rest
    return count * BATCH_SIZE / seconds


def _take(batches: Iterator, count: int) -> None:
    for _ in range(count):
        jax.block_until_ready(jax.device_put(next(batches)))


def pipeline(data: Path | None = None, workers: tuple[int, ...] = (0, 1, 2), pictures: int = 3200) -> None:
    """Measure how many pictures per second are read from a folder like ImageNet's, for each number of workers.

    Args:
        data: The folder, or the one that holds it under the name `imagenet`.
        workers: Numbers of processes that decode, one measurement each; 0 decodes in threads.
        pictures: Number of pictures per measurement.
    """
    folders = imagenet.load(data)
    for number in workers:
        print(f"{number} workers: {measure(folders, number, pictures):.0f} pictures per second", flush=True)
