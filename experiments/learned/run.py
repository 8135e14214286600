"""The kind of experiment that learns an optimizer, then compares it with hand-designed rules on new functions.

The comparison follows the protocol of `adaptax.comparison`. Every rule is tried at every rate of one grid, on functions
that serve only this purpose. It gets the rate with the lowest mean loss after the last step, among those that did not
diverge. Then all minimize the same new functions with the same batches. A family of functions is no `Task`: the score
is the mean over many functions side by side, and each draws a new batch at every step.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from adaptax.comparison.curve import Curve
from adaptax.comparison.errors import InputError
from adaptax.comparison.methods import Rule
from adaptax.comparison.progress import bars
from adaptax.comparison.protocol import best_rate
from experiments.engine.checkpoints import Checkpoints, Saved
from experiments.engine.placement import Placement
from experiments.engine.rows import Row, of_loss
from experiments.engine.runner import Done, Job
from experiments.learned import training
from experiments.learned.experiment import LEARNED, META_TRAINING, RATES, RULES, WEIGHTS, Learning, at_rate
from experiments.learned.experiment import LearningPlan as Options
from experiments.learned.problems import Functions, Problem, draw_functions, minimize
from experiments.learned.report import draw, sections
from experiments.learned.training import COMPARISON, TUNING, Meta, begin, key_of, period

__all__ = ["Options", "checkpoint_bytes", "draw", "place", "sections", "work"]

NOTHING = np.zeros(1, np.float32)  # the state in a checkpoint that keeps only rows


def place(slug: str, experiment: Learning, mesh: str | None) -> Placement:
    """Refuse a mesh."""
    if mesh is not None or jax.process_count() > 1:
        raise InputError(f"{slug} runs in one process on one device, so it takes no mesh, got {mesh!r}.")
    return Placement()


def checkpoint_bytes(experiment: Learning) -> int:
    """Count the bytes of the state of meta-training."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(begin(experiment)))


def work(job: Job) -> Done:
    """Learn, then compare, each with a progress bar."""
    experiment = job.experiment
    data = {trial: jax.device_put(of_trial.get("train")) for trial, of_trial in job.sets.items()}
    with bars(job.console) as progress:
        learning = progress.add_task("meta-training", total=experiment.epochs)
        # The number of pieces that `meet` yields in all trials, if each rule has a rate at which it does not diverge.
        pieces = len(experiment.trials) * (len(RULES) * len(RATES) + (len(RULES) + 1) * experiment.seeds)
        comparing = progress.add_task("comparison", total=pieces)

        def tell(row: Row) -> None:
            loss = "not finite" if row.loss is None else f"{row.loss:.4f}"
            progress.update(learning, completed=row.step, description=f"meta-training: loss {loss}")

        meta, rows = learn(experiment, period(experiment), next(iter(data.values())), job.checkpoints, tell)
        weights = training.finished(meta.best, experiment.output_scale)
        for trial in experiment.trials:
            progress.update(comparing, description=f"comparison: {trial}")
            slot = job.checkpoints.of(trial, 0)
            saved = slot.read(NOTHING) or Saved(1, NOTHING, [])
            if not saved.rows:
                for piece in meet(experiment, trial, weights, data[trial]):
                    saved.rows.extend(piece)
                    progress.advance(comparing)
                slot.save(saved)
            slot.close()
            rows += saved.rows
    return Done(rows, {}, lambda folder: training.save(folder / WEIGHTS, weights))


def learn(
    experiment: Learning,
    program: Callable[[Meta, Any, Any], tuple[Meta, Any]],
    data: Any,
    checkpoints: Checkpoints,
    tell: Callable[[Row], None] = lambda row: None,
) -> tuple[Meta, list[Row]]:
    """Train the net from its checkpoint or from the start, period by period; return a row for every validation."""
    slot = checkpoints.of(META_TRAINING, 0)
    saved = slot.read(begin(experiment)) or Saved(0, begin(experiment), [])
    meta, rows = Meta(*saved.state), list(saved.rows)
    for first in range(saved.step, experiment.epochs, experiment.validate_every):
        meta, loss = program(meta, np.int32(first), data)
        done = first + experiment.validate_every
        rows.append(of_loss(Row(META_TRAINING, LEARNED, 0, done, "validation"), loss))
        if slot.is_due() or done == experiment.epochs:
            slot.save(Saved(done, meta, list(rows)))
        tell(rows[-1])
    slot.close()
    if not np.isfinite(meta.best_loss):
        raise InputError("Meta-training never reached a finite validation loss; try a smaller meta_rate.")
    return meta, rows


def meet(experiment: Learning, trial: str, weights: Mapping[str, Any], data: Any) -> Iterator[list[Row]]:
    """Tune every rule, then compare all, with the finished weights; yield the rows piece by piece."""
    family, every = experiment.trials[trial], experiment.evaluate_every
    problem = family.problem()
    draw_some = jax.jit(partial(draw_functions, problem), static_argnums=(1, 2))
    methods = {LEARNED: partial(family.contenders[LEARNED].func, weights=weights), **RULES}
    programs = {method: minimization(problem, make, every) for method, make in methods.items()}

    def rows(method: str, rate: float, functions: Functions, split: str, seed: int = 0) -> list[Row]:
        name = method if method == LEARNED else at_rate(method, rate)
        return rows_of(Row(trial, name, seed, 0, split), programs[method](rate, functions, data), every)

    tuning, chosen = draw_some(key_of(TUNING), family.steps, experiment.tuned_functions), {LEARNED: 1.0}
    for rule in RULES:
        tuned = []
        for rate in RATES:
            end = rows(rule, rate, tuning, "validation")[-1]
            tuned.append(Curve(rate, 0, (), (end.loss,), None, end.step if end.diverged else None))
            yield [end]
        if (best := best_rate(tuned)) is not None:
            chosen[rule] = best
    for method, rate in chosen.items():
        for seed in range(experiment.seeds):
            functions = draw_some(key_of(COMPARISON, seed), family.steps, experiment.functions_per_seed)
            yield rows(method, rate, functions, "test", seed)


def minimization(problem: Problem, make: Rule, every: int) -> Callable[..., jax.Array]:
    """Compile the program from a learning rate, functions and data to the mean loss at each evaluation."""
    return jax.jit(lambda rate, functions, data: minimize(problem, make(learning_rate=rate), functions, data)[::every])


def rows_of(like: Row, curve: jax.Array, every: int) -> list[Row]:
    """Turn a curve into rows, up to the first loss that is not finite."""
    rows = []
    for number, loss in enumerate(np.asarray(curve, np.float64)):
        rows.append(of_loss(like._replace(step=number * every), loss))
        if rows[-1].diverged:
            break
    return rows
