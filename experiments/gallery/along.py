"""Run a method along a signal: the epoch is the weight's position, as in article 003.

A weight that descends a positive gradient runs down while epochs run up, so the weight is minus the epoch: a velocity
downhill then leads to later epochs, and a method that looks ahead reads the signal there.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import adaptax
from experiments.gallery.methods import ON_SIGNALS, Method, Settings
from experiments.tasks.signals import read_at


class Trace(NamedTuple):
    """What a method did at each epoch."""

    steps: jax.Array  # downhill: minus the update, of the gradient's sign
    slopes: jax.Array  # the gradients it was given: for methods that look ahead, those of later epochs
    quantities: dict[str, jax.Array]  # sorted by label, as JAX gives dictionaries back


def in_order(quantities: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Return quantities with the rate last, which is made of the others."""
    return {label: quantities[label] for label in sorted(quantities, key=lambda label: label.startswith("rate"))}


def trace(method: Method, settings: Settings, signal: jax.Array) -> Trace:
    """Run a method along one signal, in one scan."""
    optimizer, epochs = method.build(**settings), jnp.arange(len(signal), dtype=signal.dtype)

    def step(state, epoch):
        ahead = adaptax.lookahead_points(-epoch, state)
        slope = sum(read_at(signal, -weight) for weight in ahead) / len(ahead)
        update, state = optimizer.update(slope, state)
        return state, Trace(jnp.negative(update), slope, method.inner(slope, state, settings))

    return jax.lax.scan(step, optimizer.init(epochs[0]), epochs)[1]


def trace_sweep(method: Method, signals: Mapping[str, np.ndarray]) -> Trace:
    """Run a method's three settings along all signals in one scan; arrays are (setting, signal, epoch), float64."""

    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def run(value, signal):
        return trace(method, {**method.on_signals, method.swept: value}, signal)

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(run)(jnp.asarray(method.values), _rows(signals)))


def trace_methods(signals: Mapping[str, np.ndarray]) -> dict[str, Trace]:
    """Run every method at its middle setting along all signals at once; arrays are (signal, epoch), float64."""

    @jax.vmap
    def run(signal):
        return {slug: trace(method, method.middle, signal) for slug, method in ON_SIGNALS.items()}

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(run)(_rows(signals)))


def _rows(signals: Mapping[str, np.ndarray]) -> jax.Array:
    return jnp.stack([jnp.asarray(signal, float) for signal in signals.values()])
