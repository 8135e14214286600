"""Before anything is computed: is there room for what a run writes?"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import jax

from adaptax.comparison.errors import InputError
from experiments.engine.experiment import Experiment
from experiments.engine.programs import Programs

SPARE_BYTES = 50_000_000  # for record, table, figure and what the file system wants for itself


def check_room(folder: Path, checkpoints: int) -> None:
    """Refuse to begin what the disk cannot hold: all checkpoints, of so many bytes, twice, the old and the new ones."""
    needed = 2 * checkpoints + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"The run may need {math.ceil(needed / 1e6)} MB in {str(folder)!r}, where {math.floor(free / 1e6)} MB are "
            "free."
        )


def checkpoint_bytes(experiment: Experiment) -> int:
    """Count params and optimizer states of all contenders and seeds, without computing any."""
    programs = Programs(experiment)
    params = jax.eval_shape(programs.net.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((experiment.seeds, *leaf.shape), leaf.dtype), params)
    contenders = [method for trial in experiment.trials.values() for method in trial.contenders.values()]
    trees = [(params, jax.eval_shape(programs.of(method).init, params)) for method in contenders]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(trees))
