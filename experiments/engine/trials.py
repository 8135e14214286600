"""The kind in which contenders train one model: `experiments.engine.experiment`."""

from functools import partial
from typing import Any

import jax

from adaptax.comparison.progress import bars
from experiments.engine.experiment import Experiment
from experiments.engine.experiment import Plan as Options
from experiments.engine.feeds import Feed, Streamed, make_feeds
from experiments.engine.figure import draw
from experiments.engine.loop import count_steps, run
from experiments.engine.placement import Placement
from experiments.engine.programs import Programs
from experiments.engine.records import sections
from experiments.engine.rows import Row
from experiments.engine.runner import Done, Job

__all__ = ["Options", "checkpoint_bytes", "draw", "place", "sections", "work"]


def place(slug: str, experiment: Experiment, mesh: str | None) -> Placement:
    """Divide batches and weights over a mesh, if one is asked for."""
    placement = Placement(mesh)
    placement.check(experiment)
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
    """Train behind a progress bar that says what was evaluated last and how it does."""
    feeds = make_feeds(job.sets, job.placement)
    with bars(job.console, disable=not job.placement.is_main) as progress:
        task = progress.add_task(job.slug, total=count_steps(job.experiment))

        def watch(rows: list[Row]) -> None:
            progress.update(task, description=_headline(job.slug, rows))

        rows = run(job.experiment, watch, partial(progress.advance, task), feeds, job.checkpoints, job.placement)
    mesh = job.placement.mesh
    divided = {} if mesh is None else {"mesh": dict(mesh.shape), "processes": job.placement.process_count}
    return Done(rows, {**divided, **_speed(feeds)})


def _speed(feeds: dict[str, Feed]) -> dict[str, Any]:
    """Say how fast streams were trained on, from reading to the end of the step."""
    streams = {name: feed for name, feed in feeds.items() if isinstance(feed, Streamed) and feed.seconds}
    return streams and {
        "pictures_per_second": {name: round(feed.pictures / feed.seconds, 1) for name, feed in streams.items()},
        "share_waited_for_pictures": {name: round(feed.waited / feed.seconds, 3) for name, feed in streams.items()},
    }


def _headline(slug: str, evaluation: list[Row]) -> str:
    """Say where a contender stands; nothing is left to say of one that diverged on all seeds."""
    losses = [row.loss for row in evaluation if row.split == "train" and row.loss is not None]
    if not losses:
        return f"{slug} | diverged"
    row = evaluation[0]
    return f"{slug} | {row.trial}, step {row.step}: loss {sum(losses) / len(losses):.3f}"
