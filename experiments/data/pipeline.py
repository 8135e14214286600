"""Batches of pictures that do not fit the device: read, decoded and augmented ahead of time, by Grain.

The batches depend on seed, epoch and the numbers of the pictures alone, never on how many workers decode them: chance
is drawn for each picture from (seed, epoch, number of the picture). An interrupted epoch is resumed where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import grain
import jax
import numpy as np
from absl import flags

from experiments.experiment import InputError

THREADS = 4  # each decodes a batch ahead, in this process; where there are workers, each has one thread


class Records(Protocol):
    """What a pipeline reads from: each record a tuple of arrays of always the same shapes."""

    def __len__(self) -> int: ...  # noqa: D105
    def __getitem__(self, number: int, /) -> Any: ...  # noqa: D105


class Pipeline(Iterator[Any]):
    """Yields batches of records; every record once per epoch, but for those that fill no whole batch if `drop_last`."""

    def __init__(
        self,
        records: Records,
        *,
        batch_size: int,
        seed: int = 0,
        epochs: int | None = 1,  # None: without end
        shuffle: bool = True,
        drop_last: bool = True,
        augment: Callable[[Any, np.random.Generator], Any] | None = None,
        num_workers: int = 0,  # 0: threads of this process; else a script needs its `if __name__ == "__main__":`
        process_index: int = 0,
        process_count: int = 1,
        device: jax.Device | jax.sharding.Sharding | None = None,  # None: stay in host memory
    ) -> None:
        """Decide on the order; nothing is read before the first batch is asked for."""
        if not 0 <= process_index < process_count:
            raise InputError(f"process_index must be from 0 to {process_count - 1}, got {process_index}.")
        share = (len(records) if drop_last else len(records) + process_count - 1 - process_index) // process_count
        # With drop_last all processes have equally many batches, so that none waits for the others at the end.
        self.batches_per_epoch = share // batch_size if drop_last else -(-share // batch_size)
        if not self.batches_per_epoch:
            raise InputError(f"batch_size must be at most {share}, the number of pictures, got {batch_size}.")
        self._order = {
            "records": len(records),
            "seed": seed,
            "shuffle": shuffle,
            "batch_size": batch_size,
            "drop_last": drop_last,
            "process_index": process_index,
            "process_count": process_count,
        }
        # Two seeds of our own, as Grain's would let the order depend on whether there is augmentation.
        of_augmentation, of_order = map(int, np.random.SeedSequence(seed).generate_state(2))
        dataset = grain.MapDataset.source(records)
        if augment is not None:  # before shuffling, where Grain's index still is epoch and number of the picture
            dataset = dataset.random_map(augment, seed=of_augmentation)
        if shuffle:
            dataset = dataset.shuffle(seed=of_order)
        dataset = dataset[process_index::process_count].batch(batch_size, drop_remainder=drop_last)
        self._dataset = dataset[: self.batches_per_epoch].repeat(epochs)
        self._num_workers, self._device = num_workers, device
        self._next_batch, self._iterator = 0, None

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
        if not flags.FLAGS.is_parsed():  # Grain's switches are flags of Abseil; without its `app.run`, the defaults
            flags.FLAGS.mark_as_parsed()
        threads = 1 if self._num_workers else THREADS
        ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
        workers = grain.MultiprocessingOptions(self._num_workers, per_worker_buffer_size=1)
        batches = self._dataset[self._next_batch :].to_iter_dataset(ahead).mp_prefetch(workers)
        if self._device is not None:
            batches = grain.experimental.device_put(batches, self._device, cpu_buffer_size=1)
        return iter(batches)

    def get_state(self) -> bytes:
        """Say, as JSON, which batch is the next, and of which order."""
        return json.dumps({**self._order, "next_batch": self._next_batch}).encode()

    def set_state(self, state: bytes) -> None:
        """Go on where another pipeline of the same order was, with however many workers."""
        order = json.loads(state)
        next_batch = order.pop("next_batch")
        for name, value in self._order.items():
            if order.get(name) != value:
                raise InputError(f"The state was taken with {name} {order.get(name)}, this pipeline has {value}.")
        self.close()
        self._next_batch = next_batch

    def close(self) -> None:
        """Stop the workers."""
        if hasattr(self._iterator, "close"):
            self._iterator.close()
        self._iterator = None
