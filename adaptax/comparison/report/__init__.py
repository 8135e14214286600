"""The report of a comparison: one page that needs no other files, and the same text and tables in Markdown."""

from __future__ import annotations

from pathlib import Path

import rich.progress
from rich.console import Console

from adaptax.comparison import results
from adaptax.comparison.errors import InputError
from adaptax.comparison.report import page, tables
from adaptax.comparison.report.markup import to_markdown


def write(records: Path, out: Path, console: Console) -> Path:
    """Make OUT/report.md and OUT/report.html of the records; return the page."""
    tasks = results.read_all(records)
    if not tasks:
        raise InputError(f"There is no comparison in {str(records)!r}; run it first.")
    out.mkdir(parents=True, exist_ok=True)
    sections = tables.sections(tasks)
    (out / "report.md").write_text(to_markdown(sections), encoding="utf-8")
    drawing = rich.progress.track(sections, "pictures", transient=True, console=console)
    (out / "report.html").write_text(page.to_html(drawing), encoding="utf-8")
    return out / "report.html"
