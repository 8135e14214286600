"""The report as one HTML page: its style, tables and pictures inside, nothing from elsewhere, no script."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from adaptax.comparison.report import pictures
from adaptax.comparison.report.markup import Section, to_html_table
from adaptax.comparison.results import TaskRecord

STYLE = """
:root { color-scheme: light; --line: #d7dde4; --soft: #f4f6f8; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1c2733; }
h1 { line-height: 1.2; } h2 { margin-top: 2.2rem; border-top: 1px solid var(--line); padding-top: 1rem; }
.wide { overflow-x: auto; margin: 1rem 0; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: .85rem; white-space: nowrap; width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th { white-space: normal; min-width: 5.5rem; vertical-align: bottom; background: var(--soft); }
th:first-child, td:first-child { position: sticky; left: 0; text-align: left; background: #fff; }
th:first-child { background: var(--soft); }
.words th, .words td { text-align: left; } .words td + td { white-space: normal; min-width: 11rem; }
td.best { font-weight: 700; background: #fff4d6; } td.better { background: #dff3e4; } td.worse { background: #fbe3e0; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: .8rem; }
.pictures text { font-family: system-ui, sans-serif !important; }
.pictures svg { width: 100%; height: auto; border: 1px solid var(--line); border-radius: 6px; background: #fff; }
nav a { display: inline-block; margin: 0 .8rem .3rem 0; }
summary { cursor: pointer; padding: .4rem 0; color: #0b5a94; }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style>
</head>
<body>{body}</body>
</html>
"""


def to_html(sections: Iterable[Section], records: Sequence[TaskRecord]) -> str:
    """Write the page."""
    by_slug = {record.slug: record for record in records}
    titles, parts = [], []
    for number, section in enumerate(sections):
        titles.append(section.title)
        parts.append(_to_html(number, section, records, by_slug))
    links = "".join(f'<a href="#{number}">{html.escape(title)}</a>' for number, title in enumerate(titles) if number)
    opening, *others = parts
    body = "".join([opening, f"<nav>{links}</nav>", *others])
    return PAGE.format(title=html.escape(titles[0]), style=STYLE, body=body)


def _to_html(number: int, section: Section, records: Sequence[TaskRecord], by_slug: dict[str, TaskRecord]) -> str:
    level = 1 if number == 0 else 2
    parts = [f'<h{level} id="{number}">{html.escape(section.title)}</h{level}>']
    parts += [f"<p>{_emphasized(text)}</p>" for text in section.paragraphs]
    if section.table is not None:
        parts.append(to_html_table(section.table))
    if section.title == "Leaderboard":
        parts.append(_pictures("Performance profiles", pictures.profile(records)))
    if section.task is not None:
        parts.append(_pictures("Curves", pictures.of_task(by_slug[section.task])))
    return "".join(parts)


def _pictures(title: str, drawn: Sequence[str]) -> str:
    return f'<details open><summary>{title}</summary><div class="pictures">{"".join(drawn)}</div></details>'


def _emphasized(text: str) -> str:
    """Write *this* in italics."""
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", html.escape(text))
