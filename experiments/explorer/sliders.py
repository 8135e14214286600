"""The explorer's sliders: a setting's name and the values that one can choose.

A slider moves over a list of values, so each of its positions can be named, and its ends tested.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import adaptax
from experiments.gallery.methods import Method


class Slider(NamedTuple):
    """One setting as a reader sees it."""

    name: str
    values: tuple[float, ...]


DECAYS = (0.25, 0.5, 0.8, 0.9, 0.95, 0.975, 0.99)
SLIDERS = {
    "momentum": Slider("momentum μ", (0.0, *DECAYS)),
    "decay": Slider("decay ρ", DECAYS),
    "rho": Slider("decay ρ", DECAYS),
    "b1": Slider("decay of the moment β₁", (0.0, *DECAYS)),
    "b2": Slider("decay of the square β₂", (0.5, 0.9, 0.99, 0.999, 0.9999)),
    "eps": Slider("ε", (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0)),
    "initial": Slider("start of D", (0.0, 0.01, 1.0, 50.0)),
    "bonus": Slider("bonus b", (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
    "penalty": Slider("penalty p", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)),
    "kappa": Slider("bonus κ", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
    "phi": Slider("loss φ", (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)),
    "theta": Slider("decay of the average θ", (0.0, *DECAYS)),
}
FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # on a method's usual learning rate


def defaults(method: Method, world: str) -> dict[str, float]:
    """Return the settings that the pictures of "surfaces" or "signals" have, in the order of the sliders."""
    usual = method.middle if world == "signals" else method.on_surfaces
    keys = ["learning_rate", *(key for key in SLIDERS if key in method.middle)]
    return {key: float(usual.get(key, _default(method.build, key))) for key in keys}


def slider(key: str, default: float) -> Slider:
    """Return the slider of a setting, whose values hold the default."""
    if key == "learning_rate":
        return Slider("learning rate η", tuple(float(f"{factor * default:.6g}") for factor in FACTORS))
    if default not in SLIDERS[key].values:
        raise ValueError(f"sliders: the values of {key} must hold the default, got {default!r}.")
    return SLIDERS[key]


def sliders(method: Method, world: str) -> dict[str, Slider]:
    """Return a method's sliders by setting."""
    return {key: slider(key, default) for key, default in defaults(method, world).items()}


def ends(method: Method, world: str) -> list[Mapping[str, float]]:
    """Return the usual settings, then those with one slider at either end."""
    usual = defaults(method, world)
    moved = [(key, value) for key, of in sliders(method, world).items() for value in (of.values[0], of.values[-1])]
    return [usual, *({**usual, key: value} for key, value in moved)]


def fixed(slug: str) -> dict[str, float]:
    """Return the numbers that a method has beside its sliders: the library's defaults."""
    parameters = inspect.signature(getattr(adaptax, slug)).parameters if hasattr(adaptax, slug) else {}
    defaults = {key: of.default for key, of in parameters.items() if type(of.default) in (int, float)}
    return {key: value for key, value in defaults.items() if key not in ("learning_rate", *SLIDERS)}


def _default(build: Callable[..., Any], key: str) -> float:
    return inspect.signature(build).parameters[key].default
