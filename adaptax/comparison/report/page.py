"""The report as one HTML page: style, tables and pictures are inside, it loads nothing and has no script."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from adaptax.comparison.report.markup import Section, Table

STYLE = """
:root { color-scheme: light; --line: #d7dde4; --soft: #f4f6f8; --blue: #0b5a94; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1c2733; }
h1 { line-height: 1.2; margin: .5rem 0 1rem; }
h1, p, figcaption { overflow-wrap: anywhere; }
body > p, details > p, figcaption { max-width: 52rem; }
body > h1 + p { font-size: 1.2rem; line-height: 1.45; }
code { font: .88em ui-monospace, monospace; background: var(--soft); padding: .1em .25em; border-radius: 3px; }
figure { margin: 1rem 0; } figcaption, .note { color: #4a5765; font-size: .88rem; }
svg { display: block; width: 100%; height: auto; background: #fff; }
svg text { font-family: system-ui, sans-serif !important; }
.one { max-width: 34rem; }
.many { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem; }
.many svg { border: 1px solid var(--line); border-radius: 6px; }
.wide { overflow-x: auto; margin: 1rem 0 .5rem; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: .85rem; white-space: nowrap; width: 100%; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid var(--line); }
tr:last-child > td { border-bottom: 0; }
th { white-space: normal; min-width: 4.5rem; vertical-align: bottom; background: var(--soft); }
th:first-child, td:first-child { position: sticky; left: 0; text-align: left; background: #fff; }
td:first-child { white-space: normal; min-width: 7.5rem; }
th:first-child { background: var(--soft); }
.words th, .words td { text-align: left; vertical-align: top; }
.words td + td { white-space: normal; min-width: 11rem; }
td.best, td.better, td.worse { font-weight: 700; } .words td { font-weight: 400; }
td.best { background: #fff4d6; } td.better { background: #dff3e4; } td.worse, td.lost { background: #fbe3e0; }
details { border-top: 1px solid var(--line); }
details:last-of-type { border-bottom: 1px solid var(--line); }
details details { margin-left: 1rem; }
summary { cursor: pointer; padding: .55rem 0; color: var(--blue); }
summary h2, summary h3 { display: inline; font-size: 1.05rem; font-weight: 600; }
summary h3 { font-size: 1rem; }
details[open] { padding-bottom: 1rem; }
@media (max-width: 40rem) {
  body { font-size: 15px; padding: .8rem; } h1 { font-size: 1.5rem; } body > h1 + p { font-size: 1.05rem; }
  th, td { padding: .3rem .4rem; } th { min-width: 3.5rem; }
  details details { margin-left: .5rem; }
}
@media print {
  @page { margin: 1.5cm; }
  body { max-width: none; padding: 0; font-size: 10pt; } body > h1 + p { font-size: 12pt; }
  details:not([open]) { display: none; } details, summary { border: 0; }
  .wide { overflow: visible; border: 0; } table { font-size: 7.5pt; white-space: normal; }
  th, td { padding: .15rem .3rem; min-width: 0 !important; position: static !important; }
  td, svg, code { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, figure, svg { break-inside: avoid; } thead { display: table-header-group; } .one { max-width: 14cm; }
}
"""
NAMES = r"((?<=\w)\(|, |\.(?=[a-z]))"  # after these a name may be broken
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style>
</head>
<body>{body}</body>
</html>
"""


def to_html(sections: Iterable[Section]) -> str:
    """Write the page: the first section is open, the folded ones wait for the reader."""
    titles, parts = [], []
    for number, section in enumerate(sections):
        titles.append(section.title)
        parts.append(_to_html(section, 2 if number else 1))
    return PAGE.format(title=html.escape(titles[0]), style=STYLE, body="".join(parts))


def _to_html(section: Section, level: int) -> str:
    heading = f"<h{level}>{html.escape(section.title)}</h{level}>"
    parts = [f"<p>{_emphasized(text)}</p>" for text in section.paragraphs]
    if section.pictures is not None:
        parts.append(_figure(section.pictures(), section.caption))
    if section.table is not None:
        parts.append(to_html_table(section.table))
    parts += [f'<p class="note">{_emphasized(text)}</p>' for text in section.notes]
    parts += [_to_html(part, max(level + 1, 2)) for part in section.parts]
    body = "".join(parts)
    return f"<details><summary>{heading}</summary>{body}</details>" if section.is_folded else heading + body


def _figure(drawn: Iterable[str], caption: str) -> str:
    drawn = list(drawn)
    below = f"<figcaption>{_emphasized(caption)}</figcaption>" if caption else ""
    return f'<figure><div class="{"one" if len(drawn) == 1 else "many"}">{"".join(drawn)}</div>{below}</figure>'


def to_html_table(table: Table) -> str:
    """Write a table that scrolls sideways on a narrow screen; its first column stays, and wraps."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.header)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{cell.kind}">{_broken(cell.text, not k, table.of_words)}</td>' for k, cell in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    kind = ' class="words"' if table.of_words else ""
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _broken(text: str, is_first: bool, is_words: bool) -> str:
    """Allow line breaks: in names where a programmer would break them, in other cells between list items."""
    if is_words and not is_first:
        return re.sub(NAMES, r"\1<wbr>", html.escape(text)).replace("; ", "; <br>")
    return re.sub(NAMES if is_first else "(, )", r"\1<wbr>", html.escape(text))


def _emphasized(text: str) -> str:
    """Write *this* in italics and `this` as code; code has no italics."""
    apart = re.split(r"`([^`]*)`", text)
    return "".join(
        f"<code>{html.escape(part)}</code>" if number % 2 else re.sub(r"\*([^*]+)\*", r"<em>\1</em>", html.escape(part))
        for number, part in enumerate(apart)
    )
