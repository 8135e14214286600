"""Tasks on which methods are compared, one file each: a module that defines TASK is one, its slug the file's name."""

from __future__ import annotations

import importlib
import pkgutil

from experiments.engine.experiment import InputError
from experiments.engine.registry import nearest
from experiments.sweep.task import Task


def find_all() -> dict[str, Task]:
    """Return every task by slug."""
    modules = {m.name: importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)}
    return {slug: module.TASK for slug, module in modules.items() if hasattr(module, "TASK")}


def find(slug: str) -> Task:
    """Return one task, or say which slug is nearest."""
    known = find_all()
    if slug not in known:
        raise InputError(f"There is no task {slug!r}; {nearest(slug, known)}.")
    return known[slug]
