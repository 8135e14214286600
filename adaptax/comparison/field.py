"""A task's data as its programs read them: on the device as a whole, or a stream that is read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adaptax.comparison import batches, streams
from adaptax.comparison.program import Programs
from adaptax.comparison.task import Splits, check_splits


class Field:
    """A task, its data and its programs."""

    def __init__(self, programs: Programs, splits: Splits) -> None:
        """Copy the data to the device once; of a stream, only the splits that are scored."""
        check_splits(splits)
        train, task = splits["train"], programs.task
        self.programs, self.stream = programs, train if callable(train) else None
        others = {
            name: streams.whole(of, name) if callable(of) else of for name, of in splits.items() if name != "train"
        }
        if self.stream is None:
            self.count = len(jax.tree.leaves(train)[0])
            self.data = self._put(train)
            self.scored = jax.tree.map(lambda part: part[: task.train_examples_scored], self.data)
        else:
            self.data = None
            self.scored = self._put(streams.whole(self.stream, "train", task.train_examples_scored))
            self._first = next(iter(streams.batches_of(self.stream, 0, "train")))
            self._steps_at_once = streams.steps_at_once(self._first, task.evaluate_every)
        self.splits = {name: self._put(split) for name, split in others.items()}

    def pieces(
        self, seeds: Sequence[int], first: int = 0, last: int | None = None, every: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Yield the end of each piece, and its batches: (seeds, steps, …), or None for all examples in every step.

        A piece ends at every evaluation, or after `every` steps; a piece of a stream also before it grows too large.
        """
        task, last = self.programs.task, last or self.programs.task.steps
        every = every or task.evaluate_every
        if self.stream is None:
            for end in range(first + every, last + 1, every):
                yield end, batches.draw(seeds, task.batch_size, end - every, end, self.count)
        else:
            every = streams.steps_at_once(self._first, every)
            ends = range(first + every, last + 1, every)
            yield from zip(ends, streams.pieces(self.stream, list(seeds), first, last, every), strict=True)

    def start(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the training loss of each seed's initial params."""
        functions = self.programs.functions

        def of_seed(seed: jax.Array, scored: Any) -> jax.Array:
            params, rest = functions.init(seed)
            return functions.train_score(params, rest, scored)

        return np.asarray(jax.jit(jax.vmap(of_seed, (0, None)))(np.array(seeds, np.uint32), self.scored))

    def like(self, seeds: int) -> Any:
        """Return the shapes of the first piece, without drawing it."""
        task = self.programs.task
        if self.stream is not None:
            steps = self._steps_at_once
            return jax.tree.map(
                lambda part: jax.ShapeDtypeStruct((seeds, steps, *part.shape), jnp.asarray(part).dtype), self._first
            )
        if task.batch_size is None:
            return None
        return jax.ShapeDtypeStruct((seeds, task.evaluate_every, task.batch_size), np.int32)

    def _put(self, split: Any) -> Any:
        return self.programs.devices.put(jax.tree.map(jnp.asarray, split))
