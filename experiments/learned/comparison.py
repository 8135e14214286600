"""The learned optimizer and rules made by hand, on new functions of a family.

As the protocol of `adaptax.comparison` wants it: every rule is tried at every rate of one grid, on functions for that
alone, and gets the rate with the lowest mean loss after the last step, of those that did not diverge. Then all minimize
the same functions, with the same batches, which nobody has seen before. A family of functions is no `Task`: what is
judged is the mean over many of them side by side, each with batches that are drawn anew at every step.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from adaptax.comparison.contenders import Rule
from adaptax.comparison.protocol import best_rate
from adaptax.comparison.train import Curve
from experiments.engine.rows import Row, of_loss
from experiments.learned.experiment import LEARNED, RATES, RULES, Learning, at_rate
from experiments.learned.problems import Problem
from experiments.learned.training import COMPARISON, TUNING, key_of
from experiments.learned.unroll import Functions, draw, minimize

Minimize = Callable[..., jax.Array]  # learning rate, functions, data; to the mean loss at each evaluation


def meet(experiment: Learning, trial: str, weights: Mapping[str, Any], data: Any) -> Iterator[list[Row]]:
    """Tune every rule, then compare, with the finished weights; what is known comes piece by piece."""
    family, every = experiment.trials[trial], experiment.evaluate_every
    problem = family.problem()
    draw_some = jax.jit(partial(draw, problem), static_argnums=(1, 2))
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


def count_pieces(experiment: Learning) -> int:
    """Count what `meet` yields over all trials, if each rule has a rate at which it does not diverge."""
    return len(experiment.trials) * (len(RULES) * len(RATES) + (len(RULES) + 1) * experiment.seeds)


def minimization(problem: Problem, make: Rule, every: int) -> Minimize:
    """Compile the minimization of some functions side by side, for any learning rate."""
    return jax.jit(lambda rate, functions, data: minimize(problem, make(learning_rate=rate), functions, data)[::every])


def rows_of(like: Row, curve: jax.Array, every: int) -> list[Row]:
    """Turn a curve into rows; after a loss that is not finite there is nothing more."""
    rows = []
    for number, loss in enumerate(np.asarray(curve, np.float64)):
        rows.append(of_loss(like._replace(step=number * every), loss))
        if rows[-1].diverged:
            break
    return rows
