"""The trained net and its meta-training: Adam on its weights, by truncated backpropagation through its steps.

Kernels start truncated normal with standard deviation 1/√rows and biases at 0, as Sonnet's do in the authors' code.

An epoch draws functions, minimizes them side by side, and moves the weights after every `unroll` steps; it treats the
steps before as constant. A period is some epochs and a validation on functions that are never trained on. The weights
with the lowest loss after the last step are kept (early stopping, section 3 of Andrychowicz et al. 2016). All random
numbers come from the epoch's number, so a period needs only `Meta` from the periods before.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import adaptax
from adaptax import learned_lstm
from adaptax._learned_weights import UNITS, shapes
from experiments.learned.experiment import Learning
from experiments.learned.problems import Key, Run, draw_functions, minimize, start, unroll

Weights = dict[str, dict[str, jax.Array]]
FIRST_WEIGHTS, TRAINING, VALIDATION, TUNING, COMPARISON = range(5)  # the purposes of keys
TURN = 0x7A1  # sets the key of an epoch's sample apart from those of its functions


def draw_weights(key: jax.Array, inputs: int, units: int = UNITS) -> Weights:
    """Draw the first weights."""
    leaves, structure = jax.tree.flatten(shapes(units, inputs), is_leaf=lambda node: isinstance(node, tuple))
    drawn = []
    for k, shape in zip(jax.random.split(key, len(leaves)), leaves, strict=True):
        normal = jax.random.truncated_normal(k, -2.0, 2.0, shape) / jnp.sqrt(jnp.float32(shape[0]))
        drawn.append(jnp.zeros(shape) if len(shape) == 1 else normal)
    return structure.unflatten(drawn)


def sampled(weights: Weights, output_scale: float, one_in: int, turn: jax.Array) -> optax.GradientTransformation:
    """Return `learned_lstm` of a vector that is differentiable only through every `one_in`-th number from `turn` on.

    Each number is treated alone, so the derivative by the weights is a sum over numbers. The sample's sum, times
    `one_in`, is an unbiased estimate of it and takes a fraction of the time.
    """
    through, past = (learned_lstm(output_scale, phi) for phi in (weights, jax.lax.stop_gradient(weights)))

    def divide(vector: jax.Array) -> tuple[jax.Array, jax.Array]:
        rows = jnp.pad(vector, (0, -len(vector) % one_in)).reshape(-1, one_in).T
        rows = jnp.roll(rows, -turn, axis=0)
        return rows[0], rows[1:].ravel()

    def init(params: jax.Array) -> Any:
        sample, others = divide(params)
        return through.init(sample), past.init(others)

    def update(gradient: jax.Array, state: Any, params: Any = None) -> tuple[jax.Array, Any]:
        sample, others = divide(gradient)
        step, of_sample = through.update(sample, state[0])
        steps, of_others = past.update(others, state[1])
        known = jax.lax.stop_gradient(step)
        rows = jnp.concatenate([(known + one_in * (step - known))[None], steps.reshape(one_in - 1, -1)])
        return jnp.roll(rows, turn, axis=0).T.ravel()[: len(gradient)], (of_sample, of_others)

    return optax.GradientTransformation(init, update)


def finished(weights: Weights, output_scale: float) -> dict[str, Any]:
    """Multiply the linear layer by the output scale, so that the finished weights need learning rate 1."""
    scaled = jax.tree.map(lambda leaf: leaf * jnp.float32(output_scale), weights["linear"])
    return jax.device_get({**weights, "linear": scaled})


def save(path: Path, weights: dict[str, Any]) -> None:
    """Replace a file of finished weights, an array for each LAYER/PART."""
    new = path.with_name(f".new-{path.name}")
    np.savez(new, **{f"{layer}/{part}": leaf for layer, parts in weights.items() for part, leaf in parts.items()})
    os.replace(new, path)


class Meta(NamedTuple):
    """The state of meta-training."""

    weights: Weights
    state: Any  # Adam's
    best: Weights  # those with the lowest validation loss so far
    best_loss: jax.Array


def key_of(purpose: int, number: int | jax.Array = 0) -> Key:
    """Return the random key of a purpose and a number."""
    return jax.random.fold_in(jax.random.key(purpose), number)


def begin(experiment: Learning) -> Meta:
    """Draw the first weights."""
    weights = draw_weights(key_of(FIRST_WEIGHTS), experiment.inputs)
    return Meta(weights, adam(experiment).init(weights), weights, jnp.float32(jnp.inf))


def adam(experiment: Learning) -> optax.GradientTransformation:
    """Return the optimizer of the weights, whose rate falls along a cosine to 0 at the last unroll."""
    unrolls = experiment.epochs * experiment.trained_on.steps // experiment.unroll
    falling = optax.cosine_decay_schedule(experiment.meta_rate, unrolls)
    return adaptax.adam(lambda count: falling(jnp.asarray(count, jnp.float32)))


def period(experiment: Learning) -> Callable[[Meta, jax.Array, Any], tuple[Meta, jax.Array]]:
    """Compile a period from a given epoch on; it also returns the validation loss after the last step."""
    train, family = epoch(experiment), experiment.trained_on
    problem = family.problem()

    def run(meta: Meta, first: jax.Array, data: Any) -> tuple[Meta, jax.Array]:
        def one(trained: tuple[Weights, Any], number: jax.Array) -> tuple[tuple[Weights, Any], None]:
            return train(*trained, key_of(TRAINING, number), data), None

        numbers = first + jnp.arange(experiment.validate_every)
        (weights, state), _ = jax.lax.scan(one, (meta.weights, meta.state), numbers)
        functions = draw_functions(problem, key_of(VALIDATION), family.steps, experiment.validated_functions)
        loss = minimize(problem, learned_lstm(experiment.output_scale, weights), functions, data)[-1]
        better = loss < meta.best_loss  # never where it is NaN
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), weights, meta.best)
        return Meta(weights, state, best, jnp.where(better, loss, meta.best_loss)), loss

    return jax.jit(run)


def epoch(experiment: Learning) -> Callable[[Weights, Any, Key, Any], tuple[Weights, Any]]:
    """Return the function that minimizes new functions once and moves the weights on the way."""
    family, meta_optimizer = experiment.trained_on, adam(experiment)
    problem, pieces = family.problem(), family.steps // experiment.unroll

    def cost(weights: Weights, run: Run, made_of: Any, data: Any, keys: Key, turn: Any) -> tuple[jax.Array, Run]:
        run, losses = unroll(problem, learned(weights, turn), run, made_of, data, keys)
        return losses.mean(axis=1).sum(), run

    def learned(weights: Weights, turn: jax.Array) -> optax.GradientTransformation:
        if experiment.one_in == 1:
            return learned_lstm(experiment.output_scale, weights)
        return sampled(weights, experiment.output_scale, experiment.one_in, turn)

    def train(weights: Weights, state: Any, key: Key, data: Any) -> tuple[Weights, Any]:
        functions = draw_functions(problem, key, family.steps, experiment.functions)
        turn = jax.random.randint(jax.random.fold_in(key, TURN), (), 0, experiment.one_in)
        run, _ = start(problem, learned(weights, turn), functions, data)

        def piece(carry: tuple[Weights, Any, Run], keys: Key) -> tuple[tuple[Weights, Any, Run], None]:
            weights, state, run = carry
            gradient, run = jax.grad(cost, has_aux=True)(weights, run, functions.made_of, data, keys, turn)
            updates, state = meta_optimizer.update(gradient, state, weights)
            return (optax.apply_updates(weights, updates), state, run), None

        keys = functions.keys[1:].reshape(pieces, experiment.unroll, experiment.functions)
        (weights, state, _), _ = jax.lax.scan(piece, (weights, state, run), keys)
        return weights, state

    return train
