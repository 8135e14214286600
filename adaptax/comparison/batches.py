"""Which examples each step sees: an order of seed and epoch alone, so all contenders of a seed see the same."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from adaptax.comparison.errors import InputError


def draw(seeds: Iterable[int], size: int | None, first: int, last: int, count: int) -> np.ndarray | None:
    """Draw the examples of the steps from `first` to before `last`: (seeds, steps, size); None is all of them.

    Each epoch goes through the `count` pictures in another order and drops the last, incomplete batch.
    """
    if size is None:
        return None
    if size > count:
        raise InputError(f"batch_size must be at most {count}, the number of training pictures, got {size}.")
    per_epoch = count // size
    epochs = range(first // per_epoch, -(-last // per_epoch))
    orders = [
        np.concatenate(
            [np.random.default_rng([seed, epoch]).permutation(count)[: per_epoch * size] for epoch in epochs]
        )
        for seed in seeds
    ]
    steps = np.array(orders, np.int32).reshape(len(orders), -1, size)
    skipped = epochs[0] * per_epoch
    return steps[:, first - skipped : last - skipped]
