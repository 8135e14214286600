"""Experiments are found by file: a module of this package that defines EXPERIMENT is one.

Its slug is its file's name. Nothing is listed by hand.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

import experiments
from experiments import calibration
from experiments.engine.experiment import Experiment, InputError
from experiments.learned.experiment import Learning


def find_all() -> dict[str, Experiment | Learning]:
    """Import the package's modules and keep the experiments, by slug."""
    names = [m.name for m in pkgutil.iter_modules(experiments.__path__) if m.name[0] != "_"]
    modules = {name: importlib.import_module(f"experiments.{name}") for name in names}
    return {name: m.EXPERIMENT for name, m in modules.items() if hasattr(m, "EXPERIMENT")}


def comparisons() -> dict[str, Experiment]:
    """Return those in which contenders train one model; in the others an optimizer is learned."""
    return {slug: experiment for slug, experiment in find_all().items() if isinstance(experiment, Experiment)}


def find(slug: str) -> Experiment | Learning:
    """Return one experiment, or say which slug is nearest."""
    known = find_all()
    if slug not in known:
        raise InputError(f"There is no experiment {slug!r}; {nearest(slug, known)}.")
    return known[slug]


def find_calibration(slug: str) -> ModuleType:
    """Return the module that chose an experiment's free settings."""
    known = {module.name for module in pkgutil.iter_modules(calibration.__path__)}
    if slug not in known:
        raise InputError(f"There is no calibration {slug!r}; {nearest(slug, known)}.")
    return importlib.import_module(f"experiments.calibration.{slug}")


def nearest(slug: str, known: Iterable[str]) -> str:
    """Say which of the known names is nearest."""
    # With cutoff 0 there is always a nearest one.
    return f"the nearest is {difflib.get_close_matches(slug, known, n=1, cutoff=0)[0]!r}"
