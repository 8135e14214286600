"""Time sweeps against plain runs, and layouts against each other, while one watches."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from adaptax.comparison import contenders
from adaptax.comparison.contenders import Contender
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.program import Programs
from adaptax.comparison.task import Layout, Splits, Task, load
from adaptax.comparison.train import Field, train
from experiments.bench.roofline import neighbors
from experiments.bench.sweep import plain, report
from experiments.engine import finder

SLUG, METHOD = "mnist_mlp", "optax_momentum"
RATES, SEEDS, STEPS = tuple(np.geomspace(1e-3, 1.0, 7).tolist()), tuple(range(5)), 1000
ROUNDS = 3
PLAIN = "one after the other"
CHUNKS = 2  # of a task's steps between two evaluations, timed for every layout after one that is not
SAME = 2.0  # points of error by which a member may end elsewhere: at high rates rounding grows


def run(out: Path, data: Path | None) -> None:
    """Measure and leave record and tables in OUT/sweep_speed/DEVICE."""
    device = jax.default_backend()
    rows, others = [], neighbors.watch()
    known = finder.tasks()
    layouts = get_args(Layout)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        bar = progress.add_task("sweeps", total=ROUNDS * (1 + len(layouts)) + len(known) * len(layouts))
        for row in (*_whole(known[SLUG], data), *_by_task(known, data)):
            rows.append(row)
            progress.advance(bar)
    meta = {**describe_environment(), "task": SLUG, "method": METHOD, "rates": len(RATES), "seeds": len(SEEDS)}
    meta |= {"steps": STEPS, "rounds": ROUNDS, "cores_of_others": others()}
    folder = out / "sweep_speed" / device
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report.write(folder)
    Console().print(Markdown((folder / "table.md").read_text(encoding="utf-8")))
    neighbors.warn(meta["cores_of_others"])


def _whole(task: Task, data: Path | None) -> Iterator[dict[str, Any]]:
    """Time whole sweeps in turn, compiling included on both sides, and check that they do the same work."""
    task = dataclasses.replace(task, steps=STEPS, evaluate_every=STEPS // 20)
    splits, contender = load(task, data), contenders.choose([METHOD])[METHOD]
    ends: dict[str, np.ndarray] = {}
    for number in range(ROUNDS):
        ends[PLAIN], seconds = _timed(lambda: plain.run(task, contender, splits, RATES, SEEDS))
        yield {"kind": "whole", "round": number, "how": PLAIN, "seconds": seconds}
        for layout in get_args(Layout):
            ends[layout], seconds = _timed(lambda layout=layout: _sweep(task, contender, splits, layout))
            _check_same(ends[PLAIN], ends[layout], layout)
            yield {"kind": "whole", "round": number, "how": layout, "seconds": seconds}


def _sweep(task: Task, contender: Contender, splits: Splits, layout: Layout) -> np.ndarray:
    field = Field(Programs(task, layout), splits)
    curves, _ = train(field, field.programs.of(contender), RATES, SEEDS)
    ends = [np.nan if curve.diverged_at else curve.validation[-1] for curve in curves]
    return np.array(ends).reshape(len(SEEDS), len(RATES))


def _timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    jax.clear_caches()  # or the second round would compile nothing
    start = time.perf_counter()
    result = work()
    return result, round(time.perf_counter() - start, 2)


def _check_same(expected: np.ndarray, got: np.ndarray, layout: Layout) -> None:
    """Refuse to compare times of programs that do not come to the same, at the lower half of the rates."""
    low = slice(len(RATES) // 2)
    if not np.allclose(expected[:, low], got[:, low], rtol=0, atol=SAME):
        raise AssertionError(f"{layout} ends at {got[:, low]}, one after the other at {expected[:, low]}.")


def _by_task(known: dict[str, Task], data: Path | None) -> Iterator[dict[str, Any]]:
    """Time a member's step in every layout on every task, the grid as in its tuning."""
    contender = contenders.choose([METHOD])[METHOD]
    for slug, task in known.items():
        splits = load(task, data)
        for layout in get_args(Layout):
            field = Field(Programs(dataclasses.replace(task, steps=CHUNKS * task.evaluate_every), layout), splits)
            program, seeds = field.programs.of(contender), range(task.tuning_seeds)
            _, first = train(field, program, RATES, seeds)
            _, cost = train(field, program, RATES, seeds)
            microseconds = round(1e6 * cost.run_seconds / cost.member_steps, 1)
            compiling = round(first.compile_seconds, 2)
            yield {"kind": "step", "task": slug, "how": layout, "microseconds": microseconds, "compile": compiling}
