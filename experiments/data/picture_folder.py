"""Pictures in folders named after their class, as ImageNet's are: FOLDER/<class>/<picture>.JPEG, read one by one."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rich.progress
from PIL import Image
from rich.console import Console

from adaptax.comparison.errors import InputError

SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})


class Example(NamedTuple):
    """One picture and its class, or a batch of them."""

    picture: np.ndarray  # uint8, (size, size, 3)
    class_: np.ndarray  # int32


class PictureFolder:
    """The pictures of one split, by their number; made anew in every worker, so it holds no more than names."""

    def __init__(self, folder: Path, classes: Sequence[str] | None = None, size: int = 256) -> None:
        """List the pictures; the number of a class is its place in `classes`, by default the folder's, sorted."""
        present = _subfolders(folder)
        self.folder, self.size = folder, size
        self.classes = tuple(present if classes is None else classes)
        if unknown := sorted(set(present) - set(self.classes)):
            raise InputError(f"{str(folder)!r} has a class {unknown[0]!r} that the training pictures have not.")
        names = {name: _pictures(folder / name) for name in present}
        # Bytes in one block: a million Python strings would be copied into every worker.
        self._names = np.array([name for of_class in names.values() for name in of_class], np.bytes_)
        numbers = [self.classes.index(name) for name in present]
        self.labels = np.repeat(np.array(numbers, np.int32), [len(names[name]) for name in present])

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.labels)

    def __getitem__(self, number: int) -> Example:
        """Decode one picture."""
        return Example(decode(self.path(number), self.size), self.labels[number])

    def path(self, number: int) -> Path:
        """Say where a picture lies."""
        return self.folder / self.classes[self.labels[number]] / os.fsdecode(self._names[number])

    def checksum(self, console: Console | None = None) -> str:
        """SHA-256 of all names and lengths in bytes; to read all content of ImageNet would take hours."""
        digest = hashlib.sha256()
        for number in rich.progress.track(range(len(self)), "checksum", transient=True, console=console):
            path = self.path(number)
            digest.update(f"{path.relative_to(self.folder).as_posix()} {path.stat().st_size}\n".encode())
        return digest.hexdigest()


def decode(path: Path, size: int) -> np.ndarray:
    """Decode a picture to red, green and blue, warped to size x size whatever its shape, as Caffe's examples are.

    Pillow averages where it shrinks; OpenCV, which Caffe calls, only interpolates between neighbors.
    """
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{str(path)!r} cannot be decoded: {error}.") from error


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {str(folder)!r}.")
    entries = sorted(folder.iterdir())
    if strays := [entry.name for entry in entries if not entry.is_dir() and entry.name[0] != "."]:
        raise InputError(f"{str(folder)!r} has {strays[0]!r} beside or instead of one folder for each class.")
    if names := [entry.name for entry in entries if entry.name[0] != "."]:
        return names
    raise InputError(f"{str(folder)!r} has no folder for any class.")


def _pictures(folder: Path) -> list[bytes]:
    names = sorted(name for name in os.listdir(folder) if name[0] != ".")
    if not names:
        raise InputError(f"{str(folder)!r} holds no picture.")
    if strays := [name for name in names if Path(name).suffix.lower() not in SUFFIXES]:
        raise InputError(f"{str(folder / strays[0])!r} is not named as a picture.")
    return [os.fsencode(name) for name in names]
