"""Families of tasks that differ in one or two settings, to see where a rate helps and not only whether it does.

width  MNIST, two rectified layers of 16 to 512 units: does the best learning rate stay, if norms are held, if rates
       follow the maximal update parametrization?
depth  8 × 8 digits, 1 to 10 layers of 32 units, three nonlinearities: where gradients vanish
deep   MNIST, 4, 6 or 8 sigmoid or tanh layers of 64 units: momentum with LSALR, between none and a whole normalization
batch  8 × 8 digits, two rectified layers, batches of 4 to all 1,000 pictures: rates that compare signs need gradients
       that are more than noise

Each method is trained at every rate of a grid with several seeds, under one schedule, as in a comparison; only the
validation split is read.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import jax
import optax
from jax.typing import ArrayLike
from rich.console import Console

import adaptax
from adaptax.comparison import around
from adaptax.comparison import methods as known_methods
from adaptax.comparison.method import Method
from adaptax.comparison.protocol import Grid, Protocol
from adaptax.comparison.run import judge
from adaptax.comparison.task import Task
from experiments.data import digits
from experiments.decade.searching import SCHEDULE
from experiments.engine.places import RESULTS, Data, Out
from experiments.models import Classification
from experiments.models.mlp import Mlp
from experiments.tasks import mnist_mlp

Name = Literal["width", "depth", "deep", "batch"]
WIDTHS, DEPTHS, BATCHES = (16, 32, 64, 128, 256, 512), (1, 2, 4, 6, 8, 10), (4, 16, 64, 256, 1000)
NONLINEARITIES = ("sigmoid", "tanh", "relu")
NARROW = 64  # the width at which the rates of `mup` are 1
DEPTH_METHODS = ("optax_sgd", "lsalr", "local_gains", "adam", "cautious_adam", "optax_muon", "update_floor_muon")
DEEP, DEEP_METHODS = (4, 6, 8), ("optax_momentum", "lsalr_momentum", "trust_ratio_momentum", "adam")
BATCH_METHODS = (
    *("optax_sgd", "local_gains", "delta_bar_delta", "optax_momentum", "cautious_momentum", "alignment_momentum"),
    *("adam", "cautious_adam", "alignment_adam"),
)


class Loss(Classification):
    """The same, judged by the loss: it shows smaller differences than the error does."""

    score = Classification.loss


class Family(NamedTuple):
    """Tasks by slug, and what is tried on each."""

    tasks: Mapping[str, Task]
    methods: Callable[[Task], Mapping[str, Method]]
    rates: Grid
    seeds: int


def held(learning_rate: ArrayLike, direction: around.Rule) -> optax.GradientTransformation:
    """Return Hyperball: every step turns a layer's weights by an angle, and their norm stays the first one."""
    turn = adaptax.rescale(direction(), adaptax.trust_ratio_rate())  # a bias has its kernel's ratio
    return optax.chain(turn, optax.scale_by_learning_rate(learning_rate), adaptax.hold_norms())


def by_width(learning_rate: ArrayLike, table: dict[str, float]) -> optax.GradientTransformation:
    """Return Adam with a constant rate for each leaf."""
    rates = adaptax.rate_by_path(table)
    return optax.chain(adaptax.rescale(adaptax.scale_by_moments(), rates), optax.scale_by_learning_rate(learning_rate))


def _width_methods(task: Task) -> dict[str, Method]:
    adam, muon = (around.DIRECTIONS[name][0] for name in ("adam", "muon"))
    wide, narrow = (jax.eval_shape(of.problem.init, jax.random.key(0)) for of in (task, _wide(NARROW)))
    return {
        **known_methods.choose(["adam", "optax_muon"]),
        "adam_held": Method(make=partial(held, direction=adam)),
        "muon_held": Method(make=partial(held, direction=muon)),
        "adam_mup": Method(make=partial(by_width, table=adaptax.mup(wide, narrow))),
    }


def _wide(width: int) -> Task:
    model = partial(mnist_mlp.TASK.problem.model, widths=(width, width))
    problem = Loss(model=model, scale=mnist_mlp.TASK.problem.scale)
    steps = {"steps": 400, "evaluate_every": 400}
    return dataclasses.replace(
        mnist_mlp.TASK, title=f"MNIST, two layers of {width} units", problem=problem, scored="loss, nats", **steps
    )


def _on_digits(widths: tuple[int, ...], nonlinearity: str, batch: int, title: str) -> Task:
    return Task(
        title=title,
        problem=Loss(model=partial(Mlp, inputs=64, widths=widths, classes=10, nonlinearity=nonlinearity)),
        data=partial(digits.load),
        scored="loss, nats",
        batch_size=batch,
        steps=400,
        evaluate_every=400,
    )


def _deep(nonlinearity: str, depth: int) -> Task:
    return _on_digits((32,) * depth, nonlinearity, 50, f"8 × 8 digits, {nonlinearity}, {depth} layers of 32 units")


def _momentum(nonlinearity: str, depth: int) -> Task:
    model = partial(mnist_mlp.TASK.problem.model, widths=(NARROW,) * depth, nonlinearity=nonlinearity)
    problem = dataclasses.replace(mnist_mlp.TASK.problem, model=model)
    title = f"MNIST, {nonlinearity}, {depth} layers of {NARROW} units"
    return dataclasses.replace(mnist_mlp.TASK, title=title, problem=problem, steps=1500, evaluate_every=1500)


def _chosen(names: tuple[str, ...]) -> Callable[[Task], Mapping[str, Method]]:
    return lambda task: known_methods.choose(names)


FAMILIES: dict[Name, Family] = {
    "width": Family({f"{w:03d}": _wide(w) for w in WIDTHS}, _width_methods, Grid(1e-4, 1e-1, 13), 3),
    "depth": Family(
        {f"{of}_{depth:02d}": _deep(of, depth) for of in NONLINEARITIES for depth in DEPTHS},
        _chosen(DEPTH_METHODS),
        Grid(1e-3, 10.0, 13),
        3,
    ),
    "deep": Family(
        {f"{of}_{depth:02d}": _momentum(of, depth) for of in NONLINEARITIES[:2] for depth in DEEP},
        _chosen(DEEP_METHODS),
        Grid(10**-2.5, 10.0, 8),
        3,
    ),
    "batch": Family(
        {f"{size:04d}": _on_digits((32, 32), "relu", size, f"8 × 8 digits, batches of {size}") for size in BATCHES},
        _chosen(BATCH_METHODS),
        Grid(1e-3, 10.0, 13),
        3,
    ),
}


def maps(families: tuple[Name, ...] = get_args(Name), out: Out = RESULTS / "maps", data: Data = None) -> None:
    """Train families of small tasks at every rate of a grid; records in OUT/FAMILY are kept and reused.

    Args:
        families: What varies from task to task.
    """
    for name in families:
        family = FAMILIES[name]
        protocol = Protocol(rates=family.rates, tuning_seeds=family.seeds, schedules=(SCHEDULE,), only_tunes=True)
        for slug, task in family.tasks.items():
            methods, folder = family.methods(task), Path(out) / name
            judge({slug: task}, methods, protocol, folder, Console(), folder=data, resume=True)
