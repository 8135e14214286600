"""Train many starts of a task to the end, and tell what the best of k is worth: record, table and picture."""

from pathlib import Path

import tyro
from rich.console import Console
from rich.markdown import Markdown

from adaptax.comparison import methods as known_methods
from adaptax.comparison import record
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.program import Programs
from adaptax.comparison.progress import bars
from adaptax.comparison.report.starts import render
from adaptax.comparison.results import from_curve
from adaptax.comparison.starts import rungs
from adaptax.comparison.task import Task, config_of, load
from adaptax.comparison.train import Evaluation, train
from adaptax.comparison.trials import at_rates
from experiments.engine import finder
from experiments.engine.places import RESULTS
from experiments.tasks import heights
from experiments.tasks.surfaces import SURFACES

HALVINGS = 3


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
    task, folder = find(slug), out / "multistart" / slug
    contender = known_methods.choose([method])[method]
    config = {
        "task": config_of(task),
        "method": method,
        "contender": known_methods.describe_method(contender),
        "rate": rate,
        "starts": starts,
        "rungs": [step // task.evaluate_every for step in rungs(task, HALVINGS)],  # in evaluations
    }
    if not overwrite:
        record.check_same_settings(folder, config)
    field = Field(Programs(task, task.layout_on_cpu), load(task, data))
    program = field.programs.of(contender)
    with bars(Console()) as progress:
        bar = progress.add_task(slug, total=starts * task.steps)

        def tick(evaluation: Evaluation) -> None:
            progress.advance(bar, evaluation.member_steps)

        curves, _ = train(field, program, at_rates([rate]), range(starts), reads_test=True, tick=tick)
    record.write(folder, config, describe_environment(), {"starts": list(map(from_curve, curves))})
    render(folder)
    Console().print(Markdown((folder / "table.md").read_text(encoding="utf-8")), f"Picture: {folder / 'figure.png'}")


def find(slug: str) -> Task:
    """Return a task, or a surface as one."""
    return heights.task(slug) if slug in SURFACES else finder.task(slug)
