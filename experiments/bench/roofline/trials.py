"""Spellings that were tried and are slower, beside the ones that the library has: why its code looks as it does.

Each trial is the whole optimizer, plainly written; what the library has is the library's own.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import adaptax

RATE = 1e-3
Leaf = Callable[..., tuple]  # gradient, slots -> update, new slots


def spelled(leaf: Leaf, *starts: float, in_stacks: bool = False) -> optax.GradientTransformation:
    """Apply a rule to each leaf by itself, or to stacks of them, and start its slots with some numbers."""

    def init(params: Any) -> tuple:
        return tuple(jax.tree.map(lambda p, start=start: jnp.full_like(p, start), params) for start in starts)

    def update(gradients: Any, state: tuple, params: Any = None) -> tuple:
        leaves, structure = jax.tree.flatten(gradients)
        rows = list(zip(leaves, *map(jax.tree.leaves, state), strict=True))
        rows = by_stack(leaf, rows) if in_stacks else [leaf(*row) for row in rows]
        updates, *slots = (structure.unflatten(column) for column in zip(*rows, strict=True))
        return updates, tuple(slots)

    return optax.GradientTransformation(init, update)


def by_stack(leaf: Leaf, rows: list[tuple], size: int = 16) -> list[tuple]:
    """Apply a rule to stacks of leaves of one shape, one after the other in a loop that is compiled once per stack."""
    groups: dict[tuple, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row[0].shape, []).append(index)
    new: dict[int, tuple] = {}
    for members in groups.values():
        for some in (members[start : start + size] for start in range(0, len(members), size)):
            stacks = [jnp.stack(column) for column in zip(*(rows[index] for index in some), strict=True)]
            stacks = jax.lax.map(lambda row: leaf(*row), stacks)
            new |= {index: tuple(stack[position] for stack in stacks) for position, index in enumerate(some)}
    return [new[index] for index in range(len(rows))]


def gains_of_two_arrays(g: jax.Array, gain: jax.Array, previous: jax.Array) -> tuple:
    """Local gains as the lecture writes them: gain and previous gradient kept, clipped at the end."""
    product = jnp.sign(g) * jnp.sign(previous)
    gain = jnp.clip(jnp.where(product > 0, gain + 0.05, jnp.where(product < 0, gain * 0.95, gain)), 0.1, 10.0)
    return -RATE * gain * g, gain, g


def gains_in_the_sign_bit(g: jax.Array, packed: jax.Array) -> tuple:
    """Local gains with the sign in the gain's own sign bit, zeros forgotten: the least that a gain rule can do."""
    gain = jnp.abs(packed)
    gain = jnp.minimum(jnp.maximum(jnp.where(packed * g > 0, gain + 0.05, gain * 0.95), 0.1), 10.0)
    packed = jnp.copysign(gain, g)
    return -RATE * jnp.abs(packed) * g, packed


def adadelta_as_printed(g: jax.Array, squares: jax.Array, steps: jax.Array) -> tuple:
    """Adadelta line by line: the step from the old average of steps, the new average from the step."""
    squares = 0.95 * squares + 0.05 * g**2
    step = jnp.sqrt((steps + 1e-6) / (squares + 1e-6)) * g
    return -RATE * step, squares, 0.95 * steps + 0.05 * step**2


TRIALS = {
    "optax.sgd, momentum": optax.sgd(RATE, momentum=0.9),
    "local gains, two arrays": spelled(gains_of_two_arrays, 1.0, 0.0),
    "local gains, inexact at zeros": spelled(gains_in_the_sign_bit, 1.0),
    "local gains, inexact at zeros, leaves in stacks": spelled(gains_in_the_sign_bit, 1.0, in_stacks=True),
    "local_gains": adaptax.local_gains(RATE),
    "Adadelta, as printed": spelled(adadelta_as_printed, 0.0, 0.0),
    "Adadelta, as printed, leaves in stacks": spelled(adadelta_as_printed, 0.0, 0.0, in_stacks=True),
    "adadelta": adaptax.adadelta(RATE),
}
