"""The time that a sweep saves against the same runs one after the other, and the time of each layout by task."""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax.comparison import batches
from adaptax.comparison import methods as known_methods
from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method
from adaptax.comparison.program import Programs
from adaptax.comparison.record import Line, Record
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.scoring import mean_over
from adaptax.comparison.step import take_step
from adaptax.comparison.task import Batch, Layout, Params, Splits, Task, load
from adaptax.comparison.train import KINDS, train
from adaptax.comparison.trials import at_rates
from experiments.bench import frame
from experiments.engine import finder
from experiments.engine.places import RESULTS, Data, Out, Overwrite

SLUG, METHOD = "mnist_mlp", "optax_momentum"
RATES, SEEDS, STEPS = tuple(np.geomspace(1e-3, 1.0, 7).tolist()), tuple(range(5)), 1000
ROUNDS = 3
PLAIN, LAYOUTS = "one after the other", get_args(Layout)
CHUNKS = 2  # evaluation intervals that are timed for every layout, after an untimed run
SAME = 2.0  # points of error by which the ends of a member may differ: high rates amplify rounding


def run(out: Out = RESULTS, data: Data = None, overwrite: Overwrite = False) -> None:
    """Time a sweep, the same runs one after the other, and layouts by task; write record to OUT/sweep_speed/DEVICE."""
    folder, contender = out / "sweep_speed" / jax.default_backend(), known_methods.choose([METHOD])[METHOD]
    config = {"task": SLUG, "method": METHOD, "rates": len(RATES), "seeds": len(SEEDS), "steps": STEPS}
    config |= {"rounds": ROUNDS}
    meta = frame.begin(folder, config, overwrite)
    known, others = finder.tasks(), frame.watch_others()
    rows = [*whole(known[SLUG], contender, data), *by_task(known, contender, data)]
    meta["cores_of_others"] = others()
    frame.keep(folder, Record(config, meta, {"rows": rows}), sections)


