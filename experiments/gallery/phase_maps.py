"""Phase maps: learning rate × momentum (or another setting) -> steps to converge, or what happened instead.

A run has converged at the first step from which on, to the end and for 50 steps at least, its height stays within a
hundredth of the global minimum. It has diverged once it is farther from the origin than 100; whatever is left ends
elsewhere, in another minimum, still on its way, or bouncing.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adaptax.comparison.step import take_step
from experiments.gallery.lasagne import ON_SURFACES
from experiments.tasks.minima import find_minima
from experiments.tasks.surfaces import START, SURFACES

SIZE = 64  # so many rates and settings: 4,096 runs in one call
STEPS = 500
NEAR = 0.01
HELD = 50
FAR = 100.0
DIVERGED, ELSEWHERE = -1, -2

RATES = np.geomspace(1e-4, 10.0, SIZE)
MEMORIES = 1 - np.geomspace(1.0, 0.01, SIZE)  # decays from 0 to .99, even in the memory 1 / (1 - decay)
BONUSES = np.geomspace(0.001, 0.9, SIZE)

SHOWN = ("simple_quad", "wobbly", "hills_and_canyon")
SWEPT = {
    "momentum": ("momentum", MEMORIES),
    "nesterov": ("momentum", MEMORIES),
    "lsalr": ("momentum", MEMORIES),
    "local_gains": ("bonus", BONUSES),
    "rmsprop": ("decay", MEMORIES),
    "adam": ("b1", MEMORIES),
}


class MapRow(NamedTuple):
    """One map in figures."""

    surface: str
    method: str
    setting: str
    converged: float  # shares of all runs
    diverged: float
    mean_steps: float | None  # of the runs that converged; None: there is none
    least_steps: int | None
    best_rate: float | None  # the settings that took the least steps
    best_setting: float | None


def measure(slug: str, surface: str) -> np.ndarray:
    """Return (setting, rate) -> steps to converge, `DIVERGED` or `ELSEWHERE`, all in one call."""
    method, (key, values), height = ON_SURFACES[slug], SWEPT[slug], SURFACES[surface]
    lowest = find_minima(surface)[0][0]

    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def run(value, rate):
        optimizer = method.build(**{**method.on_surfaces, "learning_rate": rate, key: value})

        def one(carry, number):
            w, state, last_outside, far = carry
            w, state, *_ = take_step(height, optimizer, w, state)
            inside = height(w) <= lowest + NEAR  # never true of NaN
            far |= ~(jnp.abs(w).max() <= FAR)
            return (w, state, jnp.where(inside, last_outside, number), far), None

        start = jnp.asarray(START)
        carry = (start, optimizer.init(start), 0, jnp.asarray(False))
        (_, _, last_outside, far), _ = jax.lax.scan(one, carry, jnp.arange(1, STEPS + 1))
        return jnp.where(far, DIVERGED, jnp.where(last_outside > STEPS - HELD, ELSEWHERE, last_outside + 1))

    with jax.enable_x64(True):
        return np.asarray(jax.jit(run)(jnp.asarray(values), jnp.asarray(RATES)))


def summarize(slug: str, surface: str, steps: np.ndarray) -> MapRow:
    """Return a map in figures."""
    key, values = SWEPT[slug]
    converged = steps > 0
    mean = least = rate = setting = None
    if converged.any():
        row, column = np.unravel_index(np.where(converged, steps, STEPS + 1).argmin(), steps.shape)
        mean, least = float(steps[converged].mean()), int(steps[row, column])
        rate, setting = float(RATES[column]), float(values[row])
    method = ON_SURFACES[slug].style.label
    shares = float(converged.mean()), float((steps == DIVERGED).mean())
    return MapRow(surface, method, key, *shares, mean, least, rate, setting)
