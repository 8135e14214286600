"""Train many starts of a task to the end, and tell what the best of k is worth: record, table and picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import rich.progress
from rich.console import Console
from rich.markdown import Markdown

from adaptax.comparison import contenders, record
from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.gain import Gain, expected, expected_of_halving
from adaptax.comparison.program import Programs
from adaptax.comparison.report.pictures import COLORS
from adaptax.comparison.results import to_curve
from adaptax.comparison.starts import rungs
from adaptax.comparison.task import Task, config_of, load
from adaptax.comparison.train import Curve, Field, train
from experiments.engine import finder
from experiments.tasks import heights
from experiments.tasks.surfaces import SURFACES

HALVINGS = 3
TRIES = (1, 4, 16, 64)
WIDE = 10  # a range of scores by so much is drawn on a logarithmic axis


def run(slug: str, method: str, rate: float, starts: int, folder: Path, data: Path | None, overwrite: bool) -> None:
    """Train, and leave record, table and picture in a folder."""
    if starts < 2:
        raise InputError(f"starts must be at least 2, to choose from, got {starts}.")
    task = find(slug)
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
    record.write(folder, config, describe_environment(), {"starts": [curve._asdict() for curve in curves]})
    render(folder)
    Console().print(Markdown((folder / "table.md").read_text(encoding="utf-8")), f"Picture: {folder / 'figure.png'}")


def find(slug: str) -> Task:
    """Return a task, or a surface as one."""
    return heights.task(slug) if slug in SURFACES else finder.task(slug)


def render(folder: Path) -> None:
    """Make table.md and figure.png again."""
    config, curves = read(folder)
    (folder / "table.md").write_text(to_markdown(config, curves), encoding="utf-8")
    draw(config, curves, folder / "figure.png")


def read(folder: Path) -> tuple[dict[str, Any], list[Curve]]:
    """Read a record."""
    config, _, lines = record.read(folder)
    return config, list(map(to_curve, lines["starts"]))


def gains(config: dict[str, Any], curves: Sequence[Curve]) -> list[Gain]:
    """Compute what k starts are worth, all trained to the end and halved on the way."""
    tries = [k for k in TRIES if k <= len(curves)]
    whole = [expected(curves, k) for k in tries]
    return [*whole, *(expected_of_halving(curves, k, config["rungs"]) for k in tries if k > 1)]


def to_markdown(config: dict[str, Any], curves: Sequence[Curve]) -> str:
    """Write the table."""
    steps = [evaluations * config["task"]["evaluate_every"] for evaluations in config["rungs"]]
    diverged = sum(curve.diverged_at is not None for curve in curves)
    task = config["task"]
    what = (
        f"{task['title']}, {config['method']} at rate {config['rate']:g}: {len(curves)} starts, {diverged} of them "
        f"diverged. The best is chosen by validation; {task['scored']}, expected over all ways to draw k of them. "
        f"Halved: the worse half is dropped after {', '.join(map(str, steps[:-1]))} of {steps[-1]} steps."
    )
    lines = [["starts", "", "compute", "validation", "test"], ["---"] * 5]
    for of in gains(config, curves):
        how = "halved" if of.halves else "all to the end"
        lines.append([str(of.starts), how, f"{of.compute:.2f}", f"{of.validation:.4g}", f"{of.test:.4g}"])
    return what + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def draw(config: dict[str, Any], curves: Sequence[Curve], path: Path) -> None:
    """Draw all ends, and what k starts are worth against their compute."""
    picture, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    ends = [curve.test for curve in curves if curve.test is not None]
    left.hist(ends, bins=min(30, len(ends)), color=COLORS[6])
    scored = config["task"]["scored"]
    left.set(title=f"Where {len(ends)} starts end", xlabel=f"test: {scored}", ylabel="starts")
    for halves, style in ((False, "o-"), (True, "s--")):
        of = [gain for gain in gains(config, curves) if gain.halves == halves]
        for name, color in (("validation", COLORS[1]), ("test", COLORS[2])):
            label = f"{name}, {'halved' if halves else 'all to the end'}"
            right.plot([g.compute for g in of], [getattr(g, name) for g in of], style, color=color, label=label)
        for gain in of:
            right.annotate(str(gain.starts), (gain.compute, gain.test), (4, 5), textcoords="offset points", fontsize=8)
    right.set(
        title="The best of k starts (numbers: k)", xlabel="compute, in runs to the end", xscale="log",
        ylabel=scored,
    )  # fmt: skip
    tests = np.array([gain.test for gain in gains(config, curves)])
    if tests.max() > WIDE * tests.min() > 0:
        right.set_yscale("log")
    right.xaxis.set_major_formatter("{x:g}")
    right.legend(fontsize=8)
    picture.suptitle(f"{config['task']['title']}: {config['method']}, rate {config['rate']:g}")
    picture.savefig(path, dpi=110)
    plt.close(picture)
