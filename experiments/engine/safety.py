"""Before anything is computed: may we write here, is there room, and is nobody else at it?"""

from __future__ import annotations

import contextlib
import fcntl
import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax

from experiments.engine.experiment import Experiment, InputError
from experiments.engine.programs import Programs

SPARE_BYTES = 50_000_000  # for record, table, figure and what the file system wants for itself
LOCK = ".lock"  # stays behind, empty: to remove it could let two runs in


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder and hold it for ourselves; the kernel frees it, whatever ends the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        raise InputError(f"The folder {str(folder)!r} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"Another run is writing into {str(folder)!r}.") from error
        yield


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
