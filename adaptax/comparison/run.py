"""Run a comparison and show its progress: task after task, method after method, group after group."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from adaptax.comparison import schedules
from adaptax.comparison.check import check_method, check_problem
from adaptax.comparison.describe import describe
from adaptax.comparison.field import Field
from adaptax.comparison.fingerprint import code_of_method, code_of_problem
from adaptax.comparison.live import OfTask, View
from adaptax.comparison.methods import Method, applies, describe_method
from adaptax.comparison.observing import check_every, observe
from adaptax.comparison.processes import check_same, is_main
from adaptax.comparison.program import Programs
from adaptax.comparison.protocol import NEW_SEEDS_FROM, Group, Plan, Protocol, Result, best_trial, next_group
from adaptax.comparison.record import rounded
from adaptax.comparison.schedules import CONSTANT, WARMUP, Schedule
from adaptax.comparison.shared import SharedRecord, Timing
from adaptax.comparison.task import Layout, Task, checksum, config_of, load
from adaptax.comparison.train import Cost, train
from adaptax.comparison.trials import combinations, rates_each


def judge(
    tasks: Mapping[str, Task],
    methods: Mapping[str, Method],
    protocol: Protocol,
    out: Path,
    console: Console,
    *,
    known: Mapping[str, Schedule] | None = None,
    folder: Path | None = None,
    layout: Layout | None = None,
    resume: bool = False,
    free: int | None = None,
    own: Sequence[str] | None = None,
    observe_every: int | None = None,
) -> None:
    """Judge every method on every task; records are in OUT/TASK.

    Args:
        tasks: by slug.
        methods: by name.
        protocol: how they are judged.
        out: the folder of the records.
        console: where progress is shown.
        known: the protocol's schedules by name; None: those of `adaptax.comparison.schedules`.
        folder: the folder of data sets that are files.
        layout: how members are computed at once; None: vmap; on a CPU, what was fastest there.
        resume: whether to continue what is in the folder.
        free: bytes of memory on a device; None: what is free.
        own: a user's own methods, for a user's own task: what these compute is recorded; None: there are none.
        observe_every: steps from one observation of each chosen trial to the next; None: they are not observed.

    Raises:
        InputError: something cannot be compared; raised before anything is trained.
    """
    known = known or schedules.choose(protocol.schedules)
    for task in tasks.values():
        check_every(observe_every, task.steps)
        schedules.check_length(known, task.steps)
    with View(console, disable=not is_main()) as view:
        for slug, task in tasks.items():
            splits = load(task, folder)
            chosen = layout or layout_of(task)
            field = Field(Programs(task, chosen, known), splits)
            params, rest = check_problem(field)
            those = {name: method for name, method in methods.items() if applies(method, params)}
            for name, method in those.items():
                check_method(name, method, field, params, rest)
            config = {
                "task": config_of(task) | ({} if own is None else {"code": code_of_problem(field, params, rest)}),
                "protocol": _describe_protocol(protocol),
                "layout": chosen,
                "contenders": {name: describe_method(method) for name, method in methods.items()},
                "data_sha256": checksum(splits),
            }
            for name in own or ():
                config["contenders"][name]["code"] = code_of_method(field, methods[name], params, rest)
            check_same(config)
            with contextlib.ExitStack() as held:
                record = SharedRecord(out / slug, config, resume, held)
                missing = [] if observe_every is None else record.not_observed(list(those), observe_every)
                judged = _judge_all(slug, field, those, protocol, record, view, free)
                if missing:
                    shown = view.task(slug, len(missing) * task.steps)
                    _observe(field, {name: those[name] for name in missing}, judged, record, shown, observe_every)


def layout_of(task: Task) -> Layout:
    """Return the fastest layout, or the one that divides members over devices."""
    alone_on_cpu = jax.default_backend() == "cpu" and jax.device_count() == 1
    return task.layout_on_cpu if alone_on_cpu else "vmap"


def plans(methods: Mapping[str, Method], protocol: Protocol) -> dict[str, Plan]:
    """Plan the trials of each method; all methods have the same number."""
    of = {name: combinations(method.schedules or protocol.schedules, method.search) for name, method in methods.items()}
    counts = rates_each(protocol.rates.count, [len(each) for each in of.values()])
    return {
        name: Plan(protocol.rates.of(count), tuple(of[name]), method.default)
        for (name, method), count in zip(methods.items(), counts, strict=True)
    }


def _describe_protocol(protocol: Protocol) -> dict[str, Any]:
    """Describe the protocol; older records have no schedules, so a constant rate is left out."""
    described = describe(protocol)
    if described["schedules"] == [CONSTANT]:
        del described["schedules"]
        return described
    return described | {"warmup": WARMUP}


def _judge_all(
    slug: str,
    field: Field,
    methods: Mapping[str, Method],
    protocol: Protocol,
    record: SharedRecord,
    view: View,
    free: int | None,
) -> dict[str, list[Result]]:
    planned, seeds = plans(methods, protocol), protocol.tuning_seeds or field.programs.task.tuning_seeds
    expected = sum(_expected(plan, protocol, seeds) for plan in planned.values())
    shown = view.task(slug, expected * field.programs.task.steps)
    judged = {
        name: _judge(name, field, method, planned[name], protocol, seeds, record, shown, free)
        for name, method in methods.items()
    }
    shown.end()
    return judged


def _judge(
    name: str,
    field: Field,
    method: Method,
    plan: Plan,
    protocol: Protocol,
    seeds: int,
    record: SharedRecord,
    shown: OfTask,
    free: int | None,
) -> list[Result]:
    """Train a method's groups until none is left; each is written before the next one begins."""
    program = field.programs.of(method)
    done, timing = record.done(name)
    shown.skip(len(done) * field.programs.task.steps)
    shown.know(name, done)
    at_once = timing and timing.get("members_at_once")
    while group := next_group(protocol, seeds, plan, done):
        results = _known(group, done)
        if not results:
            shown.begin(name, group)
            curves, cost = train(
                field,
                program,
                group.trials,
                group.seeds,
                reads_test=group.phase != "tune",
                tick=shown.advance,
                at_once=at_once,
                free=free,
            )
            at_once, timing = at_once or cost.at_once, _add(timing, cost)
            results = [Result(group.phase, rounded(curve)) for curve in curves]
            shown.know(name, results)
        done += results
        record.write(name, done, timing or {})
    return done


