"""The mean of all training pictures of a folder, computed once and kept in the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import rich.progress
from rich.console import Console

from experiments.data import sources
from experiments.data.picture_folder import PictureFolder
from experiments.data.pipeline import Pipeline

BATCH_SIZE = 64


def mean_image(
    pictures: PictureFolder, cache: Path | None = None, *, num_workers: int = 0, console: Console | None = None
) -> np.ndarray:
    """Return the mean picture, float32 (size, size, 3); `.mean(axis=(0, 1))` of it is the mean of each channel.

    It is kept in the folder `cache` under a name that other pictures, or another size, do not share.
    """
    cache = cache or Path(sources.DEFAULT).expanduser()
    kept = cache / f"mean_{pictures.size}_{pictures.checksum(console)[:16]}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as content:
            np.save(content, _average(pictures, num_workers, console))
        os.replace(part, kept)
    return np.load(kept, allow_pickle=False)


def _average(pictures: PictureFolder, num_workers: int, console: Console | None) -> np.ndarray:
    batches = Pipeline(pictures, batch_size=BATCH_SIZE, shuffle=False, drop_last=False, num_workers=num_workers)
    total = np.zeros((pictures.size, pictures.size, 3))
    for batch in rich.progress.track(batches, "mean picture", total=batches.batches_per_epoch, console=console):
        total += batch.picture.sum(axis=0, dtype=np.float64)
    return (total / len(pictures)).astype(np.float32)
