"""Weights, gradients and losses that tell wrong code apart, and a walk of a few steps along them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree


def weights() -> PyTree:
    """Return the params of most checks: two layers by parent, three leaves, a zero among them."""
    dense = {"kernel": jnp.float32([[0.4, -1.2, 2.0], [0.1, 3.0, -0.7]]), "bias": jnp.float32([0.0, 1.0, -2.0])}
    return {"dense": dense, "scale": jnp.array(1.5)}  # of a weak type: no state may inherit it


def gradients_at(step: int, params: PyTree) -> PyTree:
    """Return another asymmetric gradient at every step, with exact zeros in it."""
    wave = 1.3 * np.sin(1.7 * step + 0.4) + 0.2

    def leaf(p: Any) -> Array:
        at = np.arange(p.size, dtype=np.float64).reshape(p.shape)
        return jnp.asarray(np.where((at + step) % 5 == 0, 0.0, wave * (at + 0.5) * (-1) ** at), p.dtype)

    return jax.tree.map(leaf, params)


def loss_at(step: Any) -> Float[Array, ""]:
    """Return another loss at every step, falling and rising; every update gets one, needed or not."""
    return 2.0 + jnp.sin(1.7 * jnp.asarray(step, jnp.float32))


def walk(
    optimizer: optax.GradientTransformation,
    params: PyTree = None,
    steps: int = 4,
    gradients: list[PyTree] | None = None,
    compiled: bool = False,
    **extra_args: Any,
) -> tuple[list[PyTree], PyTree]:
    """Return the updates of a few steps, all from the same params, and the last state.

    It is compiled as a whole if shapes or dtypes are rare: otherwise JAX compiles each operation alone.
    """
    params = weights() if params is None else params
    update = optax.with_extra_args_support(optimizer).update
    update = jax.jit(update) if compiled else update
    state, seen = optimizer.init(params), []
    for step, gradient in enumerate(gradients or [gradients_at(step, params) for step in range(steps)]):
        updates, state = update(gradient, state, params, value=loss_at(step), **extra_args)
        seen.append(updates)
    return seen, state


def after(
    optimizer: optax.GradientTransformationExtraArgs, gradients: PyTree, params: PyTree, loss: Any = 2.0
) -> PyTree:
    """Return the first update."""
    return optimizer.update(gradients, optimizer.init(params), params, value=loss)[0]


def x64(enabled: bool) -> AbstractContextManager:
    """Return a context in which JAX computes in float64, or does not."""
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # pyright: ignore  # before jax 0.8
    return enable(enabled)


def slices_of(stack: PyTree, number: int) -> Iterator[PyTree]:
    """Yield the trees that are stacked in one."""
    for k in range(number):
        yield jax.tree.map(lambda leaf, k=k: leaf[k], stack)
