"""Carry a comparison out while one watches: task after task, method after method, group after group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import rich.progress
from rich.console import Console

from adaptax.comparison.contenders import Contender, applies
from adaptax.comparison.describe import describe
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.files import alone_in
from adaptax.comparison.program import Programs
from adaptax.comparison.progress import bars
from adaptax.comparison.protocol import Group, Protocol, Result, next_group
from adaptax.comparison.record import rounded
from adaptax.comparison.results import Writer
from adaptax.comparison.task import Layout, Task, checksum, config_of, load
from adaptax.comparison.train import Cost, Field, train

NO_COST = Cost(0.0, 0.0, 0, 1)


def compare(
    tasks: Mapping[str, Task],
    contenders: Mapping[str, Contender],
    protocol: Protocol,
    out: Path,
    console: Console,
    *,
    folder: Path | None = None,
    layout: Layout | None = None,
    resume: bool = False,
) -> None:
    """Judge every contender on every task; records are in OUT/TASK."""
    with bars(console) as progress:
        for slug, task in tasks.items():
            with alone_in(out / slug):
                splits = load(task, folder)
                chosen = layout or (task.layout_on_cpu if jax.default_backend() == "cpu" else "vmap")
                writer = Writer(
                    out / slug,
                    {
                        "task": config_of(task),
                        "protocol": describe(protocol),
                        "layout": chosen,
                        "contenders": describe(contenders),
                        "data_sha256": checksum(splits),
                    },
                    describe_environment(),
                    resume,
                )
                field = Field(Programs(task, chosen), splits)
                _judge_all(slug, field, contenders, protocol, writer, progress)


def _judge_all(
    slug: str,
    field: Field,
    contenders: Mapping[str, Contender],
    protocol: Protocol,
    writer: Writer,
    progress: rich.progress.Progress,
) -> None:
    params = jax.eval_shape(field.programs.task.problem.init, jax.random.key(0))
    those = {name: contender for name, contender in contenders.items() if applies(contender, params)}
    bar = progress.add_task(slug, total=sum(_expected(field, protocol, contender) for contender in those.values()))
    for name, contender in those.items():
        progress.update(bar, description=f"{slug} | {name}")
        _judge(name, field, contender, protocol, writer, progress, bar)
    progress.update(bar, description=slug, completed=progress.tasks[bar].total)


def _judge(
    name: str,
    field: Field,
    contender: Contender,
    protocol: Protocol,
    writer: Writer,
    progress: rich.progress.Progress,
    bar: rich.progress.TaskID,
) -> None:
    """Train one contender's groups until none is left, each written down before the next one begins."""
    program, done, cost = field.programs.of(contender), writer.done(name), NO_COST
    progress.advance(bar, len(done) * field.programs.task.steps)
    while group := next_group(protocol, tuning_seeds(field, protocol), contender.default, done):
        results = _known(group, done)
        if not results:
            curves, took = train(
                field,
                program,
                group.rates,
                group.seeds,
                reads_test=group.phase != "tune",
                tick=lambda steps: progress.advance(bar, steps),
            )
            results, cost = (
                [Result(group.phase, rounded(curve)) for curve in curves],
                _add(cost, took),
            )
        done += results
        writer.write(name, done, _timing(cost) if cost.member_steps else None)


def tuning_seeds(field: Field, protocol: Protocol) -> int:
    """Return how many seeds each rate of the grid gets."""
    return protocol.tuning_seeds or field.programs.task.tuning_seeds


def _expected(field: Field, protocol: Protocol, contender: Contender) -> int:
    """Estimate a contender's member-steps, without extensions."""
    members = protocol.rates.count * tuning_seeds(field, protocol)
    if not protocol.only_tunes:
        members += protocol.final_seeds * (1 if contender.default is None else 2)
    return members * field.programs.task.steps


def _known(group: Group, done: list[Result]) -> list[Result]:
    """Give what was trained already for another phase: the default rate can be the best one."""
    same = [r.curve for r in done if r.phase == "final" and group.phase == "default" and r.curve.rate == group.rates[0]]
    return [Result(group.phase, curve) for curve in same]


def _add(one: Cost, other: Cost) -> Cost:
    return Cost(
        one.compile_seconds + other.compile_seconds,
        one.run_seconds + other.run_seconds,
        one.member_steps + other.member_steps,
        other.gradients_per_step,
    )


def _timing(cost: Cost) -> dict[str, Any]:
    return {
        "compile_seconds": round(cost.compile_seconds, 2),
        "microseconds_per_member_step": round(1e6 * cost.run_seconds / max(cost.member_steps, 1), 1),
        "gradients_per_step": cost.gradients_per_step,
    }
