"""The rules that the lab runs: how each is built, with which settings, and what can be read inside it.

Settings are plain numbers that may be traced, so one scan runs many of them side by side. On signals they are article
003's: learning rate .25 (Adagrad's is 2.5) and three values of one setting. On surfaces, methods of one family share
the article's rate: .01 for those that step by the gradient itself, .25 for those that divide by its size.

Eve is not among them, since a signal has no loss; over a surface every method is given the height as its loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import jax
import optax
from jax.typing import ArrayLike

import adaptax
from experiments.gallery import quantities
from experiments.gallery.styles import STYLES, Style

Settings = Mapping[str, ArrayLike]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """One setting and the three values that the pictures of signals compare."""

    key: str  # as `build` names it
    symbol: str  # as a reader sees it
    values: tuple[float, float, float] = (0.25, 0.9, 0.975)  # the article's


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """One rule as the lab runs it."""

    style: Style
    build: Callable[..., optax.GradientTransformation]  # of keyword settings
    sweep: Sweep
    on_signals: Settings  # beside the one that is swept
    on_surfaces: Settings
    # (gradient, state after it, settings) -> label -> a number per weight
    quantities: Callable[[ArrayLike, optax.OptState, Settings], dict[str, jax.Array]]
    looks_ahead: bool = False  # whether gradients belong at `adaptax.lookahead_points`


def momentum(learning_rate: ArrayLike, momentum: ArrayLike) -> optax.GradientTransformation:
    """Classical momentum: v = momentum · v - learning_rate · g, and the step is v (article, eqs. 4-5)."""
    return optax.chain(optax.scale_by_learning_rate(learning_rate), optax.trace(momentum))


def local_gains(learning_rate: ArrayLike, bonus: ArrayLike) -> optax.GradientTransformation:
    """Hinton's gains with penalty = 1 - bonus, which has random signs hover around gain 1."""
    return adaptax.local_gains(learning_rate, bonus, 1 - bonus)


METHODS: dict[str, Method] = {
    "momentum": Method(
        style=STYLES["momentum"],
        build=momentum,
        sweep=Sweep(key="momentum", symbol="μ"),
        on_signals={"learning_rate": 0.25},
        on_surfaces={"learning_rate": 0.01, "momentum": 0.9},
        quantities=quantities.nothing,
    ),
    "nesterov": Method(
        style=STYLES["nesterov"],
        build=adaptax.nesterov,
        sweep=Sweep(key="momentum", symbol="μ"),
        on_signals={"learning_rate": 0.25},
        on_surfaces={"learning_rate": 0.01, "momentum": 0.9},
        quantities=quantities.reach,
        looks_ahead=True,
    ),
    "smoothed_nesterov": Method(
        style=STYLES["smoothed_nesterov"],
        build=adaptax.smoothed_nesterov,
        sweep=Sweep(key="momentum", symbol="μ"),
        on_signals={"learning_rate": 0.25},
        on_surfaces={"learning_rate": 0.01, "momentum": 0.9},
        quantities=quantities.reach,
        looks_ahead=True,
    ),
    "adagrad": Method(
        style=STYLES["adagrad"],
        build=adaptax.adagrad,
        sweep=Sweep(key="eps", symbol="ε", values=(1e-7, 0.1, 10.0)),
        on_signals={"learning_rate": 2.5},
        on_surfaces={"learning_rate": 1.0, "eps": 1e-6},
        quantities=quantities.history,
    ),
    "rmsprop": Method(
        style=STYLES["rmsprop"],
        build=adaptax.rmsprop,
        sweep=Sweep(key="decay", symbol="ρ"),
        on_signals={"learning_rate": 0.25, "eps": 1e-5},
        on_surfaces={"learning_rate": 0.25, "decay": 0.9, "eps": 1e-6},
        quantities=quantities.history,
    ),
    "adadelta": Method(
        style=STYLES["adadelta"],
        build=adaptax.adadelta,
        sweep=Sweep(key="rho", symbol="ρ"),
        on_signals={"learning_rate": 1.0, "eps": 1e-3, "initial": 0.0},
        on_surfaces={"learning_rate": 100.0, "rho": 0.95, "eps": 1e-6},
        quantities=quantities.two_histories,
    ),
    "adam": Method(
        style=STYLES["adam"],
        build=adaptax.adam,
        sweep=Sweep(key="b1", symbol="β₁"),
        on_signals={"learning_rate": 0.25, "b2": 0.999, "eps": 1e-7},
        on_surfaces={"learning_rate": 0.25, "b1": 0.9, "b2": 0.999, "eps": 1e-8},
        quantities=quantities.moments,
    ),
    "adamax": Method(
        style=STYLES["adamax"],
        build=adaptax.adamax,
        sweep=Sweep(key="b1", symbol="β₁"),
        on_signals={"learning_rate": 0.25, "b2": 0.999},
        on_surfaces={"learning_rate": 0.25, "b1": 0.9, "b2": 0.999},
        quantities=quantities.moment_and_maximum,
    ),
    "nadam": Method(
        style=STYLES["nadam"],
        build=adaptax.nadam,
        sweep=Sweep(key="b1", symbol="β₁"),
        on_signals={"learning_rate": 0.25, "b2": 0.999, "eps": 1e-7},
        on_surfaces={"learning_rate": 0.25, "b1": 0.9, "b2": 0.999, "eps": 1e-8},
        quantities=quantities.moments,
    ),
    "local_gains": Method(
        style=STYLES["local_gains"],
        build=local_gains,
        sweep=Sweep(key="bonus", symbol="b", values=(0.005, 0.05, 0.2)),
        on_signals={"learning_rate": 0.25},
        on_surfaces={"learning_rate": 0.01, "bonus": 0.05},
        quantities=quantities.gain,
    ),
    "delta_bar_delta": Method(
        style=STYLES["delta_bar_delta"],
        build=adaptax.delta_bar_delta,
        sweep=Sweep(key="theta", symbol="θ"),
        on_signals={"learning_rate": 0.25, "kappa": 0.05, "phi": 0.2},
        on_surfaces={"learning_rate": 0.01, "kappa": 0.2, "phi": 0.2, "theta": 0.5},
        quantities=quantities.gain_and_average,
    ),
    "velocity_gains": Method(
        style=STYLES["velocity_gains"],
        build=adaptax.velocity_gains,
        sweep=Sweep(key="momentum", symbol="μ"),
        on_signals={"learning_rate": 0.25, "bonus": 0.05, "penalty": 0.95},
        on_surfaces={"learning_rate": 0.01, "momentum": 0.9, "bonus": 0.2, "penalty": 0.8},
        quantities=quantities.gain,
    ),
    "lsalr": Method(
        style=STYLES["lsalr"],
        build=adaptax.lsalr,
        sweep=Sweep(key="momentum", symbol="μ"),
        on_signals={"learning_rate": 0.25},
        on_surfaces={"learning_rate": 0.01, "momentum": 0.9},
        quantities=quantities.layer_rate,
    ),
}

# The article's second Adadelta, for signals alone: D starts at 50.
BIG_START = dataclasses.replace(
    METHODS["adadelta"],
    style=STYLES["adadelta_big_start"],
    on_signals={**METHODS["adadelta"].on_signals, "initial": 50.0},
)
