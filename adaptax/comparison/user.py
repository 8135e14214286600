"""Compare methods on a model of one's own: `from adaptax.comparison import compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from adaptax.comparison import contenders, report
from adaptax.comparison.errors import InputError
from adaptax.comparison.protocol import Protocol, parse_grid
from adaptax.comparison.run import compare as judge
from adaptax.comparison.task import Layout, Loss, Task

SLUG = "yours"


def compare(
    loss: Callable[[Any, Any], jax.Array],
    init: Callable[[jax.Array], Any],
    data: Mapping[str, Any],
    *,
    methods: Sequence[str] = (),
    score: Callable[[Any, Any], jax.Array] | None = None,
    scored: str = "loss",
    batch_size: int | None = None,
    steps: int = 1000,
    evaluations: int = 20,
    rates: str = "1e-3:1:7",
    tuning_seeds: int = 3,
    seeds: int = 10,
    title: str = "Your model",
    out: str | Path = "comparison",
    layout: Layout = "vmap",
    resume: bool = False,
) -> Path:
    """Judge methods on a model of one's own by the protocol of `adaptax.comparison.protocol`.

    Args:
        loss: `loss(params, batch)`, the mean over the batch's examples; params may be any tree of arrays.
        init: `init(key)`, initial params.
        data: the splits "train", "validation" and "test", each a tree of arrays with the examples along the first axis.
        methods: names of contenders, `python -m experiments tasks` lists them; none: all of them.
        score: `score(params, batch)`, what is judged, lower is better, a mean over examples; None: the loss.
        scored: what the score is, with its unit, for the report.
        batch_size: examples of a step; None: all of them.
        steps: how many each member takes, at least `evaluations`.
        evaluations: how often it is scored on the way; divides `steps`.
        rates: LOW:HIGH:N, the log grid of learning rates, the same for every method.
        tuning_seeds: seeds 0, 1, … for every rate of the grid.
        seeds: how many new seeds the chosen rate is run with, at least 2.
        title: the report's.
        out: folder of records and report.
        layout: how members are computed at once, see `adaptax.comparison.layouts`.
        resume: go on with what is in the folder.

    Returns:
        The path of the report, a page without other files.

    Raises:
        InputError: a number out of range, an unknown method, a split that is missing, a folder with other results.
    """
    if evaluations < 1 or steps % evaluations:
        raise InputError(f"evaluations must divide steps = {steps}, got {evaluations}.")
    task = Task(
        title=title,
        problem=Loss(init, loss, score),
        data=lambda: data,
        scored=scored,
        batch_size=batch_size,
        steps=steps,
        evaluate_every=steps // evaluations,
        tuning_seeds=tuning_seeds,
    )
    protocol = Protocol(rates=parse_grid(rates), final_seeds=seeds)
    console, out = Console(), Path(out)
    judge({SLUG: task}, contenders.choose(methods), protocol, out, console, layout=layout, resume=resume)
    page = report.write(out, out, console)
    console.print(f"Report: {page}")
    return page
