"""The runs of a sweep as one writes them without it: a jitted step, the data on the device, one run after the other.

In the plainest program that is still a good one the learning rate is an argument of the step, so it is compiled once;
with the rate inside it, as Optax's examples have it, it would be compiled for every rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
import optax

from adaptax.comparison import batches
from adaptax.comparison.methods import Method
from adaptax.comparison.program import mean_over
from adaptax.comparison.step import take_step
from adaptax.comparison.task import Batch, Params, Splits, Task


def run(task: Task, contender: Method, splits: Splits, rates: Sequence[float], seeds: Sequence[int]) -> np.ndarray:
    """Train and score every member; return the validation scores at the end, (seeds, rates)."""
    on_device = {name: jax.tree.map(jax.numpy.asarray, split) for name, split in splits.items()}
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
