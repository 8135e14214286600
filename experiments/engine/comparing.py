"""The commands that compare methods: each function is a command, and its docstring is the help."""

from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.markdown import Markdown
from tyro.conf import Positional, arg

from adaptax.comparison import methods as known_methods
from adaptax.comparison import record
from adaptax.comparison import report as reports
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.program import Programs
from adaptax.comparison.progress import bars
from adaptax.comparison.protocol import Protocol, parse_grid
from adaptax.comparison.report.starts import render
from adaptax.comparison.results import from_curve
from adaptax.comparison.run import judge
from adaptax.comparison.starts import rungs
from adaptax.comparison.task import Layout, Task, config_of, load
from adaptax.comparison.train import Evaluation, train
from experiments.engine import finder
from experiments.engine.places import DOCS, RECORDS, RESULTS, Data, Out, Overwrite, Resume
from experiments.tasks import heights
from experiments.tasks.surfaces import SURFACES

SWEEPS = Path("comparison")
HELP_OF_LAYOUT = "How members are computed at once. None: vmap; on a CPU, what was fastest there."
OneTask = Annotated[Positional[str], arg(metavar="TASK")]
LayoutOption = Annotated[Layout | None, arg(help=HELP_OF_LAYOUT)]


def sweep(
    slug: OneTask,
    methods: str,
    rates: str = "1e-3:1:7",
    seeds: int | None = None,
    out: Out = SWEEPS,
    data: Data = None,
    layout: LayoutOption = None,
    resume: Resume = False,
) -> None:
    """Train each method at every learning rate with every seed, in one compiled program; write a report to OUT.

    Args:
        slug: A task that `python -m experiments tasks` lists.
        methods: Names of methods that `python -m experiments tasks` lists, separated by commas.
        rates: LOW:HIGH:N, a grid of N rates in equal ratios.
        seeds: How many seeds; None: the number that the task sets.
    """
    protocol = Protocol(rates=parse_grid(rates), tuning_seeds=seeds, extensions=0, only_tunes=True)
    _judge(slug, methods, protocol, out, data, layout=layout, resume=resume)


def compare(
    tasks: str = "",
    methods: str = "",
    rates: str = "1e-3:1:7",
    tuning_seeds: int | None = None,
    seeds: int = 10,
    out: Out = SWEEPS,
    data: Data = None,
    layout: LayoutOption = None,
    resume: Resume = False,
    observe: int | None = None,
) -> None:
    """Compare methods on tasks: choose rates on validation, run them with new seeds, write a report to OUT.

    Args:
        tasks: Names separated by commas; all if none is given, but for the five that wait for `confirm`.
        methods: Names separated by commas; all if none is given.
        rates: LOW:HIGH:N, the grid; it is extended if the best rate is at its edge.
        tuning_seeds: How many seeds each rate of the grid gets; None: the number that the task sets.
        seeds: How many new seeds the chosen rate gets.
        observe: A number of steps. Each chosen rate is trained once more with one seed, and every layer is observed
            at this interval.
    """
    protocol = Protocol(rates=parse_grid(rates), tuning_seeds=tuning_seeds, final_seeds=seeds)
    _judge(tasks, methods, protocol, out, data, layout=layout, resume=resume, observe_every=observe)


def _judge(slugs: str, methods: str, protocol: Protocol, out: Path, data: Path | None, **how: Any) -> None:
    known = [slug for slug in finder.tasks() if slug not in finder.HELD_OUT]
    chosen = {slug: finder.task(slug) for slug in _names(slugs) or known}
    console = Console()
    judge(chosen, known_methods.choose(_names(methods)), protocol, out, console, folder=data, **how)
    console.print(f"Report: {reports.write(out, out, console)}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def multistart(
    slug: OneTask,
    method: str = "adam",
    rate: float = 0.01,
    starts: int = 256,
    out: Out = RESULTS,
    data: Data = None,
    overwrite: Overwrite = False,
) -> None:
    """Train many starts and show the expected best of 1, 4, 16 and 64; the record is in OUT/multistart/SLUG.

    Args:
        slug: A task, or a surface of article 003.
        method: A method that `python -m experiments tasks` lists.
        rate: The learning rate.
        starts: How many initializations.
    """
    if starts < 2:
        raise InputError(f"starts must be at least 2, got {starts}.")
    task, folder = find(slug), out / "multistart" / slug
    contender = known_methods.choose([method])[method]
    config = {
        "task": config_of(task),
        "method": method,
        "contender": known_methods.describe_method(contender),
        "rate": rate,
        "starts": starts,
        "rungs": [step // task.evaluate_every for step in rungs(task, halvings=3)],  # in evaluations
    }
    if not overwrite:
        record.check_same_settings(folder, config)
    field = Field(Programs(task, task.layout_on_cpu), load(task, data))
    program = field.programs.of(contender)
    with bars(Console()) as progress:
        bar = progress.add_task(slug, total=starts * task.steps)

        def tick(evaluation: Evaluation) -> None:
            progress.advance(bar, evaluation.member_steps)

        curves, _ = train(field, program, program.at([rate]), range(starts), reads_test=True, tick=tick)
    record.write(folder, config, describe_environment(), {"starts": list(map(from_curve, curves))})
    render(folder)
    Console().print(Markdown((folder / "table.md").read_text(encoding="utf-8")), f"Picture: {folder / 'figure.png'}")


def find(slug: str) -> Task:
    """Return a task; a surface is made into one."""
    return heights.task(slug) if slug in SURFACES else finder.choose(slug, SURFACES | finder.tasks(), "task or surface")


def list_tasks() -> None:
    """List the tasks and the methods that can be compared on them."""
    for slug, task in finder.tasks().items():
        print(f"{slug}: {task.title}, {task.scored}")
    print("Methods:", ", ".join(known_methods.find_all()))


def report(out: Path = DOCS, results: Path = RECORDS / "compare") -> None:
    """Make the report of the committed comparison again: OUT/report.html and OUT/report.md."""
    print(reports.write(results, out, Console()))
