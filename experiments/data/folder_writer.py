"""Writing a small data set out as a folder of JPEG pictures in ImageNet's layout, to try what reads ImageNet."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rich.progress
from PIL import Image
from rich.console import Console

from adaptax.comparison.errors import InputError
from experiments.data import Dataset, cifar10
from experiments.data.imagenet import FOLDERS

QUALITY = 95


def write_as_folder(
    dataset: Dataset,
    destination: str | os.PathLike[str],
    size: int = 256,
    *,
    limit: int | None = None,
    console: Console | None = None,
) -> Path:
    """Write the first `limit` pictures of each split, enlarged to size x size; return the folder.

    Class 7 is written as `n00000007`, so that sorted names keep the order of the classes.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1, got {limit}.")
    folder = Path(destination)
    if folder.exists():
        raise InputError(f"{str(folder)!r} is there already.")
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")  # a folder half written must not look whole
    try:
        total = sum(len(dataset[split].classes[:limit]) for split in FOLDERS)
        for path, picture in rich.progress.track(_pictures(dataset, limit), "writing", total=total, console=console):
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            enlarged = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR)
            enlarged.save(part / path, "JPEG", quality=QUALITY)
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
    """Write CIFAR-10 as ImageNet lies on a disk, 256 x 256 JPEG pictures in a folder for each class.

    Args:
        out: The folder to make.
        data: Where CIFAR-10 lies, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax.
        limit: So many of the first pictures of each split; all 60,000 take 800 MB.
    """
    print(write_as_folder(cifar10.load(data), out, limit=limit))
