"""The commands that run the papers' experiments, and make tables, figures and the evidence page from the records."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from adaptax.comparison import record
from adaptax.comparison.describe import describe
from experiments.engine import claims, feeds, finder, runner
from experiments.engine.loop import count_steps
from experiments.engine.places import DOCS, RECORDS, RESULTS, Data, Mesh, Resume, Slug
from experiments.engine.runner import sections_of, to_terminal, write_figure, write_table

# With so few the whole demo takes less than a minute on two CPU cores; the committed records have 10 seeds.
DEMO_SEEDS = 3
DEMO_STEPS = 10_000  # of all contenders of an experiment


def list_() -> None:
    """List the experiments by slug."""
    for slug, experiment in finder.papers().items():
        print(f"{slug}: {experiment.title}")


def refresh(slug: Slug, data: Data = None, resume: Resume = False, mesh: Mesh = None) -> None:
    """Run one experiment as it is registered and replace its committed record."""
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
    """Run an experiment and print its table; only `overwrite` replaces a record made with other settings."""
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
    """Make the evidence page from the committed records: each published claim, its verdict, and the pictures."""
    for name, text in {out.name: claims.page(results), **claims.pictures(results)}.items():
        (out.parent / name).write_text(text, encoding="utf-8")
        print(out.parent / name)


def calibrate(slug: Slug, seeds: int = 3, out: Path = RESULTS) -> None:
    """Choose an experiment's free settings again, on its baselines alone, and print how."""
    calibration = finder.choose(slug, finder.find_all(finder.PAPERS, "CALIBRATION"), "calibration")
    lines = []
    for line in calibration(seeds):
        print(line, flush=True)
        lines.append(line + "\n")
    (out / slug).mkdir(parents=True, exist_ok=True)
    (out / slug / "calibration.md").write_text("".join(lines), encoding="utf-8")


def demo(seeds: int = DEMO_SEEDS, out: Path = RESULTS / "demo") -> None:
    """Run the short experiments that need no data files, with few seeds: print tables, write pictures to OUT."""
    start = time.monotonic()
    for slug, experiment in finder.comparisons().items():
        if not feeds.reads_files(experiment) and count_steps(experiment) <= DEMO_STEPS:
            few = dataclasses.replace(experiment, seeds=min(seeds, experiment.seeds))
            perform(slug, few, out, resume=True, overwrite=True)
            print(f"Picture: {out / slug / 'figure.png'}\n")
    print(f"Done in {time.monotonic() - start:.0f} s.")
