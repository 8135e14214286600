"""The kind of experiment in which contenders train one model: `experiments.engine.experiment`.

The figure of its record has, for each trial, the training loss above the error; "A with B" is drawn like A, but dashed.
"""

import contextlib
import itertools
import math
import textwrap
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter, MaxNLocator

from adaptax.comparison.errors import InputError
from adaptax.comparison.processes import is_main
from adaptax.comparison.progress import bars
from adaptax.comparison.report.pictures import COLORS
from adaptax.comparison.statistics import estimate
from experiments.engine import observing
from experiments.engine.experiment import Experiment
from experiments.engine.experiment import Plan as Options
from experiments.engine.feeds import Streamed, make_feeds
from experiments.engine.loop import count_steps, run
from experiments.engine.placement import Placement
from experiments.engine.programs import Programs
from experiments.engine.records import Record, sections
from experiments.engine.rows import Row, curves
from experiments.engine.runner import Done, Job

__all__ = ["Options", "checkpoint_bytes", "draw", "place", "sections", "work"]
TRIALS_PER_ROW = 3
CHARACTERS = 55  # of the title, over each column
ERROR_TICKS = (0, 1, 3, 5, 10, 20, 30, 40, 60, 80, 100)


def place(slug: str, experiment: Experiment, mesh: str | None) -> Placement:
    """Divide batches and weights over a mesh, if one is given."""
    placement = Placement(mesh)
    placement.check(experiment)
    if experiment.observe and placement.mesh is not None:
        raise InputError("observe runs on one device; leave out --mesh.")
    return placement


def checkpoint_bytes(experiment: Experiment) -> int:
    """Count params and optimizer states of all contenders and seeds, without computing any."""
    programs = Programs(experiment)
    params = jax.eval_shape(programs.net.init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((experiment.seeds, *leaf.shape), leaf.dtype), params)
    contenders = [method for trial in experiment.trials.values() for method in trial.contenders.values()]
    trees = [(params, jax.eval_shape(programs.of(method).init, params)) for method in contenders]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(trees))


def work(job: Job) -> Done:
    """Train with a progress bar that shows the last evaluation."""
    observing.check(job.experiment, job.sets)
    feeds = make_feeds(job.sets, job.placement)
    with bars(job.console, disable=not is_main()) as progress:
        task = progress.add_task(job.slug, total=count_steps(job.experiment))

        def watch(rows: list[Row]) -> None:
            progress.update(task, description=_headline(job.slug, rows))

        rows = run(job.experiment, watch, partial(progress.advance, task), feeds, job.checkpoints, job.placement)
        tell = lambda what: progress.update(task, description=f"{job.slug} | {what}")  # noqa: E731
        seen = list(observing.observe_all(job.experiment, job.sets, tell))
    mesh, meta = job.placement.mesh, {}
    if mesh is not None:
        meta |= {"mesh": dict(mesh.shape), "processes": job.placement.process_count}
    for name, feed in feeds.items():
        if isinstance(feed, Streamed) and feed.seconds:  # from reading to the end of the step
            meta.setdefault("pictures_per_second", {})[name] = round(feed.pictures / feed.seconds, 1)
            meta.setdefault("share_waited_for_pictures", {})[name] = round(feed.waited / feed.seconds, 3)
    return Done(rows, meta, partial(observing.write, seen=seen))


def _headline(slug: str, evaluation: list[Row]) -> str:
    """Describe the state of a contender: its loss, or that all its seeds diverged."""
    losses = [row.loss for row in evaluation if row.split == "train" and row.loss is not None]
    if not losses:
        return f"{slug} | diverged"
    row = evaluation[0]
    return f"{slug} | {row.trial}, step {row.step}: loss {sum(losses) / len(losses):.3f}"