def whole(task: Task, contender: Method, data: Path | None) -> Iterator[Line]:
    """Time whole sweeps in turn, compilation included, and check that they give the same scores."""
    task = dataclasses.replace(task, steps=STEPS, evaluate_every=STEPS // 20)
    splits = load(task, data)
    for number, how in frame.watched(itertools.product(range(ROUNDS), (PLAIN, *LAYOUTS))):
        jax.clear_caches()  # otherwise only the first round would compile
        start = time.perf_counter()
        if how == PLAIN:
            ends = expected = one_after_the_other(task, contender, splits, RATES, SEEDS)
        else:
            field = Field(Programs(task, how), splits)
            curves, cost = train(field, field.programs.of(contender), at_rates(RATES), SEEDS)
            ends = [np.nan if curve.diverged_at else curve.validation[-1] for curve in curves]
            ends = np.array(ends).reshape(len(SEEDS), len(RATES))
        seconds = round(time.perf_counter() - start, 2)
        low = slice(len(RATES) // 2)  # the low rates, at which all must give the same scores
        np.testing.assert_allclose(ends[:, low], expected[:, low], rtol=0, atol=SAME, equal_nan=False, err_msg=how)
        yield {"kind": "whole", "round": number, "how": how, "seconds": seconds}
        if how != PLAIN:
            yield {"kind": "of what", "round": number, "how": how, **cost.seconds}


def one_after_the_other(
    task: Task, contender: Method, splits: Splits, rates: Sequence[float], seeds: Sequence[int]
) -> np.ndarray:
    """Train and score the members one by one, without a sweep; return the last validation scores, (seeds, rates).

    The learning rate is an argument of the step, so the step is compiled once. With the rate inside the step, as in
    Optax's examples, it would be compiled again for every rate.
    """
    on_device = {name: jax.tree.map(jnp.asarray, split) for name, split in splits.items()}
    count = len(jax.tree.leaves(splits["train"])[0])
    init = jax.jit(lambda seed: task.problem.init(jax.random.key(seed)))
    begin = jax.jit(lambda rate, params: contender.make(learning_rate=rate).init(params))
    loss = jax.jit(lambda params, split: mean_over(task.problem.loss, params, split))
    score = jax.jit(lambda params, split: mean_over(task.problem.score, params, split))
    scored = jax.tree.map(lambda part: part[: task.train_examples_scored], on_device["train"])

    @jax.jit
    def step(rate: jax.Array, params: Params, state: optax.OptState, train: Batch, numbers: jax.Array) -> tuple:
        batch = jax.tree.map(lambda part: part[numbers], train)
        return take_step(task.problem.loss, contender.make(learning_rate=rate), params, state, batch)[:2]

    ends = np.zeros((len(seeds), len(rates)))
    for r, rate in enumerate(np.array(rates, np.float32)):
        for s, seed in enumerate(seeds):
            order = batches.draw([seed], task.batch_size, 0, task.steps, count)[0]
            params = init(np.uint32(seed))
            state = begin(rate, params)
            for number, of_step in enumerate(order, 1):
                params, state = step(rate, params, state, on_device["train"], of_step)
                if number % task.evaluate_every == 0:
                    loss(params, scored)
                    last = score(params, on_device["validation"])
            ends[s, r] = last
    return ends


def by_task(known: dict[str, Task], contender: Method, data: Path | None) -> Iterator[Line]:
    """Time a member's step in every layout on every task, with as many rates and seeds as in tuning."""
    splits_of = lru_cache(maxsize=1)(lambda slug: load(known[slug], data))
    for slug, layout in frame.watched(itertools.product(known, LAYOUTS)):
        task = dataclasses.replace(known[slug], steps=CHUNKS * known[slug].evaluate_every)
        field = Field(Programs(task, layout), splits_of(slug))
        program, seeds = field.programs.of(contender), range(task.tuning_seeds)
        _, first = train(field, program, at_rates(RATES), seeds)
        _, cost = train(field, program, at_rates(RATES), seeds)
        microseconds = round(1e6 * cost.seconds["steps"] / cost.member_steps, 1)
        compiling = round(first.seconds["compile"], 2)
        yield {"kind": "step", "task": slug, "how": layout, "microseconds": microseconds, "compile": compiling}


def sections(of: Record) -> Iterator[Section]:
    """Write the tables."""
    config, kinds = of.config, frame.grouped(of.lines["rows"], "kind")
    what = (
        f"{config['rates']} rates × {config['seeds']} seeds of `{config['task']}` with {config['method']}, "
        f"{config['steps']} steps each. Times include compilation and are medians of {config['rounds']} rounds. "
        f"{frame.machine(of.meta)}; other processes kept {of.meta['cores_of_others']} cores busy."
    )
    yield Section("", [what], whole_table(kinds["whole"]))
    spent = "Seconds that the sweeps spent on each kind of work: mean over the threads, median of the rounds:"
    lines = [
        [how, *(f"{statistics.median(row[kind] for row in of):.1f}" for kind in KINDS)]
        for how, of in frame.grouped(kinds["of what"], "how").items()
    ]
    yield Section("", [spent], frame.table(["", *KINDS], lines))
    below = "Microseconds of one member's step by task and layout, with as many rates and seeds as in tuning:"
    yield Section("", [below], task_table(kinds["step"]))


def whole_table(rows: list[Line]) -> Table:
    """Compare whole sweeps with the first row; each ratio is taken within one round."""
    seconds = {how: [row["seconds"] for row in of] for how, of in frame.grouped(rows, "how").items()}
    plain, lines = next(iter(seconds.values())), []
    for how, of in seconds.items():
        ratios = [slow / fast for slow, fast in zip(plain, of, strict=True)]
        middle, spread = statistics.median(ratios), f"{min(ratios):.1f} to {max(ratios):.1f}"
        lines.append([how, f"{statistics.median(of):.1f}", f"{middle:.1f}", spread])
    return frame.table(["", "seconds", "times faster", "lowest to highest"], lines)


def task_table(rows: list[Line]) -> Table:
    """Show the time of every layout on every task; the fastest is bold."""
    lines = []
    for task, of in frame.grouped(rows, "task").items():
        fastest = min(row["microseconds"] for row in of)
        cells = [(f"{row['microseconds']:.0f} ({row['compile']:.1f})", row["microseconds"] == fastest) for row in of]
        lines.append([Cell(task), *(Cell(text, "best" if best else "") for text, best in cells)])
    return Table(["task", *(f"{how}, µs (compile, s)" for how in frame.grouped(rows, "how"))], lines)
