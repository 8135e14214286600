"""Run an experiment of either kind while one watches; leave record, table and figure in a folder."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.files import alone_in
from experiments.engine import kinds, loading, records
from experiments.engine.checkpoints import Checkpoints, check_room
from experiments.engine.loading import Sets
from experiments.engine.placement import Placement
from experiments.engine.processes import together
from experiments.engine.rows import Row


class Job(NamedTuple):
    """What a kind gets to work on."""

    slug: str
    experiment: Any
    sets: Sets  # the data, by trial
    checkpoints: Checkpoints
    placement: Placement
    console: Console


class Done(NamedTuple):
    """What came of it."""

    rows: list[Row]
    meta: dict[str, Any]  # what is worth knowing besides where it was done, and for how long
    save: Callable[[Path], None] = lambda folder: None  # leaves what else belongs into the folder


def perform(
    slug: str,
    experiment: Any,
    results: Path,
    console: Console,
    data: Path | None = None,
    resume: bool = False,
    mesh: str | None = None,
) -> Path:
    """Run, record, and make table and figure of the record; return its folder.

    Until the new record is complete, an older one in the folder stays as it is. Of several processes the first one
    writes, and shows progress.
    """
    folder, kind = results / slug, kinds.kind_of(experiment)
    placement = kind.place(slug, experiment, mesh)
    with contextlib.ExitStack() as held, together():
        placement.ask(lambda: _prepare(held, folder, kind.checkpoint_bytes(experiment)))
        start = time.monotonic()
        sets = loading.load(experiment, data)
        environment, checksums = describe_environment(), loading.checksums(sets)
        checkpoints = Checkpoints(folder / "checkpoints", placement)
        # What must still be the same for a run to go on: else its second half would not fit its first.
        begun = {"experiment": describe(experiment), "data": checksums, "versions": environment["versions"]}
        went_on = checkpoints.begin(begun, resume)
        try:
            done = kind.work(Job(slug, experiment, sets, checkpoints, placement, console))
        finally:
            checkpoints.close()
        meta = {
            **environment,
            "data_sha256": checksums,
            "wall_seconds": round(time.monotonic() - start, 1),
            "resumed": went_on,  # then the seconds are those of the last part
            **done.meta,
        }
        if placement.is_main:
            _write(folder, experiment, meta, done)
        checkpoints.remove()
    return folder


def _prepare(held: contextlib.ExitStack, folder: Path, checkpoint_bytes: int) -> bool:
    """Have the folder for this run alone, until all is done, and room in it."""
    held.enter_context(alone_in(folder))
    check_room(folder, checkpoint_bytes)
    return True


def _write(folder: Path, experiment: Any, meta: dict[str, Any], done: Done) -> None:
    try:
        records.write(folder, experiment, meta, done.rows)
        done.save(folder)
        kinds.write_table(experiment, folder)
        kinds.write_figure(experiment, folder)
    except OSError as error:
        raise InputError(
            f"The record could not be written into {str(folder)!r} ({error.strerror}); --resume only writes it."
        ) from error
