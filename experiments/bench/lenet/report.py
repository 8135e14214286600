"""The record of the times, and its table, made from the record alone."""

import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from experiments.bench.roofline.report import machine

HEADINGS = ("", "ms/step", "fastest and slowest window", "times ours", "in single rounds", "loss of the first batch")


class Window(NamedTuple):
    """The time of one window."""

    round: int
    contender: str
    milliseconds: float  # per step


def read(folder: Path) -> tuple[dict[str, Any], list[Window]]:
    """Read a record: how it came about, and its windows in the order of time."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    lines = (folder / "windows.jsonl").read_text(encoding="utf-8").splitlines()
    return meta, [Window(**json.loads(line)) for line in lines]


def write(folder: Path, meta: dict[str, Any], windows: list[Window]) -> None:
    """Write the record, then the table from it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    lines = "".join(json.dumps(window._asdict()) + "\n" for window in windows)
    (folder / "windows.jsonl").write_text(lines, encoding="utf-8")
    (folder / "table.md").write_text(to_markdown(*read(folder)), encoding="utf-8")


def to_markdown(meta: dict[str, Any], windows: list[Window]) -> str:
    """Return a sentence on the conditions and a row per implementation; the first is ours."""
    times: dict[str, list[float]] = {}
    for window in windows:
        times.setdefault(window.contender, []).append(window.milliseconds)
    ours = next(iter(times.values()))
    lines = [HEADINGS, ["---"] * len(HEADINGS)]
    lines += [row(name, theirs, ours, meta["losses"][name]) for name, theirs in times.items()]
    return conditions(meta) + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def row(name: str, times: list[float], ours: list[float], losses: list[float]) -> list[str]:
    """Return the cells of one implementation; ratios are between neighbors in time, the windows of a round."""
    ratios = [theirs / own for theirs, own in zip(times, ours, strict=True)]
    return [
        name,
        f"{statistics.median(times):.2f}",
        f"{min(times):.2f} to {max(times):.2f}",
        f"{statistics.median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        " → ".join(f"{loss:.3f}" for loss in losses),
    ]


def conditions(meta: dict[str, Any]) -> str:
    """Say on what and how it was measured."""
    others = meta["cores_of_others"]
    busy = "" if others is None else f" Others kept {others} cores busy."
    return (
        f"Measured on {machine(meta)}; float32. Batch {meta['batch']}; medians of {meta['rounds']} rounds, in each a "
        f"window of {meta['steps']} steps of every implementation in turn.{busy} Losses: at the start, before the "
        "first window, after the last."
    )