def _observe(
    field: Field,
    methods: Mapping[str, Method],
    judged: Mapping[str, list[Result]],
    record: SharedRecord,
    shown: OfTask,
    every: int,
) -> None:
    """Observe the chosen trial of every method with the first new seed."""
    for name, method in methods.items():
        trial = best_trial([result.curve for result in judged[name] if result.phase == "tune"])
        if trial is not None:
            shown.observe(name, trial)
            record.write_observed(name, observe(field, field.programs.of(method), trial, NEW_SEEDS_FROM, every))
        shown.skip(field.programs.task.steps)
    shown.end()


def _expected(plan: Plan, protocol: Protocol, seeds: int) -> int:
    """Estimate how many members a method has, without extensions."""
    members = plan.grid.count * len(plan.combinations) * seeds
    if not protocol.only_tunes:
        members += protocol.final_seeds * (1 if plan.default is None else 2)
    return members


def _known(group: Group, done: Sequence[Result]) -> list[Result]:
    """Return results that another phase has already trained: the default rate can be the best one."""
    same = [
        r.curve for r in done if r.phase == "final" and group.phase == "default" and r.curve.trial == group.trials[0]
    ]
    return [Result(group.phase, curve) for curve in same]


def _add(before: Timing | None, cost: Cost) -> Timing:
    """Add a group's timings to those of earlier groups and runs."""
    before = before or {}
    seconds = {kind: round(before.get("seconds", {}).get(kind, 0.0) + took, 3) for kind, took in cost.seconds.items()}
    member_steps = before.get("member_steps", 0) + cost.member_steps
    return {
        "compile_seconds": round(seconds["compile"], 2),
        "microseconds_per_member_step": round(1e6 * seconds["steps"] / member_steps, 1),
        "gradients_per_step": cost.gradients_per_step,
        "members_at_once": cost.at_once or before.get("members_at_once"),
        "member_steps": member_steps,
        "seconds": seconds,
    }
