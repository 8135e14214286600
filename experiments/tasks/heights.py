"""Article 003's surfaces as tasks: the weights are a place, the loss is the height above the lowest point."""

import dataclasses
from functools import partial

import jax
import numpy as np

from adaptax.comparison.task import Splits, Task
from experiments.tasks.surfaces import SIDE, STEPS, SURFACES, find_minima


@dataclasses.dataclass(frozen=True)
class Height:
    """A surface, started anywhere on the article's square."""

    surface: str

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        """Draw a place."""
        return {"w": jax.random.uniform(key, (2,), minval=-SIDE, maxval=SIDE)}

    def loss(self, params: dict[str, jax.Array], batch: jax.Array) -> jax.Array:
        """Give the height; a batch holds the height of the lowest point."""
        return SURFACES[self.surface](params["w"]) - batch.mean()

    score = loss


def lowest(surface: str) -> Splits:
    """Give the height of the lowest point as the only example; there is nothing else to learn from."""
    height = np.array([find_minima(surface)[0][0]], np.float32)
    return dict.fromkeys(("train", "validation", "test"), height)


def task(surface: str) -> Task:
    """Make a surface a task of as many steps as the article takes."""
    return Task(
        title=f"The surface {surface}",
        problem=Height(surface),
        data=partial(lowest, surface),
        scored="height above the lowest point",
        batch_size=None,
        steps=STEPS,
        evaluate_every=5,
        layout_on_cpu="vmap",
    )
