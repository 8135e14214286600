"""Compare contenders that train one model, while one watches: the kind of `experiments.engine.experiment`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from adaptax.comparison.progress import bars
from experiments.engine import frame, loading
from experiments.engine.checkpoints import Checkpoints
from experiments.engine.experiment import Experiment
from experiments.engine.experiment import Plan as Options
from experiments.engine.feeds import Feed, Streamed
from experiments.engine.figure import draw
from experiments.engine.loading import Sets
from experiments.engine.loop import count_steps, run
from experiments.engine.placement import Placement
from experiments.engine.rows import Row
from experiments.engine.safety import checkpoint_bytes
from experiments.engine.table import sections

__all__ = ["Options", "draw", "perform", "sections"]  # what a kind has


def perform(
    slug: str,
    experiment: Experiment,
    results: Path,
    console: Console,
    data: Path | None = None,
    resume: bool = False,
    mesh: str | None = None,
) -> Path:
    """Run, record, and make table and figure of the record; return its folder."""
    placement = Placement(mesh)
    placement.check(experiment)

    def work(sets: Sets, checkpoints: Checkpoints) -> frame.Done:
        feeds = loading.feed(sets, placement)
        rows = _run_visibly(slug, experiment, feeds, checkpoints, placement, console)
        return frame.Done(rows, {**_describe_devices(placement), **_speed(feeds)})

    return frame.keep(results / slug, experiment, work, lambda: checkpoint_bytes(experiment), data, resume, placement)


def _describe_devices(placement: Placement) -> dict[str, Any]:
    """Say over what the work was divided, where it was."""
    if placement.mesh is None:
        return {}
    return {"mesh": dict(placement.mesh.shape), "processes": placement.process_count}


def _speed(feeds: dict[str, Feed]) -> dict[str, Any]:
    """Say how fast streams were trained on, from reading to the end of the step."""
    streams = {name: feed for name, feed in feeds.items() if isinstance(feed, Streamed) and feed.seconds}
    if not streams:
        return {}
    return {
        "pictures_per_second": {name: round(feed.pictures / feed.seconds, 1) for name, feed in streams.items()},
        "share_waited_for_pictures": {name: round(feed.waited / feed.seconds, 3) for name, feed in streams.items()},
    }


def _run_visibly(
    slug: str,
    experiment: Experiment,
    feeds: dict[str, Feed],
    checkpoints: Checkpoints,
    placement: Placement,
    console: Console,
) -> list[Row]:
    """Run behind a progress bar that says what was evaluated last and how it does."""
    with bars(console, disable=not placement.is_main) as progress:
        task = progress.add_task(slug, total=count_steps(experiment))

        def watch(rows: list[Row]) -> None:
            progress.update(task, description=_headline(slug, rows))

        def tick(steps: int) -> None:
            progress.update(task, advance=steps)

        return run(experiment, watch, tick, feeds, checkpoints, placement)


def _headline(slug: str, evaluation: list[Row]) -> str:
    """Say where a contender stands; nothing is left to say of one that diverged on all seeds."""
    losses = [row.loss for row in evaluation if row.split == "train" and row.loss is not None]
    if not losses:
        return f"{slug} | diverged"
    row = evaluation[0]
    return f"{slug} | {row.trial}, step {row.step}: loss {sum(losses) / len(losses):.3f}"
