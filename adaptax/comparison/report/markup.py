"""Sections of text and tables, and how they are written down: Markdown, HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Cell(NamedTuple):
    """What stands in a table, and how it is to be seen."""

    text: str
    kind: str = ""  # "best", "better", "worse" or nothing


class Table(NamedTuple):
    """Columns by name; the first one names the row; what stands in the others are figures, or words."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    of_words: bool = False


class Section(NamedTuple):
    """A title, or none, paragraphs, a table; `task` is the slug that its pictures are of."""

    title: str
    paragraphs: Sequence[str]
    table: Table | None = None
    task: str | None = None


def to_markdown(sections: Iterable[Section], *, level: int = 2) -> str:
    """Write sections as Markdown, the first one's title on top, the others' on a level; the best cells are bold."""
    parts = []
    for number, section in enumerate(sections):
        if section.title:
            parts.append(f"{'#' * (level if number else 1)} {section.title}")
        parts += section.paragraphs
        if section.table is not None:
            lines = [section.table.header, ["---"] * len(section.table.header)]
            lines += [[_bold(cell) for cell in row] for row in section.table.rows]
            parts.append("\n".join(f"| {' | '.join(map(_in_cell, line))} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _in_cell(text: str) -> str:
    return text.replace("|", r"\|")  # a bar would begin the next cell


def _bold(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.kind == "best" else cell.text


def to_html_table(table: Table) -> str:
    """Write a table that can be pushed sideways on a narrow screen; its first column stays."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.header)
    body = "".join(
        "<tr>" + "".join(f'<td class="{cell.kind}">{html.escape(cell.text)}</td>' for cell in row) + "</tr>"
        for row in table.rows
    )
    kind = ' class="words"' if table.of_words else ""
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
