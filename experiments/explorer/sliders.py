"""The explorer's sliders: a setting's name and the values that one can choose.

A slider moves over a list of values, so each of its positions can be named, and its ends tested.
"""

import inspect
from collections.abc import Mapping
from typing import NamedTuple

import adaptax
from experiments.gallery.methods import Method


class Slider(NamedTuple):
    """One setting as a reader sees it."""

    name: str
    values: tuple[float, ...]
    usual: float  # what the pictures have


DECAYS = (0.25, 0.5, 0.8, 0.9, 0.95, 0.975, 0.99)
CHOICES = {
    "momentum": ("momentum μ", (0.0, *DECAYS)),
    "decay": ("decay ρ", DECAYS),
    "rho": ("decay ρ", DECAYS),
    "b1": ("decay of the moment β₁", (0.0, *DECAYS)),
    "b2": ("decay of the square β₂", (0.5, 0.9, 0.99, 0.999, 0.9999)),
    "eps": ("ε", (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0)),
    "initial": ("start of D", (0.0, 0.01, 1.0, 50.0)),
    "bonus": ("bonus b", (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
    "penalty": ("penalty p", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)),
    "kappa": ("bonus κ", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
    "phi": ("loss φ", (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)),
    "theta": ("decay of the average θ", (0.0, *DECAYS)),
}
FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # on a method's usual learning rate


def slider(key: str, usual: float) -> Slider:
    """Return the slider of a setting, whose values hold the usual one."""
    if key == "learning_rate":
        return Slider("learning rate η", tuple(float(f"{factor * usual:.6g}") for factor in FACTORS), usual)
    name, values = CHOICES[key]
    if usual not in values:
        raise ValueError(f"sliders: the values of {key} must hold the usual one, got {usual!r}.")
    return Slider(name, values, usual)


def sliders(method: Method, world: str) -> dict[str, Slider]:
    """Return a method's sliders by setting; usual are those of the pictures of "surfaces" or "signals"."""
    usual = numbers(method.build) | (method.middle if world == "signals" else method.on_surfaces)
    keys = ["learning_rate", *(key for key in CHOICES if key in method.middle)]
    return {key: slider(key, float(usual[key])) for key in keys}


def ends(method: Method, world: str) -> list[Mapping[str, float]]:
    """Return the usual settings, then those with one slider at either end."""
    of = sliders(method, world)
    usual = {key: slider.usual for key, slider in of.items()}
    return [usual, *({**usual, key: slider.values[end]} for key, slider in of.items() for end in (0, -1))]


def fixed(slug: str) -> dict[str, float]:
    """Return the numbers that a method has beside its sliders: the library's defaults."""
    defaults = numbers(getattr(adaptax, slug)) if hasattr(adaptax, slug) else {}
    return {key: value for key, value in defaults.items() if key not in ("learning_rate", *CHOICES)}


def numbers(build: object) -> dict[str, float]:
    """Return the defaults of a function that are numbers."""
    parameters = inspect.signature(build).parameters.items()
    return {key: of.default for key, of in parameters if type(of.default) in (int, float)}