class _Plain(LogFormatter):
    """Label the ticks without powers of ten."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def draw(record: Record, path: Path) -> None:
    """Draw all trials into one picture."""
    trials, seeds = record.config["trials"], record.config["seeds"]
    bands, columns = math.ceil(len(trials) / TRIALS_PER_ROW), min(len(trials), TRIALS_PER_ROW)
    over = f"mean and 95 % interval over {seeds} seeds (thin lines: each seed)" if seeds > 1 else "one seed"
    title = (record.config["title"], f"{over}, the same initial weights for all curves of a column")
    wrapped = (textwrap.fill(line, CHARACTERS * columns) for line in title)
    with picture(path, 2 * bands, columns, height=3.3, title="\n".join(wrapped)) as axes:
        for number, (trial, settings) in enumerate(trials.items()):
            band, column = divmod(number, TRIALS_PER_ROW)
            _draw_trial(record, trial, settings, axes[2 * band, column], axes[2 * band + 1, column])


@contextlib.contextmanager
def picture(path: Path, rows: int, columns: int, height: float, title: str) -> Iterator[np.ndarray]:
    """Yield axes of this height in inches; then write the drawing to a file, with its title."""
    drawn, axes = plt.subplots(
        rows, columns, figsize=(4.6 * columns, height * rows), squeeze=False, layout="constrained"
    )
    yield axes
    drawn.suptitle(title, fontsize=12)
    drawn.savefig(path, dpi=110)
    plt.close(drawn)


def _draw_trial(record: Record, trial: str, settings: dict[str, Any], above: Axes, below: Axes) -> None:
    few = len(settings["contenders"]) <= len(COLORS)  # more lines would hide each other
    for contender, (color, dashes) in styles(settings["contenders"]).items():
        train, test = (curves(record.rows, trial, contender, split) for split in ("train", "test"))
        label = f"{contender} ({train.lost} diverged)" if train.diverged else contender
        band(above, train.steps, train.loss, color, linestyle=dashes, label=label)
        for loss in train.loss:  # a mean does not show whether all seeds or one of them failed
            above.plot(train.steps, loss, color=color, linewidth=0.5, alpha=0.35)
        band(below, test.steps, test.error, color, linestyle=dashes)
        if train.seeds and few:
            below.plot(train.steps, train.error.mean(axis=0), color=color, linestyle=":")
        for split, error in settings["published"].get(contender, {}).items():
            face = {"test": color, "train": "white"}[split]
            below.plot(record.config["steps"], error, "D", color=color, markerfacecolor=face, clip_on=False, zorder=5)
    above.set(title=settings["title"], yscale="log", ylabel="training loss (nats per picture)")
    below.set(xlabel="steps", ylabel="error (%)")
    # Square roots: wide where final errors differ, and zero is on the axis, as it would not be on a logarithmic one.
    below.set_yscale(
        "function", functions=(lambda y: np.sign(y) * np.sqrt(np.abs(y)), lambda y: np.sign(y) * np.square(y))
    )
    below.set_yticks(ERROR_TICKS, labels=map(str, ERROR_TICKS))
    below.set_ylim(0, 100)
    for axes in (above, below):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    above.yaxis.set_major_formatter("{x:g}")
    above.yaxis.set_minor_formatter(_Plain(minor_thresholds=(1.5, 0.5)))
    grey = "#666666"
    below.plot([], [], color=grey, label="test")
    if few:
        below.plot([], [], color=grey, linestyle=":", label="train")
    if settings["published"]:
        below.plot([], [], "D", color=grey, label="published, test")
        below.plot([], [], "D", color=grey, markerfacecolor="white", label="published, train")
    below.legend(fontsize=8)
    if few:
        above.legend(fontsize=8)
    else:  # falling errors leave room here
        (lines, names), (others, meanings) = above.get_legend_handles_labels(), below.get_legend_handles_labels()
        below.legend(lines + others, names + meanings, fontsize=8)


def styles(contenders: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Give each contender a color and a line style."""
    known: dict[str, tuple[str, str]] = {}
    free = itertools.cycle(COLORS)
    for name in contenders:
        plain = name.partition(" with ")[0]
        known[name] = (known[plain][0], "--") if plain in known else (next(free), "-")
    return known


def band(axes: Axes, steps: np.ndarray, values: np.ndarray, color: str, **style: Any) -> None:
    """Plot mean and interval; a contender without a finished seed has a legend and no curve."""
    if not len(values):
        axes.plot([], [], color=color, **style)
        return
    mean, half_width = estimate(values)
    axes.plot(steps, mean, color=color, **style)
    low = np.maximum(mean - half_width, values.min())  # an interval must not cross 0 on a log axis
    axes.fill_between(steps, low, mean + half_width, color=color, alpha=0.2, linewidth=0)
