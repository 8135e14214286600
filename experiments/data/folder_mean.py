"""The mean of all training pictures of a folder, computed once and kept in the user's cache."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import rich.progress
from rich.console import Console

from adaptax.comparison.errors import InputError
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
        with _opened(kept) as content:
            np.save(content, _average(pictures, num_workers, console))
    try:
        return np.load(kept, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{str(kept)!r} is no mean picture ({error}); remove it.") from error


@contextlib.contextmanager
def _opened(kept: Path) -> Iterator[IO[bytes]]:
    """Open before the work, so that a folder that cannot be written is known at once; put in place what is complete."""
    part = kept.with_suffix(f".{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as content:
            try:
                yield content
            except BaseException:
                part.unlink()
                raise
        os.replace(part, kept)
    except OSError as error:
        raise InputError(f"The mean picture cannot be kept in {str(kept.parent)!r}: {error.strerror}.") from error


def _average(pictures: PictureFolder, num_workers: int, console: Console | None) -> np.ndarray:
    batches = Pipeline(pictures, batch_size=BATCH_SIZE, shuffle=False, drop_last=False, num_workers=num_workers)
    total = np.zeros((pictures.size, pictures.size, 3))
    for batch in rich.progress.track(batches, "mean picture", total=batches.batches_per_epoch, console=console):
        total += batch.picture.sum(axis=0, dtype=np.float64)
    return (total / len(pictures)).astype(np.float32)
