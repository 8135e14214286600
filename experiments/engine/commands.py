"""The commands that run the papers' experiments and make tables, figures and the evidence page of their records.

`multistart` trains many starts of a task to the end, and tells what the best of k is worth: record, table and picture.
"""

import dataclasses
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import tyro
from rich.console import Console
from rich.markdown import Markdown

from adaptax.comparison import contenders, record
from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.program import Programs
from adaptax.comparison.progress import bars
from adaptax.comparison.report.starts import render
from adaptax.comparison.starts import rungs
from adaptax.comparison.task import Task, config_of, load
from adaptax.comparison.train import Field, train
from experiments.engine import claims, feeds, finder, runner
from experiments.engine.loop import count_steps
from experiments.engine.places import DOCS, RECORDS, RESULTS
from experiments.engine.runner import sections_of, to_terminal, write_figure, write_table
from experiments.tasks import surfaces
from experiments.tasks.surfaces import SURFACES

# So few that the whole demo stays under a minute on two CPU cores; the committed records have 10 seeds.
DEMO_SEEDS = 3
DEMO_STEPS = 10_000  # of all contenders of an experiment

Slug = tyro.conf.Positional[str]
HALVINGS = 3


def list_() -> None:
    """List the experiments by slug."""
    for slug, experiment in finder.papers().items():
        print(f"{slug}: {experiment.title}")


def refresh(slug: Slug, data: Path | None = None, resume: bool = False, mesh: str | None = None) -> None:
    """Run one experiment as it is registered and replace its committed record.

    Args:
        slug: The experiment.
        data: Where data sets lie that are files, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax.
        resume: Go on with what an interrupted run left.
        mesh: Over how many devices batches and weights are divided, for example data=4,model=2.
    """
    perform(slug, finder.paper(slug), RECORDS, data, resume, mesh, overwrite=True)


def perform(
    slug: str,
    experiment: Any,
    out: Path,
    data: Path | None = None,
    resume: bool = False,
    mesh: str | None = None,
    overwrite: bool = False,
) -> None:
    """Run, and print the table; a record that was made with other settings stays, unless it may be overwritten."""
    if not overwrite:
        record.check_same_settings(out / slug, describe(experiment))
    console = Console()
    folder = runner.perform(slug, experiment, out, console, data, resume, mesh)
    if jax.process_index() == 0:
        console.print(to_terminal(sections_of(experiment, folder)))


def table(slug: Slug, out: Path = RECORDS) -> None:
    """Make OUT/SLUG/table.md again from the record, and print the table."""
    experiment = finder.paper(slug)
    write_table(experiment, out / slug)
    Console().print(to_terminal(sections_of(experiment, out / slug)))


def figure(slug: Slug, out: Path = RECORDS) -> None:
    """Make OUT/SLUG/figure.png again from the record."""
    print(write_figure(finder.paper(slug), out / slug))


def evidence(out: Path = DOCS / "evidence.md", results: Path = RECORDS) -> None:
    """Make the evidence page again from the committed records: each published claim and its verdict."""
    out.write_text(claims.page(results), encoding="utf-8")
    print(out)


def calibrate(slug: Slug, seeds: int = 3, out: Path = RESULTS) -> None:
    """Print how an experiment's free settings were chosen, on its baselines alone."""
    calibration = finder.choose(slug, finder.find_all(finder.PAPERS, "CALIBRATION"), "calibration")
    lines = []
    for line in calibration(seeds):
        print(line, flush=True)
        lines.append(line + "\n")
    (out / slug).mkdir(parents=True, exist_ok=True)
    (out / slug / "calibration.md").write_text("".join(lines), encoding="utf-8")


def demo(seeds: int = DEMO_SEEDS, out: Path = RESULTS / "demo") -> None:
    """Run the short experiments that need no files on a few seeds, in under a minute: tables here, pictures in OUT."""
    start = time.monotonic()
    for slug, experiment in finder.comparisons().items():
        if not feeds.reads_files(experiment) and count_steps(experiment) <= DEMO_STEPS:
            few = dataclasses.replace(experiment, seeds=min(seeds, experiment.seeds))
            perform(slug, few, out, resume=True, overwrite=True)
            print(f"Picture: {out / slug / 'figure.png'}\n")
    print(f"Done in {time.monotonic() - start:.0f} s.")


def multistart(
    slug: tyro.conf.Positional[str],
    method: str = "adam",
    rate: float = 0.01,
    starts: int = 256,
    out: Path = RESULTS,
    data: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Train many starts and tell what the best of 1, 4, 16 and 64 is worth; record in OUT/multistart/SLUG.

    Args:
        slug: A task, or one of article 003's surfaces.
        method: One of those that `python -m experiments tasks` lists.
        rate: The learning rate.
        starts: How many initializations.
        out: Where the record goes.
        data: Where data sets lie that are files, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax.
        overwrite: Replace a record that was made with other settings.
    """
    if starts < 2:
        raise InputError(f"starts must be at least 2, to choose from, got {starts}.")
    task, folder = task_or_surface(slug), out / "multistart" / slug
    contender = contenders.choose([method])[method]
    config = {
        "task": config_of(task),
        "method": method,
        "contender": describe(contender),
        "rate": rate,
        "starts": starts,
        "rungs": [step // task.evaluate_every for step in rungs(task, HALVINGS)],  # in evaluations
    }
    if not overwrite:
        record.check_same_settings(folder, config)
    field = Field(Programs(task, task.layout_on_cpu), load(task, data))
    program = field.programs.of(contender)
    with bars(Console()) as progress:
        tick = partial(progress.advance, progress.add_task(slug, total=starts * task.steps))
        curves, _ = train(field, program, [rate], range(starts), reads_test=True, tick=tick)
    record.write(folder, config, describe_environment(), {"starts": [curve._asdict() for curve in curves]})
    render(folder)
    Console().print(Markdown((folder / "table.md").read_text(encoding="utf-8")), f"Picture: {folder / 'figure.png'}")


def task_or_surface(slug: str) -> Task:
    """Return a task, or a surface as one."""
    return surfaces.task(slug) if slug in SURFACES else finder.task(slug)
