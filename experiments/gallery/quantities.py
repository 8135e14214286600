"""What an optimizer knows: accumulators, corrected moments, gains, effective rates, read from its own state.

Each function takes the gradient, the state after it and the settings, and gives label -> one number per weight. A rate
is what the gradient, or the averaged one, is multiplied by.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

import adaptax

Quantities = dict[str, jax.Array]


def in_order(quantities: Quantities) -> Quantities:
    """Return quantities with the rate last, which is made of the others; JAX gives dictionaries back sorted."""
    return {label: quantities[label] for label in sorted(quantities, key=lambda label: label.startswith("rate"))}


def nothing(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """Classical momentum holds its velocity alone, which is the step."""
    del gradient, state, settings
    return {}


def reach(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """How far ahead of the weight the next gradient is taken, downhill."""
    del settings
    return {"look-ahead μ v": -adaptax.lookahead_points(jnp.zeros_like(gradient), state)[-1]}


def history(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """Adagrad's sum or RMSProp's mean of squares, and the rate it leaves."""
    del gradient
    s = optax.tree.get(state, "s")
    label = "mean of squares E" if "decay" in settings else "sum of squares G"
    return {label: s, f"rate η/√({label[-1]} + ε)": settings["learning_rate"] / jnp.sqrt(s + settings["eps"])}


def two_histories(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """Adadelta's mean squares of gradients and of steps, and their ratio: the rate of the next step."""
    del gradient
    squares, steps = optax.tree.get(state, "squares"), optax.tree.get(state, "steps")
    ratio = jnp.sqrt((steps + settings["eps"]) / (squares + settings["eps"]))
    return {
        "gradients' mean square E": squares,
        "steps' mean square D": steps,
        "rate η√((D + ε)/(E + ε))": settings["learning_rate"] * ratio,
    }


def moments(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """Adam's and Nadam's moments, corrected for their start at 0, and the rate."""
    del gradient
    v = _corrected(state, "s", "log_decay_2")
    rate = settings["learning_rate"] / (jnp.sqrt(v) + settings["eps"])
    return {
        "corrected moment m̂": _corrected(state, "m", "log_decay_1"),
        "corrected square v̂": v,
        "rate η/(√v̂ + ε)": jnp.where(v > 0, rate, 0),
    }


def moment_and_maximum(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """AdaMax's corrected moment, decaying maximum, and the rate."""
    del gradient
    u = optax.tree.get(state, "s")
    return {
        "corrected moment m̂": _corrected(state, "m", "log_decay_1"),
        "decaying maximum u": u,
        "rate η/u": jnp.where(u > 0, settings["learning_rate"] / jnp.where(u > 0, u, 1), 0),
    }


def _corrected(state: optax.OptState, average: str, log_decay: str) -> jax.Array:
    return optax.tree.get(state, average) / -jnp.expm1(optax.tree.get(state, log_decay))


def gain(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """Return the gain on the learning rate."""
    del gradient, settings
    return {"gain c": adaptax.gains(state)}


def gain_and_average(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """Delta-bar-delta's gain, and the averaged gradient that the next one is judged by."""
    return {**gain(gradient, state, settings), "averaged gradient δ̄": optax.tree.get(state, "average")}


def layer_rate(gradient: ArrayLike, state: optax.OptState, settings: dict) -> Quantities:
    """LSALR's factor, measured from the layer's gradient alone."""
    del state, settings
    factor, _ = adaptax.lsalr_rate().measure(gradient, ())
    return {"layer's rate 1 + log(1 + 1/|g|)": jnp.broadcast_to(factor, jnp.shape(gradient))}
