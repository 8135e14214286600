"""Batches of pictures that do not fit into the device's memory: Grain reads, decodes and augments them ahead of time.

The batches depend only on seed, epoch and the numbers of the pictures, not on the number of workers: each picture's
random numbers come from (seed, epoch, number of the picture). An interrupted epoch resumes where it stopped.

The pictures are in folders named after their class, as in ImageNet: FOLDER/<class>/<picture>.JPEG. They are read one by
one.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grain
import numpy as np
import rich.progress
from absl import flags
from PIL import Image

from adaptax.comparison.errors import InputError

THREADS = 4  # in this process; each decodes a batch ahead. A worker process has one thread
SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})


class Pipeline(Iterator[Any]):
    """Yields batches of records, each record once per epoch; `drop_last` leaves out an incomplete last batch."""

    def __init__(
        self,
        records: Sequence[Any],  # each a tuple of arrays; all records have the same shapes
        *,
        batch_size: int,
        seed: int = 0,
        epochs: int | None = 1,  # None: endless
        shuffle: bool = True,
        drop_last: bool = True,
        augment: Callable[[Any, np.random.Generator], Any] | None = None,
        num_workers: int = 0,  # 0: threads of this process; if more, a script needs `if __name__ == "__main__":`
        process_index: int = 0,
        process_count: int = 1,
        first_batch: int = 0,  # counted over all epochs; an interrupted run resumes here
        last_batch: int | None = None,  # the end, exclusive; later batches are not decoded
    ) -> None:
        """Fix the order; pictures are read only when the first batch is requested."""
        if not 0 <= process_index < process_count:
            raise InputError(f"process_index must be from 0 to {process_count - 1}, got {process_index}.")
        share = (len(records) if drop_last else len(records) + process_count - 1 - process_index) // process_count
        # With drop_last all processes have the same number of batches, so that none waits for the others at the end.
        self.batches_per_epoch = share // batch_size if drop_last else -(-share // batch_size)
        if not self.batches_per_epoch:
            raise InputError(f"batch_size must be at most {share}, the number of pictures, got {batch_size}.")
        # Two seeds of our own: with Grain's, the order would depend on whether there is augmentation.
        of_augmentation, of_order = map(int, np.random.SeedSequence(seed).generate_state(2))
        dataset = grain.MapDataset.source(records)
        if augment is not None:  # before shuffling, while Grain's index still is epoch and number of the picture
            dataset = dataset.random_map(augment, seed=of_augmentation)
        if shuffle:
            dataset = dataset.shuffle(seed=of_order)
        dataset = dataset[process_index::process_count].batch(batch_size, drop_remainder=drop_last)
        self._dataset = dataset[: self.batches_per_epoch].repeat(epochs)[:last_batch]
        self._num_workers = num_workers
        self._next_batch, self._iterator = first_batch, None

    def __next__(self) -> Any:
        """Return the next batch; after an error the same batch is tried again, never skipped."""
        if self._iterator is None:
            self._iterator = self._start()
        try:
            batch = next(self._iterator)
        except BaseException:
            self.close()
            raise
        self._next_batch += 1
        return batch

    def _start(self) -> Iterator[Any]:
        if self._next_batch == len(self._dataset):
            return iter(())
        if not flags.FLAGS.is_parsed():  # Grain reads Abseil's flags; without `app.run` they have their defaults
            flags.FLAGS.mark_as_parsed()
        threads = 1 if self._num_workers else THREADS
        ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        workers = grain.MultiprocessingOptions(self._num_workers, per_worker_buffer_size=1)
        return iter(self._dataset[self._next_batch :].to_iter_dataset(ahead).mp_prefetch(workers))

    def close(self) -> None:
        """Stop the workers."""
        if hasattr(self._iterator, "close"):
            self._iterator.close()
        self._iterator = None


class Example(NamedTuple):
    """One picture and its class, or a batch of them."""

    picture: np.ndarray  # uint8, (size, size, 3)
    class_: np.ndarray  # int32


class PictureFolder:
    """The pictures of one split, by number; every worker gets a copy, so it holds only names."""

    def __init__(self, folder: Path, classes: Sequence[str] | None = None, size: int = 256) -> None:
        """List the pictures; a class's number is its index in `classes`, by default the folder's, sorted."""
        present = _subfolders(folder)
        self.folder, self.size = folder, size
        self.classes = tuple(present if classes is None else classes)
        if unknown := sorted(set(present) - set(self.classes)):
            raise InputError(f"{str(folder)!r} has a class {unknown[0]!r} that the training pictures do not have.")
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
        """Return the path of a picture."""
        return self.folder / self.classes[self.labels[number]] / os.fsdecode(self._names[number])

    def checksum(self) -> str:
        """Return the SHA-256 of all names and file sizes; reading all content of ImageNet would take hours."""
        digest = hashlib.sha256()
        for number in rich.progress.track(range(len(self)), "checksum", transient=True):
            path = self.path(number)
            digest.update(f"{path.relative_to(self.folder).as_posix()} {path.stat().st_size}\n".encode())
        return digest.hexdigest()


def decode(path: Path, size: int) -> np.ndarray:
    """Decode a picture to red, green and blue, and resize it to size x size whatever its shape, as in Caffe's examples.

    Pillow averages when it shrinks a picture; OpenCV, which Caffe calls, only interpolates between neighbors.
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
