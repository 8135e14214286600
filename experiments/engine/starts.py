"""Train many starts of a task to the end, and write down what the best of k is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import rich.progress
from rich.console import Console
from rich.markdown import Markdown

from adaptax.comparison import contenders, record
from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.program import Programs
from adaptax.comparison.starts import rungs
from adaptax.comparison.task import Task, config_of, load
from adaptax.comparison.train import Field, train
from experiments.engine import finder
from experiments.engine import starts_report as report
from experiments.tasks import _surface as surface
from experiments.tasks.surfaces import SURFACES

RECORDS = Path(__file__).parents[1] / "results" / "multistart"  # the committed ones
HALVINGS = 3


def run(slug: str, method: str, rate: float, starts: int, out: Path, data: Path | None) -> None:
    """Train, and leave record, table and picture in OUT/multistart/SLUG."""
    if starts < 2:
        raise InputError(f"starts must be at least 2, to choose from, got {starts}.")
    task = find(slug)
    contender = contenders.choose([method])[method]
    field = Field(Programs(task, task.layout_on_cpu), load(task, data))
    with rich.progress.Progress() as progress:
        bar = progress.add_task(slug, total=starts * task.steps)
        curves, _ = train(
            field,
            field.programs.of(contender),
            [rate],
            range(starts),
            reads_test=True,
            tick=lambda steps: progress.advance(bar, steps),
        )
    config: dict[str, Any] = {
        "task": config_of(task),
        "method": method,
        "contender": describe(contender),
        "rate": rate,
        "starts": starts,
        "rungs": [step // task.evaluate_every for step in rungs(task, HALVINGS)],  # in evaluations
    }
    folder = out / "multistart" / slug
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"config": config, "meta": describe_environment()}.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = "".join(json.dumps(record.rounded(curve)._asdict()) + "\n" for curve in curves)
    (folder / "starts.jsonl").write_text(lines, encoding="utf-8")
    report.write(folder)
    Console().print(Markdown((folder / "table.md").read_text(encoding="utf-8")), f"Picture: {folder / 'figure.png'}")


def find(slug: str) -> Task:
    """Return a task, or a surface as one."""
    return surface.task(slug) if slug in SURFACES else finder.task(slug)
