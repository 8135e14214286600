"""Sections of text, pictures and tables, and their Markdown; `page` writes them as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Cell(NamedTuple):
    """The text of a table's cell, and how it is shown."""

    text: str
    kind: str = ""  # "best", "better", "worse", "lost" or nothing; all but "lost" are bold among figures


class Table(NamedTuple):
    """Columns by name; the first one names the row, the others have figures, or words."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    of_words: bool = False


class Section(NamedTuple):
    """A title, or none; then, in this order, paragraphs, pictures and caption, a table, notes, and sections within."""

    title: str
    paragraphs: Sequence[str] = ()
    table: Table | None = None
    notes: Sequence[str] = ()
    pictures: Callable[[], Sequence[str]] | None = None  # SVG, drawn when a page wants it
    caption: str = ""  # of the pictures
    parts: Sequence[Section] = ()
    is_folded: bool = False  # on a page, where the reader opens it


def to_markdown(sections: Iterable[Section], *, level: int = 2) -> str:
    """Write sections as Markdown: the first title has level 1, the others `level`."""
    parts = []
    for number, section in enumerate(sections):
        parts += _blocks(section, level if number else 1, level)
    return "\n\n".join(parts) + "\n"


def _blocks(section: Section, own: int, below: int) -> list[str]:
    if section.pictures and not (section.paragraphs or section.table or section.notes or section.parts):
        return []  # Markdown has none
    blocks = [f"{'#' * own} {section.title}"] if section.title else []
    blocks += section.paragraphs
    if section.table is not None:
        lines = [section.table.header, ["---"] * len(section.table.header)]
        lines += [[_text(cell, section.table.of_words) for cell in row] for row in section.table.rows]
        blocks.append("\n".join(f"| {' | '.join(map(_in_cell, line))} |" for line in lines))
    blocks += section.notes
    for part in section.parts:
        blocks += _blocks(part, max(own + 1, below), below)
    return blocks


def _in_cell(text: str) -> str:
    return text.replace("|", r"\|")  # a bar would begin the next cell


def _text(cell: Cell, is_words: bool) -> str:
    return f"**{cell.text}**" if cell.kind in ("best", "better", "worse") and not is_words else cell.text
