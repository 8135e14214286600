r"""An ill-conditioned bowl: ½ Σ λ_k (q_k · w)², 100 weights, λ from 0.0001 to 1 in equal ratios, axes turned at random.

Turned, since some methods follow single weights and an upright bowl would be made for them. There is no data: the three
splits are the same matrix, seeds differ in where they start.
"""

import dataclasses
from functools import partial

import jax
import numpy as np

from adaptax.comparison.task import Splits, Task


@dataclasses.dataclass(frozen=True)
class Bowl:
    """The height above the minimum."""

    weights: int

    def init(self, key: jax.Array) -> dict[str, jax.Array]:
        """Start at a normal distance from the minimum in every direction."""
        return {"w": jax.random.normal(key, (self.weights,))}

    def loss(self, params: dict[str, jax.Array], batch: jax.Array) -> jax.Array:
        """Give the height; a batch is the matrix with the rows √λ_k q_k."""
        return 0.5 * ((batch[0] @ params["w"]) ** 2).sum()

    score = loss


def load(weights: int, condition: float) -> Splits:
    """Make the matrix."""
    axes, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((weights, weights)))
    scales = np.sqrt(np.geomspace(1 / condition, 1.0, weights))
    rows = (scales[:, None] * axes.T).astype(np.float32)[None]
    return dict.fromkeys(("train", "validation", "test"), rows)


TASK = Task(
    title="An ill-conditioned bowl",
    problem=Bowl(weights=100),
    data=partial(load, weights=100, condition=1e4),
    scored="height above the minimum",
    batch_size=None,
    steps=500,
    evaluate_every=10,
    layout_on_cpu="vmap",
)
