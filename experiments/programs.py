"""The compiled part of an experiment: all seeds at once (`vmap`), many steps at once (`lax.scan`).

Contenders that differ only in numbers (learning rates, bonuses) share one program: their float
settings are its arguments. Compiling is most of the time that small experiments take.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.data import Dataset, Split
from experiments.experiment import Experiment
from experiments.models import Net, Params, functional

Settings = dict[str, float]


class Program(NamedTuple):
    """One contender, all seeds; the leading axis of every argument but `train` is the seed."""

    init: Callable[[Params], Any]  # to the optimizer's state
    chunk: Callable[..., tuple[Params, Any]]  # params, state, train split, batches; consumes both


class Programs:
    """Compiles each method of an experiment once."""

    def __init__(self, experiment: Experiment) -> None:
        """Remember the experiment; nothing is compiled before it is used."""
        self.experiment = experiment
        self.net = functional(experiment.model)
        self.evaluate = jax.jit(jax.vmap(_evaluate(self.net), in_axes=(0, None)))
        self._by_method = functools.cache(self._compile)

    def of(self, contender: functools.partial) -> Program:
        """Give a contender's program, its numbers filled in."""
        numbers = {k: v for k, v in contender.keywords.items() if isinstance(v, float)}
        fixed = {k: v for k, v in contender.keywords.items() if k not in numbers}
        init, chunk = self._by_method(contender.func, tuple(sorted(fixed.items())))
        settings = jax.device_put({k: jnp.float32(v) for k, v in numbers.items()})
        return Program(functools.partial(init, settings), functools.partial(chunk, settings))

    def _compile(self, method: Callable[..., Any], fixed: tuple[tuple[str, Any], ...]) -> tuple:
        method = functools.partial(method, **dict(fixed))

        def init(settings: Settings, params: Params) -> Any:
            return method(**settings).init(params)

        chunk = _chunk(self.experiment, self.net, method)
        return (
            jax.jit(jax.vmap(init, in_axes=(None, 0))),
            jax.jit(jax.vmap(chunk, in_axes=(None, 0, 0, None, 0)), donate_argnums=(1, 2)),
        )


def _chunk(
    experiment: Experiment, net: Net, method: Callable[..., optax.GradientTransformation]
) -> Callable[..., tuple[Params, Any]]:
    """Train one seed from one evaluation to the next."""
    reduce = {"mean": jnp.mean, "sum": jnp.sum}[experiment.loss]

    def loss(params: Params, batch: Split) -> jax.Array:
        return reduce(_cross_entropy(net.apply(params, batch.pictures), batch.classes))

    def chunk(
        settings: Settings, params: Params, state: Any, train: Split, batches: jax.Array | None
    ) -> tuple[Params, Any]:
        optimizer = method(**settings)

        def step(carry: tuple[Params, Any], batch: jax.Array | None) -> tuple[Any, None]:
            params, state = carry
            pictures = train if batch is None else jax.tree.map(lambda part: part[batch], train)
            gradients = jax.grad(loss)(params, pictures)
            updates, state = optimizer.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        # The full batch needs no choice of pictures: one step is one epoch.
        length = experiment.evaluate_every_epochs if batches is None else None
        return jax.lax.scan(step, (params, state), batches, length=length)[0]

    return chunk


def _evaluate(net: Net) -> Callable[[Params, Dataset], dict[str, jax.Array]]:
    """Measure one seed on all splits: {split: [loss, error in per cent]}."""

    def evaluate(params: Params, data: Dataset) -> dict[str, jax.Array]:
        return {name: scores(net.apply(params, s.pictures), s.classes) for name, s in data.items()}

    def scores(logits: jax.Array, classes: jax.Array) -> jax.Array:
        wrong = jnp.argmax(logits, axis=-1) != classes
        return jnp.stack([_cross_entropy(logits, classes).mean(), 100 * wrong.mean()])

    return evaluate


def _cross_entropy(logits: jax.Array, classes: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, classes)
