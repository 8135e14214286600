"""The learned optimizer and rules made by hand, on new functions of a family.

Every rule is tried at every rate of the grid on functions of its own and gets the rate with the lowest mean loss after
the last step. Then all minimize the same functions, with the same batches, which nobody has seen before.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.engine.rows import Row
from experiments.learned.experiment import LEARNED, RULES, Family, Learning, at_rates
from experiments.learned.problems import Problem
from experiments.learned.training import COMPARISON, TUNING, key_of
from experiments.learned.unroll import Functions, draw, start, unroll

Minimize = Callable[..., jax.Array]  # learning rate, functions, data; to the mean loss at each evaluation


class Meeting(NamedTuple):
    """The functions of one trial, and what they are minimized with."""

    trial: str
    family: Family
    weights: Mapping[str, Any]  # finished
    data: Any


def meet(experiment: Learning, meeting: Meeting) -> Iterator[list[Row]]:
    """Tune every rule, then compare; what is known comes piece by piece."""
    trial, family = meeting.trial, meeting.family
    problem = family.problem()
    draw_some = jax.jit(functools.partial(draw, problem), static_argnums=(1, 2))
    tuning = draw_some(key_of(TUNING), family.steps, experiment.tuned_functions)
    learned = functools.partial(family.contenders[LEARNED].func, weights=meeting.weights)
    chosen = {LEARNED: (minimization(problem, learned, experiment.evaluate_every), 1.0)}
    for rule in RULES:
        program, losses = minimization(problem, RULES[rule], experiment.evaluate_every), {}
        for name, contender in at_rates(rule).items():
            rate = contender.keywords["learning_rate"]
            curve = program(rate, tuning, meeting.data)
            row = rows_of(Row(trial, name, 0, 0, "validation", None, None, False), curve, experiment.evaluate_every)[-1]
            losses[name] = math.inf if row.loss is None else row.loss
            yield [row]
        best = min(losses, key=losses.__getitem__)
        chosen[best] = program, at_rates(rule)[best].keywords["learning_rate"]
    for name, (program, rate) in chosen.items():
        for seed in range(experiment.seeds):
            functions = draw_some(key_of(COMPARISON, seed), family.steps, experiment.functions_per_seed)
            curve = program(rate, functions, meeting.data)
            yield rows_of(Row(trial, name, seed, 0, "test", None, None, False), curve, experiment.evaluate_every)


def count_pieces(experiment: Learning) -> int:
    """Count what `meet` yields over all trials."""
    tuned = sum(len(at_rates(rule)) for rule in RULES)
    return len(experiment.trials) * (tuned + (len(RULES) + 1) * experiment.seeds)


def minimization(problem: Problem, contender: Callable[..., Any], every: int) -> Minimize:
    """Compile the minimization of some functions side by side, for any learning rate."""

    def run(rate: jax.Array, functions: Functions, data: Any) -> jax.Array:
        optimizer = contender(learning_rate=rate)
        begun, first = start(problem, optimizer, functions, data)
        losses = unroll(problem, optimizer, begun, functions.made_of, data, functions.keys[1:])[1]
        return jnp.concatenate([first[None], losses]).mean(axis=1)[::every]

    return jax.jit(run)


def rows_of(like: Row, curve: jax.Array, every: int) -> list[Row]:
    """Turn a curve into rows; after a loss that is not finite there is nothing more."""
    rows = []
    for number, loss in enumerate(np.asarray(curve, np.float64)):
        wild = not np.isfinite(loss)
        rows.append(like._replace(step=number * every, loss=None if wild else float(loss), diverged=wild))
        if wild:
            break
    return rows
