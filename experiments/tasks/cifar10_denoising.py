"""CIFAR-10, noise removed from patches of 8 by a fully connected net of six tanh layers, batches of 64.

A patch is cut from the middle of each picture. The noise is normal, a fifth of the range of the pixels, and drawn once.
The loss, which also judges, is the squared error of a patch with pixels from -1 to 1.
"""

import dataclasses
import functools
from functools import partial
from typing import Any

import jax
import numpy as np

from adaptax.comparison.task import Task
from experiments.data import cifar10
from experiments.models import Net, functional
from experiments.models.mlp import Mlp

PATCH, NOISE = 8, 0.4  # of pixels from -1 to 1
WIDTHS = (128, 96, 64, 64, 96, 128)
COUNTS = {"train": 20_000, "validation": 1000, "test": 2000}


def load(path: str | None = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give by split noisy patches and clean ones, each flattened."""
    random, splits = np.random.default_rng(0), {}
    for name, split in cifar10.load(path, validation=COUNTS["validation"]).items():
        first = (split.pictures.shape[1] - PATCH) // 2
        middle = slice(first, first + PATCH)
        clean = split.pictures[: COUNTS[name], middle, middle].reshape(COUNTS[name], -1) / np.float32(127.5) - 1
        splits[name] = (clean + NOISE * random.standard_normal(clean.shape, np.float32), clean)
    return splits


@dataclasses.dataclass(frozen=True)
class Denoising:
    """What a net makes of noisy patches should be the clean ones."""

    widths: tuple[int, ...]

    @functools.cached_property
    def _net(self) -> Net:
        size = 3 * PATCH**2
        return functional(partial(Mlp, inputs=size, widths=self.widths, classes=size, nonlinearity="tanh"))

    def init(self, key: jax.Array) -> Any:
        """Draw the net's weights."""
        return self._net.init(key)

    def loss(self, params: Any, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
        """Give the squared error of a patch."""
        noisy, clean = batch
        return ((self._net.apply(params, noisy) - clean) ** 2).sum(axis=1).mean()

    score = loss


TASK = Task(
    title="CIFAR-10, noise removed by six tanh layers",
    problem=Denoising(widths=WIDTHS),
    data=partial(load),
    scored="squared error of a patch",
    batch_size=64,
    steps=500,
    evaluate_every=50,
    tuning_seeds=1,
)
