"""MNIST: 70,000 handwritten digits, 28 x 28 pixels, 256 gray levels, not scaled.

LeCun, Cortes & Burges, "The MNIST database of handwritten digits". The four files in IDX format, compressed or not,
are in the folder `mnist` of the data folder. Scale the pictures with `experiments.data.scaling.by_256`.

IDX: two zero bytes, a type, the number of axes, their lengths, then the values. Type 8, unsigned byte, is the only one
that MNIST uses; lengths are big-endian, four bytes each.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from adaptax.comparison.errors import InputError
from experiments.data import Dataset, Split, cut_validation, sources

FOLDER, SIDE, CLASSES = "mnist", 28, 10
COUNTS = {"train": 60_000, "test": 10_000}
STEMS = {"train": "train", "test": "t10k"}
# The original address of the files now asks for a password; these two have the same bytes.
MIRRORS = ("https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist")
MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
UNSIGNED_BYTE = 8


def load(path: str | os.PathLike[str] | None = None, *, validation: int = 0) -> Dataset:
    """Read the splits from the data folder `path`, downloading them first if none of their files is there."""
    folder = sources.data_folder(path)
    found = {name: _find(folder / FOLDER, name) for name in MD5}
    if not any(found.values()):
        urls = {name: tuple(f"{mirror}/{name}.gz" for mirror in MIRRORS) for name in MD5}
        sources.fetch([sources.Published(f"{FOLDER}/{name}.gz", MD5[name], urls[name]) for name in MD5], folder)
        found = {name: _find(folder / FOLDER, name) for name in MD5}
    for name, file in found.items():
        if file is None:  # a downloaded file might have another order of the pictures
            raise InputError(f"There is no {name!r} in {str(folder / FOLDER)!r}, beside other files of MNIST.")
    data = {}
    for split, count in COUNTS.items():
        labels = found[f"{STEMS[split]}-labels-idx1-ubyte"]
        pictures = read(found[f"{STEMS[split]}-images-idx3-ubyte"], (count, SIDE, SIDE))
        classes = read(labels, (count,))
        if classes.max() >= CLASSES:
            raise InputError(f"{str(labels)!r} holds the label {classes.max()}, above {CLASSES - 1}.")
        data[split] = Split(pictures, classes.astype(np.int32))
    return cut_validation(data, validation)


def _find(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / name, folder / f"{name}.gz") if file.exists()), None)


def read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read an array of this shape from an IDX file, which is compressed if its name ends in .gz."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error or type(error).__name__}.") from error
    magic = bytes([0, 0, UNSIGNED_BYTE, len(shape)])
    if content[:4] != magic:
        raise InputError(f"{str(path)!r} begins with {content[:4].hex()!r} where IDX has {magic.hex()!r}.")
    head = 4 + 4 * len(shape)
    if len(content) < head:
        raise InputError(f"{str(path)!r} ends inside its header.")
    announced = struct.unpack(f">{len(shape)}I", content[4:head])
    if announced != shape:
        raise InputError(f"{str(path)!r} announces an array of shape {announced}, not {shape}.")
    if len(content) - head != math.prod(shape):
        raise InputError(f"{str(path)!r} holds {len(content) - head} values where it announces {math.prod(shape)}.")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
