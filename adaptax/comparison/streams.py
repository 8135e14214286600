"""Batches that a function of a seed yields, one after the other: from grain, tf.data, a PyTorch `DataLoader`, a loop.

They are read in pieces of some steps, copied to the device together, and dropped: members have no copies of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from adaptax.comparison.errors import InputError

Tree = Any
Stream = Callable[[int], Iterable[Tree]]  # from a seed to batches, each a tree of arrays
PIECE_BYTES = 2**26  # of batches that are on the device at once, for a seed


def batches_of(stream: Stream, seed: int, split: str) -> Iterator[Tree]:
    """Yield the batches of a seed as trees of NumPy arrays, all of one shape in the split "train"."""
    made = stream(seed)
    if not isinstance(made, Iterable):
        raise InputError(
            f"The split {split!r} must be arrays or a function from a seed to an iterator of batches; the function "
            f"returned {type(made).__name__}."
        )
    first = None
    for number, batch in enumerate(made):
        arrays = jax.tree.map(np.asarray, batch)
        first = first or shapes(arrays)
        if split == "train" and shapes(arrays) != first:
            raise InputError(
                f"Batches must have one shape; with seed {seed}, batch 0 has {first} and batch "
                f"{number} has {shapes(arrays)}: drop the last, smaller one."
            )
        yield arrays


def shapes(batch: Tree) -> list[tuple[int, ...]]:
    """Return the shapes of a batch's arrays."""
    return [np.shape(part) for part in jax.tree.leaves(batch)]


def size(batch: Tree) -> int:
    """Return how many examples a batch has."""
    lengths = {shape[0] if shape else 0 for shape in shapes(batch)}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"The arrays of a batch must have one length above 0, got {sorted(lengths)}.")
    return lengths.pop()


def steps_at_once(batch: Tree, steps: int) -> int:
    """Return the steps of a piece: a divisor of the steps between two evaluations, so all pieces have one shape."""
    most = max(1, PIECE_BYTES // max(1, sum(part.nbytes for part in jax.tree.leaves(batch))))
    return max(divisor for divisor in range(1, steps + 1) if steps % divisor == 0 and divisor <= most)


def pieces(stream: Stream, seeds: list[int], first: int, last: int, at_once: int) -> Iterator[Tree]:
    """Yield (seeds, at_once, …) from step `first` to `last`; the next piece is read while this one trains."""
    running = [itertools.islice(batches_of(stream, seed, "train"), first, None) for seed in seeds]

    def read() -> Tree:
        of_seeds = []
        for seed, batches in zip(seeds, running, strict=True):
            some = list(itertools.islice(batches, at_once))
            if len(some) < at_once:
                raise InputError(
                    f"The batches of seed {seed} ended before {last} steps; let the function of the seed yield epoch "
                    "after epoch."
                )
            of_seeds.append(jax.tree.map(lambda *parts: np.stack(parts), *some))
        return jax.tree.map(lambda *parts: np.stack(parts), *of_seeds)

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read)
        for end in range(first + at_once, last + 1, at_once):
            piece = ahead.result()
            if end < last:
                ahead = pool.submit(read)
            yield piece


def whole(stream: Stream, split: str, at_most: int | None = None) -> Tree:
    """Read a split as one tree of arrays: all batches of seed 0, or the first ones with so many examples."""
    read, count = [], 0
    for batch in batches_of(stream, 0, split):
        read.append(batch)
        count += size(batch)
        if at_most is not None and count >= at_most:
            break
    if not read:
        raise InputError(f"The split {split!r} must have examples, and its function yielded no batch.")
    joined = jax.tree.map(lambda *parts: np.concatenate(parts), *read)
    return jax.tree.map(lambda part: part[:at_most], joined)
