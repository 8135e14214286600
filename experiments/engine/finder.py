"""Find papers and tasks by file: a module of their folder with the constant is one, and its file name is the slug.

Nothing is listed by hand but what waits for a confirmation.
"""

import importlib
import pkgutil
from typing import Any

from adaptax.comparison.errors import InputError, nearest
from adaptax.comparison.task import Task
from experiments.engine.experiment import Experiment

PAPERS, TASKS = "experiments.papers", "experiments.tasks"
# docs/preregistration.md: nothing is trained on these before its confirmation.
HELD_OUT = ("cifar10_residual", "cifar10_transformer", "text_recurrent", "text_words", "cifar10_denoising")


def find_all(folder: str, constant: str) -> dict[str, Any]:
    """Import a folder's modules and return their values of a constant, by slug."""
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module(folder).__path__)]
    modules = {name: importlib.import_module(f"{folder}.{name}") for name in names}
    return {name: getattr(module, constant) for name, module in modules.items() if hasattr(module, constant)}


def papers() -> dict[str, Any]:
    """Return the papers' experiments, of whatever kind, by slug."""
    return find_all(PAPERS, "EXPERIMENT")


def comparisons() -> dict[str, Experiment]:
    """Return the experiments in which contenders train one model; in the others an optimizer is learned."""
    return {slug: experiment for slug, experiment in papers().items() if isinstance(experiment, Experiment)}


def tasks() -> dict[str, Task]:
    """Return the tasks on which methods are compared, by slug."""
    return find_all(TASKS, "TASK")


def paper(slug: str) -> Any:
    """Return one experiment, or say which slug is nearest."""
    return choose(slug, papers(), "experiment")


def task(slug: str) -> Task:
    """Return one task, or say which slug is nearest."""
    return choose(slug, tasks(), "task")


def choose(slug: str, known: dict[str, Any], noun: str) -> Any:
    """Return the entry of a slug, or say which slug is nearest."""
    if slug not in known:
        raise InputError(f"There is no {noun} {slug!r}; {nearest(slug, known)}.")
    return known[slug]
