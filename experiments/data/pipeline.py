"""Batches of pictures that do not fit the device: read, decoded and augmented ahead of time, by Grain.

The batches depend on seed, epoch and the numbers of the pictures alone, never on how many workers decode them: chance
is drawn for each picture from (seed, epoch, number of the picture). An interrupted epoch is resumed where it stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import numpy as np
from absl import flags

from adaptax.comparison.errors import InputError

THREADS = 4  # each decodes a batch ahead, in this process; where there are workers, each has one thread


class Pipeline(Iterator[Any]):
    """Yields batches of records; every record once per epoch, but for those that fill no whole batch if `drop_last`."""

    def __init__(
        self,
        records: Sequence[Any],  # each a tuple of arrays of always the same shapes
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
        first_batch: int = 0,  # counted over all epochs: where an interrupted run goes on
        last_batch: int | None = None,  # the one to end before, so that nothing is decoded in vain
    ) -> None:
        """Decide on the order; nothing is read before the first batch is asked for."""
        if not 0 <= process_index < process_count:
            raise InputError(f"process_index must be from 0 to {process_count - 1}, got {process_index}.")
        share = (len(records) if drop_last else len(records) + process_count - 1 - process_index) // process_count
        # With drop_last all processes have equally many batches, so that none waits for the others at the end.
        self.batches_per_epoch = share // batch_size if drop_last else -(-share // batch_size)
        if not self.batches_per_epoch:
            raise InputError(f"batch_size must be at most {share}, the number of pictures, got {batch_size}.")
        # Two seeds of our own, as Grain's would let the order depend on whether there is augmentation.
        of_augmentation, of_order = map(int, np.random.SeedSequence(seed).generate_state(2))
        dataset = grain.MapDataset.source(records)
        if augment is not None:  # before shuffling, where Grain's index still is epoch and number of the picture
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
        if not flags.FLAGS.is_parsed():  # Grain's switches are flags of Abseil; without its `app.run`, the defaults
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
