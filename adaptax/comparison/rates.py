"""Find a learning rate before a comparison, by short runs at many rates side by side in one program.

A range test that raises the rate during one run sees each rate for a step, from where the lower ones led (Smith,
"Cyclical learning rates for training neural networks", WACV 2017). Here every rate has a run of its own from the same
initial params, so the curve is of the rates alone, and the edge of stability is that of training, not of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from adaptax.comparison import methods, streams, user
from adaptax.comparison.check import check_method, check_problem
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.program import Programs
from adaptax.comparison.protocol import Grid, parse_grid
from adaptax.comparison.run import layout_of
from adaptax.comparison.task import Init, Layout, Splits, Task
from adaptax.comparison.train import train

SCORED = 1000  # training examples whose loss is compared
BLUE, RED, GREY = "#0072B2", "#D55E00", "#777777"


class FoundRate(NamedTuple):
    """A learning rate, the edge of stability above it, and the curve that shows both.

    Attributes:
        rate: the one with the lowest mean loss at the end, of those with which no seed diverged.
        edge: the lowest rate above it at which a seed diverged or ended above its start; None if there is none.
        rates: all that were tried.
        losses: at the end, of shape (rates, seeds); infinite where a seed diverged.
        start: the losses before the first step, of shape (seeds,).
    """

    rate: float
    edge: float | None
    rates: tuple[float, ...]
    losses: np.ndarray
    start: np.ndarray

    def plot(self) -> Figure:
        """Draw the loss at the end against the rate: mean over the seeds, and a band from the lowest to the highest."""
        picture = Figure(figsize=(7.0, 4.2), layout="constrained")
        panel = picture.subplots()
        stable = np.isfinite(self.losses).all(axis=1)
        rates, losses = np.array(self.rates)[stable], self.losses[stable]
        panel.fill_between(rates, losses.min(axis=1), losses.max(axis=1), color=BLUE, alpha=0.2, linewidth=0)
        panel.plot(rates, losses.mean(axis=1), "o-", color=BLUE, label="loss at the end")
        panel.axhline(self.start.mean(), color=GREY, linestyle=":", label="loss at the start")
        panel.axvline(self.rate, color=BLUE, linestyle="--", label=f"rate {self.rate:g}")
        if self.edge is not None:
            panel.axvline(self.edge, color=RED, linestyle="-.", label=f"edge of stability {self.edge:g}")
        low, high = losses.min(), self.start.mean()
        panel.set(xscale="log", xlabel="learning rate", ylabel="training loss", ylim=(None, high + 0.3 * (high - low)))
        if low > 0 and high > 10 * low:
            panel.set(yscale="log", ylim=(low / 1.3, 2 * high))
        panel.legend()
        return picture


def find_rate(
    loss: Callable[..., Any],
    init: Init | None = None,
    data: Splits | None = None,
    method: Any = "adam",
    *,
    model: Callable[..., Any] | None = None,
    batch_size: int | None = None,
    steps: int = 200,
    seeds: int = 3,
    rates: str | Grid = "1e-6:100:33",
    layout: Layout | None = None,
    memory: int | None = None,
) -> FoundRate:
    r"""Return a learning rate that trains well for some hundred steps, and the edge of stability above it.

    The best rate for a few hundred steps is often too high for a long run, and a rate with a schedule can be higher
    than a constant one. Use it as the middle of the grid for `compare`, which also judges on data outside training.

    Args:
        loss: as in `compare`.
        init: as in `compare`.
        data: the split "train", as in `compare`; others are not read.
        method: a function of `learning_rate`, a known name or a `Method`.
        model: as in `compare`.
        batch_size: examples of a step; None: all of them, or as many as the batches of a function have.
        steps: how many each run takes.
        seeds: how many runs there are at each rate.
        rates: LOW:HIGH:N, the log grid.
        layout: as in `compare`.
        memory: as in `compare`.

    Raises:
        InputError: bad input, as in `compare`; a method that diverges with every rate.

    >>> import jax.numpy as jnp, numpy as np, optax
    >>> curvature = np.array([[1.0, 4.0]], np.float32)  # descent is stable below 2 / 4
    >>> found = find_rate(lambda w, batch: 0.5 * jnp.sum(batch * w[None] ** 2), lambda key: jnp.ones(2),
    ...                   {"train": curvature}, optax.sgd, rates="0.01:1:9")
    >>> found.rate, found.edge
    (0.316, 0.562)
    """
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}.")
    if data is None or "train" not in data:
        raise InputError(f"data must have a split 'train', got {sorted(data or ())}.")
    train_split = data["train"]
    some = streams.whole(train_split, "train", SCORED) if callable(train_split) else train_split
    splits = {"train": train_split, "validation": some, "test": some}
    task = Task(
        title="",
        problem=user.problem_of(loss, init, model, loss),
        data=lambda: splits,
        scored="",
        batch_size=user.batch_size_of(splits, batch_size),
        steps=steps,
        evaluate_every=steps,
        train_examples_scored=SCORED,
    )
    grid = rates if isinstance(rates, Grid) else parse_grid(rates)
    field, chosen = Field(Programs(task, layout or layout_of(task)), splits), methods.own("method", method)
    check_method("method", chosen, field, *check_problem(field))
    program = field.programs.of(chosen)
    trials = program.at(grid.rate(index) for index in range(grid.count))
    curves, _ = train(field, program, trials, range(seeds), free=memory)
    ends = np.array([np.inf if curve.diverged_at else curve.train[-1] for curve in curves]).reshape(seeds, -1).T
    return _choose([trial.rate for trial in trials], ends, field.start(range(seeds)))


def _choose(rates: Sequence[float], ends: np.ndarray, start: np.ndarray) -> FoundRate:
    means = ends.mean(axis=1)
    if not np.isfinite(means).any():
        raise InputError(f"The method diverged with every rate from {rates[0]:g} to {rates[-1]:g}; take lower ones.")
    best = int(np.argmin(means))
    beyond = [rate for rate, of in zip(rates[best:], ends[best:], strict=True) if np.any(of > start)]  # inf: diverged
    edge = beyond[0] if beyond else None
    return FoundRate(rates[best], edge, tuple(rates), ends, start)
