"""How many pictures a second a folder gives, decoded, placed and on the device, before any net has seen them."""

import time
from collections.abc import Iterator
from pathlib import Path

import jax

from adaptax.comparison.errors import InputError
from experiments.data import imagenet
from experiments.data.imagenet import Folders, place_anywhere
from experiments.data.pipeline import THREADS, Pipeline

BATCH_SIZE = 64


def measure(folders: Folders, num_workers: int, pictures: int) -> float:
    """Return pictures per second, once as many batches have come as could be decoded ahead."""
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
        last_batch=2 * ahead + count,  # decoders are busy to the end
    )
    try:
        _take(batches, ahead)
        start = time.monotonic()
        _take(batches, count)
        seconds = time.monotonic() - start
        _take(batches, ahead)  # or they would be left over
        return count * BATCH_SIZE / seconds
    finally:
        batches.close()


def _take(batches: Iterator, count: int) -> None:
    for _ in range(count):
        jax.block_until_ready(jax.device_put(next(batches)))


def pipeline(data: Path | None = None, workers: tuple[int, ...] = (0, 1, 2), pictures: int = 3200) -> None:
    """Measure how many pictures a second are read from a folder like ImageNet's, by number of workers; 0: threads.

    Args:
        data: The folder, or one that has it as `imagenet`.
        workers: How many processes decode, one measurement each.
        pictures: How many are read in each.
    """
    folders = imagenet.load(data)
    for number in workers:
        print(f"{number} workers: {measure(folders, number, pictures):.0f} pictures per second", flush=True)
