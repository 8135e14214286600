"""Meta-training: Adam on the optimizer's weights, by truncated backpropagation through its steps.

An epoch draws functions, minimizes them side by side, and after every `unroll` steps moves the weights; what ran so far
is taken as given. A period is some epochs and a validation on functions that are never trained on: the weights with
the lowest loss after the last step are kept (early stopping, section 3 of Andrychowicz et al. 2016). All that is left
to chance comes from the epoch's number, so a period needs nothing of the ones before but what `Meta` holds.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import adaptax
from experiments.learned.experiment import Learning
from experiments.learned.net import Weights, draw, optimizer, sampled
from experiments.learned.problems import Key
from experiments.learned.unroll import Run, minimize, start, unroll
from experiments.learned.unroll import draw as draw_functions

FIRST_WEIGHTS, TRAINING, VALIDATION, TUNING, COMPARISON = range(5)  # what keys are for
TURN = 0x7A1  # sets the key of an epoch's sample apart from those of its functions


class Meta(NamedTuple):
    """All that meta-training keeps."""

    weights: Weights
    state: Any  # Adam's
    best: Weights  # those with the lowest validation loss so far
    best_loss: jax.Array


def key_of(purpose: int, number: int | jax.Array = 0) -> Key:
    """Give what chance is made of."""
    return jax.random.fold_in(jax.random.key(purpose), number)


def begin(experiment: Learning) -> Meta:
    """Draw the first weights."""
    weights = draw(key_of(FIRST_WEIGHTS), experiment.inputs)
    return Meta(weights, adam(experiment).init(weights), weights, jnp.float32(jnp.inf))


def adam(experiment: Learning) -> optax.GradientTransformation:
    """Return what moves the weights, at a rate that falls as a cosine to 0 at the last unroll."""
    unrolls = experiment.epochs * experiment.trained_on.steps // experiment.unroll
    falling = optax.cosine_decay_schedule(experiment.meta_rate, unrolls)
    return adaptax.adam(lambda count: falling(jnp.asarray(count, jnp.float32)))


def period(experiment: Learning) -> Callable[[Meta, jax.Array, Any], tuple[Meta, jax.Array]]:
    """Compile some epochs, from one on, and their validation; it returns the validation loss after the last step."""
    train, validate = epoch(experiment), validation(experiment)

    def run(meta: Meta, first: jax.Array, data: Any) -> tuple[Meta, jax.Array]:
        def one(trained: tuple[Weights, Any], number: jax.Array) -> tuple[tuple[Weights, Any], None]:
            return train(*trained, key_of(TRAINING, number), data), None

        numbers = first + jnp.arange(experiment.validate_every)
        (weights, state), _ = jax.lax.scan(one, (meta.weights, meta.state), numbers)
        loss = validate(weights, data)
        better = loss < meta.best_loss  # never where it is NaN
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), weights, meta.best)
        return Meta(weights, state, best, jnp.where(better, loss, meta.best_loss)), loss

    return jax.jit(run)


def epoch(experiment: Learning) -> Callable[[Weights, Any, Key, Any], tuple[Weights, Any]]:
    """Minimize new functions once, and move the weights on the way."""
    family, meta_optimizer = experiment.trained_on, adam(experiment)
    problem, pieces = family.problem(), family.steps // experiment.unroll

    def cost(weights: Weights, run: Run, made_of: Any, data: Any, keys: Key, turn: Any) -> tuple[jax.Array, Run]:
        run, losses = unroll(problem, learned(weights, turn), run, made_of, data, keys)
        return losses.mean(axis=1).sum(), run

    def learned(weights: Weights, turn: jax.Array) -> optax.GradientTransformation:
        if experiment.one_in == 1:
            return optimizer(weights, experiment.output_scale)
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


def validation(experiment: Learning) -> Callable[[Weights, Any], jax.Array]:
    """Give the mean loss after the last step, on the same functions every time."""
    family = experiment.trained_on
    problem = family.problem()

    def validate(weights: Weights, data: Any) -> jax.Array:
        functions = draw_functions(problem, key_of(VALIDATION), family.steps, experiment.validated_functions)
        return minimize(problem, optimizer(weights, experiment.output_scale), functions, data)[-1]

    return validate
