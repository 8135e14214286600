"""Run an experiment of either kind while one watches; leave record, table and figure in a folder.

What is done with an experiment is said by its kind: a module that its class names, imported when it is asked for.

Options            the plain values of an experiment, which the command line may change
place              its devices, from a slug, an experiment and a mesh, or why it has none
checkpoint_bytes   how large its checkpoints are
work               its rows, and what else is kept, from a `Job`
sections           what its table says, from a record
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
    folder, kind = results / slug, kind_of(experiment)
    placement = kind.place(slug, experiment, mesh)
    with contextlib.ExitStack() as held, together():
        from_main(lambda: _prepare(held, folder, kind.checkpoint_bytes(experiment)))
        start = time.monotonic()
        sets = feeds.load_sets(experiment, data)
        environment, checksums = describe_environment(), feeds.checksums(sets)
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
    """Have the folder for this run alone, until all is done, and room in it."""
    held.enter_context(alone_in(folder))
    check_room(folder, checkpoint_bytes)
    return True


def kind_of(experiment: Any) -> Any:
    """Import the kind of an experiment."""
    return importlib.import_module(experiment.KIND)


def sections_of(experiment: Any, folder: Path) -> list[Section]:
    """Say what the record in a folder comes to."""
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
    """Lay sections out for a terminal, with the columns that fit; what explains them all comes last."""
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
