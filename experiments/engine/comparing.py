"""The commands that compare methods; each function is one, its docstring the help."""

from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from adaptax.comparison import methods as known_methods
from adaptax.comparison import report as reports
from adaptax.comparison.protocol import Protocol, parse_grid
from adaptax.comparison.run import judge
from adaptax.comparison.task import Layout
from experiments.engine import finder
from experiments.engine.places import DOCS, RECORDS

SWEEPS = Path("comparison")


def sweep(
    slug: tyro.conf.Positional[str],
    methods: str,
    rates: str = "1e-3:1:7",
    seeds: int | None = None,
    out: Path = SWEEPS,
    data: Path | None = None,
    layout: Layout | None = None,
    resume: bool = False,
) -> None:
    """Train every learning rate with every seed, of each method in one compiled program; a report is in OUT.

    Args:
        slug: A task, one of those that `python -m experiments tasks` lists.
        methods: Names with commas between them, of those that `python -m experiments tasks` lists.
        rates: LOW:HIGH:N, a grid in equal ratios.
        seeds: How many; otherwise the task says.
        out: Where records and report go.
        data: Where data sets lie that are files, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax.
        layout: How members are computed at once; otherwise vmap, and on a CPU what was fastest there.
        resume: Go on with what an interrupted sweep left.
    """
    protocol = Protocol(rates=parse_grid(rates), tuning_seeds=seeds, extensions=0, only_tunes=True)
    _judge(slug, methods, protocol, out, data, layout=layout, resume=resume)


def compare(
    tasks: str = "",
    methods: str = "",
    rates: str = "1e-3:1:7",
    tuning_seeds: int | None = None,
    seeds: int = 10,
    out: Path = SWEEPS,
    data: Path | None = None,
    layout: Layout | None = None,
    resume: bool = False,
    observe: int | None = None,
) -> None:
    """Judge methods on tasks: rates chosen on validation, then run with new seeds; a report is in OUT.

    Args:
        tasks: Names with commas between them; all by default.
        methods: Names with commas between them; all by default.
        rates: LOW:HIGH:N, the grid, extended where the best rate is at its edge.
        tuning_seeds: How many seeds each rate of the grid gets; otherwise the task says.
        seeds: How many new seeds the chosen rate gets.
        out: Where records and report go.
        data: Where data sets lie that are files, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax.
        layout: How members are computed at once; otherwise vmap, and on a CPU what was fastest there.
        resume: Go on with what an interrupted comparison left.
        observe: Train each chosen rate once more with one seed, and look at every layer every so many steps.
    """
    protocol = Protocol(rates=parse_grid(rates), tuning_seeds=tuning_seeds, final_seeds=seeds)
    _judge(tasks, methods, protocol, out, data, layout=layout, resume=resume, observe_every=observe)


def _judge(slugs: str, methods: str, protocol: Protocol, out: Path, data: Path | None, **how: Any) -> None:
    chosen = {slug: finder.task(slug) for slug in _names(slugs) or finder.tasks()}
    console = Console()
    judge(chosen, known_methods.choose(_names(methods)), protocol, out, console, folder=data, **how)
    console.print(f"Report: {reports.write(out, out, console)}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def list_tasks() -> None:
    """List the tasks and the methods that can be compared on them."""
    for slug, task in finder.tasks().items():
        print(f"{slug}: {task.title}, {task.scored}")
    print("Methods:", ", ".join(known_methods.find_all()))


def report(out: Path = DOCS, results: Path = RECORDS / "compare") -> None:
    """Make the report of the committed comparison again: OUT/report.html and OUT/report.md."""
    print(reports.write(results, out, Console()))
