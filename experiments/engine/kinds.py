"""What is done with an experiment is said by its kind: a module that its class names, imported when it is asked for.

Options            the plain values of an experiment, which the command line may change
place              its devices, from a slug, an experiment and a mesh, or why it has none
checkpoint_bytes   how large its checkpoints are
work               its rows, and what else is kept, from a `runner.Job`
sections           what its table says, from a record
draw               its figure, from a record into a file
"""

import importlib
import itertools
from pathlib import Path
from typing import Any

import rich.box
import rich.console
import rich.table
from rich.text import Text

from adaptax.comparison.report.markup import Section, to_markdown
from experiments.engine import records

ONLY_IN_MARKDOWN = ("train loss", "test error at")  # a terminal is narrow


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
