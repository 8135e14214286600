"""CIFAR-10: 60,000 color pictures of ten classes, 32 x 32 pixels of red, green and blue, not scaled.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009. The data folder may have either official
layout, as a folder or as its archive: `cifar-10-batches-bin` or `cifar-10-binary.tar.gz`, `cifar-10-batches-py` or
`cifar-10-python.tar.gz`. Scale the pictures with `experiments.data.scaling.minus_mean` and the training split's mean.
"""

import os
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from adaptax.comparison.errors import InputError
from experiments.data import Dataset, Split, array_pickle, cut_validation, sources

SIDE, CLASSES, PER_BATCH = 32, 10, 10_000
PIXELS = 3 * SIDE * SIDE  # the red plane, then the green, then the blue one
BATCHES = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
Decode = Callable[[bytes], tuple[np.ndarray, np.ndarray]]  # to pixels and labels
BINARY = sources.Published(
    "cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
)


def decode_binary(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Read records of one label and the pixels."""
    if len(content) != PER_BATCH * (1 + PIXELS):
        raise ValueError(f"{len(content)} bytes instead of {PER_BATCH * (1 + PIXELS)}")
    records = np.frombuffer(content, np.uint8).reshape(PER_BATCH, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def decode_pickle(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Read a dictionary of `data` and `labels`."""
    try:
        batch = array_pickle.loads(content)
    except pickle.UnpicklingError as error:
        raise ValueError(str(error)) from error
    # The official files were written in Python 2, which had one type for text and bytes.
    pixels, labels = (np.asarray(batch.get(key, batch.get(key.encode(), ()))) for key in ("data", "labels"))
    if pixels.shape != (PER_BATCH, PIXELS) or pixels.dtype != np.uint8:
        raise ValueError(f"data of shape {pixels.shape} and type {pixels.dtype}, not {PER_BATCH, PIXELS} and uint8")
    if labels.shape != (PER_BATCH,) or labels.dtype.kind not in "ui":
        raise ValueError(f"labels of shape {labels.shape} and type {labels.dtype}, not {PER_BATCH} integers")
    return pixels, labels


LAYOUTS = (  # the two official forms: folder, archive, how names of batches end, and how batches are decoded
    ("cifar-10-batches-bin", BINARY.name, ".bin", decode_binary),
    ("cifar-10-batches-py", "cifar-10-python.tar.gz", "", decode_pickle),
)


def load(path: str | os.PathLike[str] | None = None, *, validation: int = 0) -> Dataset:
    """Read the splits from the data folder `path`, downloading the binary archive first if nothing is there."""
    root = sources.data_folder(path)
    folders = [(root / folder, *how) for folder, _, *how in LAYOUTS]
    archives = [(root / archive, *how) for _, archive, *how in LAYOUTS]
    place, suffix, decode = next((found for found in folders + archives if found[0].exists()), archives[0])
    if not place.exists():
        sources.fetch([BINARY], root)
    if place.is_file():
        files = _read_archive(place)
    else:
        files = {file.name: file.read_bytes() for file in place.iterdir() if file.stem in sum(BATCHES.values(), ())}
    data = {}
    for split, names in BATCHES.items():
        batches = [_batch(place, decode, files, name + suffix) for name in names]
        planes, classes = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        pictures = planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        data[split] = Split(np.ascontiguousarray(pictures), classes.astype(np.int32))
    return cut_validation(data, validation)


def _read_archive(archive: Path) -> dict[str, bytes]:
    """Read the batches without unpacking the archive, so that no disk space and no write access is needed."""
    try:
        with tarfile.open(archive, "r:gz") as members:
            return {Path(m.name).name: members.extractfile(m).read() for m in members if m.isfile()}
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise InputError(f"{str(archive)!r} cannot be read: {error or type(error).__name__}.") from error


def _batch(place: Path, decode: Decode, files: dict[str, bytes], name: str) -> tuple[np.ndarray, np.ndarray]:
    if name not in files:
        raise InputError(f"There is no {name!r} in {str(place)!r}.")
    try:
        pixels, labels = decode(files[name])
    except ValueError as error:
        raise InputError(f"{name!r} in {str(place)!r} is no batch of CIFAR-10: {error}.") from error
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise InputError(f"{name!r} in {str(place)!r} holds labels outside 0 to {CLASSES - 1}.")
    return pixels, labels
