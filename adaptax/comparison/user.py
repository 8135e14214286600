"""Compare methods on your own model: `from adaptax.comparison import compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from adaptax.comparison import methods as known_methods
from adaptax.comparison import problem as problems
from adaptax.comparison import schedules as known_schedules
from adaptax.comparison import streams
from adaptax.comparison.errors import InputError, nearest
from adaptax.comparison.methods import Method
from adaptax.comparison.module import Module
from adaptax.comparison.outcome import SLUG, Comparison
from adaptax.comparison.processes import is_main
from adaptax.comparison.protocol import Grid, Protocol, parse_grid
from adaptax.comparison.run import judge
from adaptax.comparison.task import Init, Layout, Loss, Score, Search, Splits, Task, check_splits


def compare(
    loss: Callable[..., Any],
    init: Init | None = None,
    data: Splits | None = None,
    *,
    methods: Sequence[str] | Mapping[str, Any],
    model: Callable[..., Any] | None = None,
    schedules: Sequence[Any] = ("constant",),
    search: Search | None = None,
    score: Score | None = None,
    scored: str = "loss",
    batch_size: int | None = None,
    steps: int = 1000,
    evaluations: int = 20,
    rates: str | Grid = "1e-3:1:7",
    tuning_seeds: int = 3,
    seeds: int = 10,
    title: str = "Your model",
    out: str | Path = "comparison",
    layout: Layout | None = None,
    memory: int | None = None,
    observe: int | None = None,
    progress: bool = True,
) -> Comparison:
    r"""Compare optimizers on your own model: rates are chosen on validation, then run with new seeds.

    All methods have the same number of trials, initial params and batches. The record is in `out`: the same call
    continues an interrupted comparison, and complete groups are never trained again.

    Args:
        loss: `loss(params, batch)`, the mean over the batch's examples; `loss(params, batch, key)` for a loss with
            randomness, whose key differs for every seed and step; with `model`, `loss(module, batch)`.
        init: `init(key)`, initial params: any tree of arrays. Other leaves stay as they are.
        data: the splits "train", "validation" and "test", each a tree of arrays with the examples along the first axis,
            or a function from a seed to an iterator of such batches: endless and all of one shape for "train", one
            pass for the others.
        methods: names of known methods, or a mapping from names to functions of `learning_rate` (any Optax optimizer),
            to known names, or to a `Method`, which has more fields.
        model: a flax nnx module, called as `model(rngs=nnx.Rngs(seed))`, in place of `init`. It is in training mode for
            steps and in evaluation mode for scores.
        schedules: of the learning rate, each tried with every rate: names (see `adaptax.comparison.schedules`), or
            functions of (peak, steps) that return an Optax schedule.
        search: further settings by method, as `{"adamw": {"weight_decay": (0, 1e-4, 1e-2)}}`. Methods with fewer
            settings get more rates.
        score: `score(params, batch)` or `score(module, batch)`, a mean over examples; lower is better. None: the loss.
            A loss with a key needs a score.
        scored: name and unit of the score, for the report.
        batch_size: examples of a step; None: all of them, or as many as the batches of a function have.
        steps: how many steps each member takes, at least `evaluations`.
        evaluations: how often a member is scored during training; it must divide `steps`.
        rates: LOW:HIGH:N, the log grid of learning rates, or of the peaks of their schedules.
        tuning_seeds: seeds 0, 1, … for every trial.
        seeds: how many new seeds the chosen trial is run with, at least 2.
        title: the report's.
        out: folder of record and report.
        layout: how members are computed at once, see `adaptax.comparison.blocks`; None: vmap; on a CPU, the
            layout that was fastest there.
        memory: bytes for members on each device; None: what is free.
        observe: a number of steps: the chosen trial of each method is trained once more with the first new seed, and
            observed by `adaptax.observe` at this interval; the report then shows the effective rate of each layer.
        progress: whether to show what is trained, the best so far and the time left.

    Returns:
        The comparison: `best(name)`, `print`, `plot()`, `report()`.

    Raises:
        InputError: bad input, said in one sentence before anything is trained; a folder with another comparison.

    >>> import jax, jax.numpy as jnp, numpy as np, optax, tempfile
    >>> x = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    >>> whole = {"x": x, "y": x @ np.array([1, -2, 0.5], np.float32)}
    >>> data = {name: jax.tree.map(lambda part: part[start::4], whole)
    ...         for start, name in enumerate(("train", "validation", "test"))}
    >>> result = compare(
    ...     lambda w, batch: jnp.mean((batch["x"] @ w - batch["y"]) ** 2), lambda key: jnp.zeros(3), data,
    ...     methods={"adam": "adam", "clipped": lambda learning_rate: optax.chain(
    ...         optax.clip(1.0), optax.sgd(learning_rate))},
    ...     rates="0.01:1:3", steps=50, evaluations=5, out=tempfile.mkdtemp(), progress=False)
    >>> result.best("adam").rate
    0.1
    """
    console = Console(quiet=not (progress and is_main()))
    chosen = _methods(methods, search or {})
    known = known_schedules.choose(schedules)
    if evaluations < 1 or steps % evaluations:
        raise InputError(f"evaluations must divide steps = {steps}, got {evaluations}.")
    if data is None:
        raise InputError("data must have the splits 'train', 'validation' and 'test', got None.")
    check_splits(data)
    task = Task(
        title=title,
        problem=problem_of(loss, init, model, score),
        data=lambda: data,
        scored=scored,
        batch_size=batch_size_of(data, batch_size),
        steps=steps,
        evaluate_every=steps // evaluations,
        tuning_seeds=tuning_seeds,
    )
    grid = rates if isinstance(rates, Grid) else parse_grid(rates)
    protocol = Protocol(rates=grid, final_seeds=seeds, schedules=tuple(known))
    folder = Path(out)
    named = methods if isinstance(methods, Mapping) else {}
    own = [name for name, make in named.items() if not isinstance(make, str)]
    judge(
        {SLUG: task},
        chosen,
        protocol,
        folder,
        console,
        known=known,
        layout=layout,
        resume=True,
        free=memory,
        own=own,
        observe_every=observe,
    )
    comparison = Comparison.read(folder)
    if is_main():
        console.print(f"Report: {comparison.report()}", soft_wrap=True)
    return comparison


def _methods(wanted: Sequence[str] | Mapping[str, Any], search: Mapping[str, Any]) -> dict[str, Method]:
    named = wanted if isinstance(wanted, Mapping) else {name: name for name in wanted}
    if not named or isinstance(wanted, str):
        raise InputError(f"methods must name at least one optimizer, as ('adam', 'lsalr'), got {wanted!r}.")
    for name in search:
        if name not in named:
            raise InputError(f"search has settings of {name!r}, which is not compared; {nearest(name, named)}.")
    for name in named:
        if not name or not set(name).isdisjoint("/\\:") or name.startswith("."):
            raise InputError(f"The name of a method must be one of a file, got {name!r}.")
    return {name: known_methods.own(name, make, search.get(name)) for name, make in named.items()}


def problem_of(loss: Any, init: Any, model: Any, score: Any) -> Loss | Module:
    """Return the problem that the user's arguments describe."""
    if (init is None) == (model is None):
        raise InputError("Give either init, a function of a key, or model, a flax nnx module's class.")
    for name, function in {"loss": loss, "init": init or model}.items():
        if not callable(function):
            raise InputError(f"{name} must be a function, got {function!r}.")
    if model is not None:
        return Module(model, loss, score)
    if score is None and problems.takes_key(loss):
        raise InputError("A loss with a key needs score(params, batch), which is computed without a key.")
    return Loss(init, loss, score)


def batch_size_of(data: Mapping[str, Any], batch_size: int | None) -> int | None:
    """Return the examples of a step; a stream's own batches decide."""
    if not callable(data["train"]):
        return batch_size
    first = next(iter(streams.batches_of(data["train"], 0, "train")), None)
    if first is None:
        raise InputError("The split 'train' must have batches, and its function yielded none.")
    if batch_size not in (None, size := streams.size(first)):
        raise InputError(f"batch_size must be that of the batches, {size}, or None, got {batch_size}.")
    return size
