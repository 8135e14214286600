"""The tables of the record, made from it alone."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.bench.roofline.report import machine

Rows = Sequence[dict[str, Any]]


def write(folder: Path) -> None:
    """Make table.md again."""
    (folder / "table.md").write_text(to_markdown(*read(folder)), encoding="utf-8")


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read how the record came about, and its rows in the order of time."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return meta, [json.loads(line) for line in lines]


def to_markdown(meta: dict[str, Any], rows: Rows) -> str:
    """Write both tables; ratios of whole sweeps are taken round by round, between neighbors in time."""
    whole = [row for row in rows if row["kind"] == "whole"]
    seconds = {how: [row["seconds"] for row in whole if row["how"] == how] for how in dict.fromkeys(_hows(whole))}
    plain = next(iter(seconds.values()))
    lines = [["", "seconds", "times faster", "in single rounds"], ["---"] * 4]
    for how, of in seconds.items():
        ratios = sorted(slow / fast for slow, fast in zip(plain, of, strict=True))
        spread = f"{ratios[0]:.1f} to {ratios[-1]:.1f}"
        lines.append([how, f"{statistics.median(of):.1f}", f"{statistics.median(ratios):.1f}", spread])
    steps = [row for row in rows if row["kind"] == "step"]
    layouts = list(dict.fromkeys(_hows(steps)))
    by_task = [["task", *(f"{name}, µs (compile, s)" for name in layouts)], ["---"] * (1 + len(layouts))]
    for task in dict.fromkeys(row["task"] for row in steps):
        of = {row["how"]: row for row in steps if row["task"] == task}
        fastest = min(row["microseconds"] for row in of.values())
        cells = [(f"{of[name]['microseconds']:.0f} ({of[name]['compile']:.1f})", of[name]) for name in layouts]
        by_task.append([task, *(f"**{text}**" if row["microseconds"] == fastest else text for text, row in cells)])
    what = (
        f"{meta['rates']} rates × {meta['seeds']} seeds of `{meta['task']}` with {meta['method']}, {meta['steps']} "
        f"steps each, compiling included on both sides; medians of {meta['rounds']} rounds. {machine(meta)}; others "
        f"kept {meta['cores_of_others']} cores busy."
    )
    below = "Microseconds of one member's step by task and layout, the grid as in tuning:"
    return "\n\n".join([what, _table(lines), below, _table(by_task)]) + "\n"


def _hows(rows: Rows) -> list[str]:
    return [row["how"] for row in rows]


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
