"""Run a method along a signal: the epoch is the weight's position, as in article 003.

A weight that descends a positive gradient runs down while epochs run up, so the weight is minus the epoch: a velocity
downhill then leads to later epochs, and a method that looks ahead reads the signal there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import adaptax
from experiments.gallery.methods import BIG_START, METHODS, Method, Settings
from experiments.tasks.signals import read_at


class Trace(NamedTuple):
    """What a method did at each epoch."""

    steps: jax.Array  # downhill: minus the update, of the gradient's sign
    slopes: jax.Array  # the gradients it was given: for methods that look ahead, those of later epochs
    quantities: dict[str, jax.Array]


def methods_on_signals() -> Iterator[tuple[str, Method]]:
    """Yield every method by slug; Adadelta twice, from either of the article's starts."""
    for slug, method in METHODS.items():
        yield slug, method
        if slug == "adadelta":
            yield "adadelta_big_start", BIG_START


def trace(runs: Mapping[str, tuple[Method, Settings]], signal: jax.Array) -> dict[str, Trace]:
    """Run methods, each with its settings, along one signal, all in one scan."""
    optimizers = {name: method.build(**settings) for name, (method, settings) in runs.items()}
    epochs = jnp.arange(len(signal), dtype=signal.dtype)

    def step_one(name, state, epoch):
        method, settings = runs[name]
        ahead = adaptax.lookahead_points(-epoch, state)
        slope = sum(read_at(signal, -weight) for weight in ahead) / len(ahead)
        update, state = optimizers[name].update(slope, state)
        return state, Trace(jnp.negative(update), slope, method.quantities(slope, state, settings))

    def step(states, epoch):
        after = {name: step_one(name, state, epoch) for name, state in states.items()}
        return {name: state for name, (state, _) in after.items()}, {name: seen for name, (_, seen) in after.items()}

    states = {name: optimizer.init(epochs[0]) for name, optimizer in optimizers.items()}
    return jax.lax.scan(step, states, epochs)[1]


def trace_sweep(method: Method, signals: Mapping[str, np.ndarray]) -> Trace:
    """Run a method's three settings along all signals in one scan; arrays are (setting, signal, epoch), float64."""
    with jax.enable_x64(True):

        @partial(jax.vmap, in_axes=(0, None))
        @partial(jax.vmap, in_axes=(None, 0))
        def run(value, signal):
            return trace({"": (method, {**method.on_signals, method.sweep.key: value})}, signal)[""]

        return jax.tree.map(np.asarray, jax.jit(run)(jnp.asarray(method.sweep.values), _rows(signals)))


def trace_methods(signals: Mapping[str, np.ndarray]) -> dict[str, Trace]:
    """Run every method at its middle setting along all signals in one scan; arrays are (signal, epoch), float64."""
    runs = {slug: (method, middle(method)) for slug, method in methods_on_signals()}
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(jax.vmap(partial(trace, runs)))(_rows(signals)))


def middle(method: Method) -> Settings:
    """Return a method's settings with the middle one of the three values."""
    return {**method.on_signals, method.sweep.key: method.sweep.values[1]}


def _rows(signals: Mapping[str, np.ndarray]) -> jax.Array:
    return jnp.stack([jnp.asarray(signal, float) for signal in signals.values()])
