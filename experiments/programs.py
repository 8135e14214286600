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
import numpy as np
import optax

from experiments.data import Split
from experiments.evaluation import cross_entropy, evaluation
from experiments.experiment import Experiment
from experiments.loading import OnDevice
from experiments.models import Net, Params, functional

Settings = dict[str, float]


class Program(NamedTuple):
    """One contender, all seeds; the leading axis of params, state and batches is the seed."""

    init: Callable[[Params], Any]  # to the optimizer's state
    chunk: Callable[..., tuple[Params, Any]]  # params, state, data, batches, steps; consumes the first two


class Programs:
    """Compiles each method of an experiment once."""

    def __init__(self, experiment: Experiment) -> None:
        """Remember the experiment; nothing is compiled before it is used."""
        self.experiment = experiment
        self.net = functional(experiment.model)
        self.evaluate = jax.jit(jax.vmap(evaluation(experiment, self.net), in_axes=(0, None)))
        self._by_method = functools.cache(self._compile)

    def of(self, contender: functools.partial) -> Program:
        """Give a contender's program, its numbers filled in."""
        numbers = {k: v for k, v in contender.keywords.items() if isinstance(v, float)}
        fixed = {k: v for k, v in contender.keywords.items() if k not in numbers}
        init, chunk = self._by_method(contender.func, tuple(sorted(fixed.items())))
        settings = {k: np.float32(v) for k, v in numbers.items()}
        return Program(functools.partial(init, settings), functools.partial(chunk, settings))

    def _compile(self, method: Callable[..., Any], fixed: tuple[tuple[str, Any], ...]) -> tuple:
        method = functools.partial(method, **dict(fixed))

        def init(settings: Settings, params: Params) -> Any:
            return jax.vmap(lambda params: method(**settings).init(params))(params)

        train = _chunk(self.experiment, self.net, method)

        def chunk(
            settings: Settings, params: Params, state: Any, data: OnDevice, batches: jax.Array | None, steps: int
        ) -> tuple[Params, Any]:
            all_seeds = jax.vmap(functools.partial(train, steps=steps), in_axes=(None, 0, 0, None, 0))
            return all_seeds(settings, params, state, data, batches)

        return jax.jit(init), jax.jit(chunk, static_argnums=5, donate_argnums=(1, 2))


def _chunk(
    experiment: Experiment, net: Net, method: Callable[..., optax.GradientTransformation]
) -> Callable[..., tuple[Params, Any]]:
    """Train one seed from one evaluation to the next."""
    reduce = {"mean": jnp.mean, "sum": jnp.sum}[experiment.loss]

    def loss(params: Params, batch: Split, mean: jax.Array) -> jax.Array:
        logits = net.apply(params, experiment.scale(batch.pictures, mean))
        return reduce(cross_entropy(logits, batch.classes))

    def chunk(
        settings: Settings, params: Params, state: Any, data: OnDevice, batches: jax.Array | None, *, steps: int
    ) -> tuple[Params, Any]:
        optimizer, train = method(**settings), data.splits["train"]

        def step(carry: tuple[Params, Any], batch: jax.Array | None) -> tuple[Any, None]:
            params, state = carry
            # The full batch needs no choice of pictures.
            pictures = train if batch is None else jax.tree.map(lambda part: part[batch], train)
            gradients = jax.grad(loss)(params, pictures, data.mean)
            updates, state = optimizer.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, state), batches, length=steps)[0]

    return chunk
