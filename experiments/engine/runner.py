"""Run an experiment while one watches; leave record, table and figure in a folder."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from adaptax.comparison.files import alone_in
from adaptax.comparison.progress import bars
from experiments.engine import figure, loading, records, table
from experiments.engine.checkpoints import Checkpoints
from experiments.engine.experiment import Experiment
from experiments.engine.feeds import Feed, Streamed
from experiments.engine.loop import count_steps, run
from experiments.engine.placement import Placement
from experiments.engine.processes import together
from experiments.engine.rows import Row
from experiments.engine.safety import check_room, checkpoint_bytes


def perform(
    slug: str,
    experiment: Experiment,
    results: Path,
    console: Console,
    data: Path | None = None,
    resume: bool = False,
    mesh: str | None = None,
) -> Path:
    """Run, record, and make table and figure of the record; return its folder.

    Until the new record is complete, an older one in the folder stays as it is. Of several processes the first one
    writes, and shows progress.
    """
    folder, placement = results / slug, Placement(mesh)
    placement.check(experiment)
    with contextlib.ExitStack() as held, together():
        placement.ask(lambda: _prepare(held, folder, experiment))
        start = time.monotonic()
        sets = loading.load(experiment, data)
        environment = describe_environment()
        checksums = loading.checksums(sets)
        checkpoints = Checkpoints(folder / "checkpoints", placement)
        went_on = checkpoints.begin(_begun(experiment, environment, checksums), resume)
        feeds = loading.feed(sets, placement)
        try:
            rows = _run_visibly(slug, experiment, feeds, checkpoints, placement, console)
        finally:
            checkpoints.close()
        meta = {
            **environment,
            **_describe_devices(placement),
            "data_sha256": checksums,
            "wall_seconds": round(time.monotonic() - start, 1),
            "resumed": went_on,  # then the seconds are those of the last part
            **_speed(feeds),
        }
        if placement.is_main:
            _write(folder, experiment, meta, rows)
        checkpoints.remove()
    return folder


def _prepare(held: contextlib.ExitStack, folder: Path, experiment: Experiment) -> bool:
    """Have the folder for this run alone, until all is done, and room in it."""
    held.enter_context(alone_in(folder))
    check_room(folder, checkpoint_bytes(experiment))
    return True


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


def _begun(experiment: Experiment, environment: dict[str, Any], checksums: dict[str, str]) -> dict[str, Any]:
    """Say what must still be the same for a run to go on: else its second half would not fit its first."""
    return {"experiment": describe(experiment), "data": checksums, "versions": environment["versions"]}


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


def _write(folder: Path, experiment: Experiment, meta: dict[str, Any], rows: list[Row]) -> None:
    try:
        records.write(folder, experiment, meta, rows)
        render(folder)
    except OSError as error:
        raise InputError(
            f"The record could not be written into {str(folder)!r} ({error.strerror}); --resume only writes it."
        ) from error


def render(folder: Path) -> None:
    """Make table and figure again from the record."""
    record = records.read(folder)
    (folder / "table.md").write_text(table.to_markdown(record), encoding="utf-8")
    figure.draw(record, folder / "figure.png")
