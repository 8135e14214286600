"""The net that is trained: its first weights, the optimizer that it is, and the file that it ends in.

Kernels start truncated normal with standard deviation 1/√rows and biases at 0, as Sonnet's do in the authors' code.
"""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax import learned_lstm
from adaptax._learned_weights import UNITS, shapes

Weights = dict[str, dict[str, jax.Array]]


def draw(key: jax.Array, inputs: int, units: int = UNITS) -> Weights:
    """Draw the first weights."""
    leaves, structure = jax.tree.flatten(shapes(units, inputs), is_leaf=lambda node: isinstance(node, tuple))
    keys = jax.random.split(key, len(leaves))
    return structure.unflatten([_draw(k, shape) for k, shape in zip(keys, leaves, strict=True)])


def _draw(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    if len(shape) == 1:
        return jnp.zeros(shape)
    return jax.random.truncated_normal(key, -2.0, 2.0, shape) / jnp.sqrt(jnp.float32(shape[0]))


def optimizer(weights: Weights, output_scale: float) -> optax.GradientTransformation:
    """Return the optimizer while it is trained."""
    return learned_lstm(output_scale, weights)


def sampled(weights: Weights, output_scale: float, one_in: int, turn: jax.Array) -> optax.GradientTransformation:
    """Return the same optimizer of a vector, differentiable through every `one_in`-th number from `turn` on alone.

    Each number is treated alone, so the derivative by the weights is a sum over numbers: that of the sample, times
    `one_in`, is right on average, for a fraction of the time.
    """
    through, past = (optimizer(phi, output_scale) for phi in (weights, jax.lax.stop_gradient(weights)))

    def divide(vector: jax.Array) -> tuple[jax.Array, jax.Array]:
        rows = jnp.pad(vector, (0, -len(vector) % one_in)).reshape(-1, one_in).T
        rows = jnp.roll(rows, -turn, axis=0)
        return rows[0], rows[1:].ravel()

    def init(params: jax.Array) -> Any:
        sample, others = divide(params)
        return through.init(sample), past.init(others)

    def update(gradient: jax.Array, state: Any, params: Any = None) -> tuple[jax.Array, Any]:
        sample, others = divide(gradient)
        step, of_sample = through.update(sample, state[0])
        steps, of_others = past.update(others, state[1])
        known = jax.lax.stop_gradient(step)
        rows = jnp.concatenate([(known + one_in * (step - known))[None], steps.reshape(one_in - 1, -1)])
        return jnp.roll(rows, turn, axis=0).T.ravel()[: len(gradient)], (of_sample, of_others)

    return optax.GradientTransformation(init, update)


def finished(weights: Weights, output_scale: float) -> dict[str, Any]:
    """Put the output scale into the linear layer: what is shipped and compared has learning rate 1."""
    scaled = jax.tree.map(lambda leaf: leaf * jnp.float32(output_scale), weights["linear"])
    return jax.device_get({**weights, "linear": scaled})


def save(path: Path, weights: dict[str, Any]) -> None:
    """Replace a file of finished weights, an array for each LAYER/PART."""
    new = path.with_name(f".new-{path.name}")
    np.savez(new, **{f"{layer}/{part}": leaf for layer, parts in weights.items() for part, leaf in parts.items()})
    os.replace(new, path)
