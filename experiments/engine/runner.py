"""Run an experiment of either kind and show its progress; write record, table and figure to a folder.

The class of an experiment names its kind, a module that is imported on demand and has these functions:

Options            the plain values of an experiment, which the command line may change
place              its devices, from a slug, an experiment and a mesh, or an error
checkpoint_bytes   how large its checkpoints are
work               its rows and other results, from a `Job`
sections           its table, from a record
draw               its figure, from a record into a file
"""

import contextlib
import importlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import rich.box
import rich.console
import rich.table
from rich.console import Console
from rich.text import Text

from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.files import alone_in
from adaptax.comparison.processes import from_main, is_main, together
from adaptax.comparison.report.markup import Section, to_markdown
from experiments.engine import feeds, records
from experiments.engine.checkpoints import Checkpoints, check_room
from experiments.engine.feeds import Sets
from experiments.engine.placement import Placement
from experiments.engine.rows import Row

ONLY_IN_MARKDOWN = ("train loss", "test error at")  # a terminal is narrow


class Job(NamedTuple):
    """The input of a kind's `work`."""

    slug: str
    experiment: Any
    sets: Sets  # the data, by trial
    checkpoints: Checkpoints
    placement: Placement
    console: Console


class Done(NamedTuple):
    """What came of it."""

    rows: list[Row]
    meta: dict[str, Any]  # facts for meta.json besides machine and time
    save: Callable[[Path], None] = lambda folder: None  # writes other files to the folder


def perform(
    slug: str,
    experiment: Any,
    results: Path,
    console: Console,
    data: Path | None = None,
    resume: bool = False,
    mesh: str | None = None,
) -> Path:
    """Run, record, and make table and figure from the record; return its folder.

    An older record in the folder stays until the new one is complete. With several processes, the first one writes and
    shows progress.
    """
    folder, kind = results / slug, kind_of(experiment)
    placement = kind.place(slug, experiment, mesh)
    with contextlib.ExitStack() as held, together():
        from_main(lambda: _prepare(held, folder, kind.checkpoint_bytes(experiment)))
        start = time.monotonic()
        sets = feeds.load_sets(experiment, data)
        environment, checksums = describe_environment(), feeds.checksums(sets)
        checkpoints = Checkpoints(folder / "checkpoints", placement)
        # These must be the same when a run is resumed: otherwise its two parts would not fit.
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
            "resumed": went_on,  # the seconds of a resumed run are those of its last part
            **done.meta,
        }
        if is_main():
            try:
                records.write(folder, experiment, meta, done.rows)
                done.save(folder)
                write_table(experiment, folder)
                write_figure(experiment, folder)
            except OSError as error:
                reason = f"could not be written into {str(folder)!r} ({error.strerror})"
                raise InputError(f"The record {reason}; --resume only writes it.") from error
        checkpoints.remove()
    return folder


def _prepare(held: contextlib.ExitStack, folder: Path, checkpoint_bytes: int) -> bool:
    """Lock the folder for this run, and check that the disk has room."""
    held.enter_context(alone_in(folder))
    check_room(folder, checkpoint_bytes)
    return True


def kind_of(experiment: Any) -> Any:
    """Import the kind of an experiment."""
    return importlib.import_module(experiment.KIND)


def sections_of(experiment: Any, folder: Path) -> list[Section]:
    """Return the sections of the record in a folder."""
    return kind_of(experiment).sections(records.read(folder))


def write_table(experiment: Any, folder: Path) -> None:
    """Make table.md from the record beside it."""
    (folder / "table.md").write_text(to_markdown(sections_of(experiment, folder)), encoding="utf-8")


def write_figure(experiment: Any, folder: Path) -> Path:
    """Make figure.png from the record beside it."""
    path = folder / "figure.png"
    kind_of(experiment).draw(records.read(folder), path)
    return path


def to_terminal(sections: list[Section]) -> rich.console.Group:
    """Lay sections out for a terminal, with the columns that fit; the explanation comes last."""
    opening, *others = sections
    tables = []
    for section in others:
        shown = [not name.startswith(ONLY_IN_MARKDOWN) for name in section.table.header]
        header = itertools.compress(section.table.header, shown)
        table = rich.table.Table(*header, title=section.title, title_justify="left", box=rich.box.SIMPLE_HEAD)
        for row in section.table.rows:
            table.add_row(*(Text(cell.text) for cell in itertools.compress(row, shown)))
        tables.append(table)
    return rich.console.Group(f"[bold]{opening.title}[/bold]", *tables, *opening.paragraphs)
