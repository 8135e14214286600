"""Features of Optax that a transformation must support: schedules, hyperparameters in the state, masks, wrappers."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PyTree

from adaptax._lookahead import value_and_grad
from adaptax._rate import Rate
from adaptax.testing.compare import assert_close, assert_equal, expect, zeros_of
from adaptax.testing.registry import check
from adaptax.testing.signals import after, gradients_at, loss_at, walk, weights
from adaptax.testing.subject import Subject, parameters_of


def descends(subject: Subject) -> bool:
    """Return whether a subject has a learning rate."""
    return subject.descends


@check()
def takes_extra_arguments_it_does_not_know(subject: Subject) -> None:
    """And does nothing with them."""
    made = subject.bare()
    takes = isinstance(made, Rate | optax.GradientTransformationExtraArgs)
    expect(takes, f"{subject.name} must make an optax.GradientTransformationExtraArgs")
    plain, _ = walk(subject.make())
    extra, _ = walk(subject.make(), value_fn=lambda params: 0.0, unheard_of="x")
    assert_equal(extra, plain, "an update with extra arguments")


@check(when=descends)
def a_constant_schedule_is_the_constant(subject: Subject) -> None:
    """To the last digits."""
    scheduled = subject.make(learning_rate=lambda count: jnp.float32(0.02))
    assert_close(walk(scheduled)[0], walk(subject.make(learning_rate=0.02))[0], what="an update")


@check(when=descends)
def a_schedule_is_read_at_its_step(subject: Subject) -> None:
    """Rates 0 at steps 0 and 2 stop new gradients from counting there; the first update is then exactly 0."""
    updates, _ = walk(subject.make(learning_rate=lambda count: jnp.where(count % 2 == 0, 0.0, 0.1)))
    assert_equal(updates[0], zeros_of(weights()), "the first update, at a rate of 0,")
    for leaf in jax.tree.leaves(updates[1]):
        expect(jnp.any(leaf != 0), "the second update, at a rate of .1, is 0")


@check(is_heavy=True)
def survives_inject_hyperparams(subject: Subject) -> None:
    """Every number is then traced, and is in the state."""

    def make(**arguments: Any) -> optax.GradientTransformationExtraArgs:
        return subject.make(**arguments)

    make.__signature__ = inspect.Signature(parameters_of(subject.constructor))
    arguments = subject.arguments
    static = {name for name, value in arguments.items() if isinstance(value, bool | int | str) or callable(value)}
    optimizer = optax.inject_hyperparams(make, static_args=static)(**subject.given)
    updates, state = walk(optimizer)
    for name, value in subject.numbers.items():
        held = float(state.hyperparams[name])
        expect(np.isclose(held, value, rtol=1e-6), f"hyperparams hold {name} = {held}, not {value}")
    assert_close(updates, walk(subject.make())[0], 1e-4, what="an update")
    jitted = optax.GradientTransformationExtraArgs(optimizer.init, jax.jit(optimizer.update))
    assert_close(walk(jitted)[0], updates, 1e-4, what="an update under jit")


@check()
def points_the_right_way_first(subject: Subject) -> None:
    """Downhill with a learning rate, uphill without; relative to the step at a zero gradient, which is mostly 0."""
    x, y, z = after(subject.make(), jnp.array([2.0, 0.0, -3.0]), jnp.zeros(3), 2.5)
    if subject.descends:
        expect(x < y < z, f"gradients 2, 0, -3 give the updates {x}, {y}, {z}: not downhill")
    else:
        expect(x >= y >= z, f"gradients 2, 0, -3 give the directions {x}, {y}, {z}: not uphill")


@check(when=descends)
def converges_on_a_bowl(subject: Subject) -> None:
    """With its learning rate, or with one 100 times as large, since another factor may make steps short."""

    def loss(params: PyTree) -> Any:
        return sum(jnp.sum((leaf - 0.3) ** 2) for leaf in jax.tree.leaves(params))

    start, steps = weights(), 1500

    @jax.jit
    def end(learning_rate: Any) -> Any:
        optimizer = subject.make(learning_rate=learning_rate)

        def step(carry: tuple, _: Any) -> tuple:
            params, state = carry
            value, gradients = value_and_grad(loss)(params, state)
            updates, state = optimizer.update(gradients, state, params, value=value)
            return (optax.apply_updates(params, updates), state), None

        return loss(jax.lax.scan(step, (start, optimizer.init(start)), length=steps)[0][0])

    rate = subject.numbers.get("learning_rate", 1.0)
    ends = []
    for factor in (1.0, 100.0):
        ends.append(float(end(factor * rate) / loss(start)))
        if ends[-1] < 0.005:  # of Adagrad, the slowest of ours, it is 0.0032; of most below 1e-4
            return
    raise AssertionError(
        f"after {steps} steps the loss on a bowl is {ends} of the first, with rates {rate}, {100 * rate}"
    )


@check(is_heavy=True)
def survives_masked_and_partition(subject: Subject) -> None:
    """Other leaves are missing, or have another optimizer."""
    params, make = weights(), subject.make
    mask = {"dense": {"kernel": True, "bias": False}, "scale": True}
    masked, _ = walk(optax.masked(make(), mask))
    assert_equal(masked[1]["dense"]["bias"], gradients_at(1, params)["dense"]["bias"], "the masked leaf")
    labels = {"dense": "ours", "scale": "frozen"}
    parted, _ = walk(optax.partition({"ours": make(), "frozen": optax.set_to_zero()}, labels))
    alone, _ = walk(make(), {"dense": params["dense"]}, steps=2)
    expect(parted[1]["scale"] == 0, "a frozen leaf moves")
    assert_close(parted[1]["dense"], alone[1]["dense"], what="an update under optax.partition")


@check(is_heavy=True)
def survives_multi_steps(subject: Subject) -> None:
    """The second of two updates is that of their mean gradient."""
    params, both = weights(), optax.MultiSteps(subject.make(), 2)  # rebuilt below: its own drops `value`
    with jax.numpy_dtype_promotion("standard"):  # MultiSteps' own arithmetic
        updates, _ = walk(optax.GradientTransformationExtraArgs(both.init, both.update), steps=2, compiled=True)
    mean = jax.tree.map(lambda a, b: (a + b) / 2, gradients_at(0, params), gradients_at(1, params))
    assert_equal(updates[0], zeros_of(params), "the update of a first half")
    assert_close(updates[1], after(subject.make(), mean, params, loss_at(1)), 1e-4, what="an update")


@check(is_heavy=True)
def survives_apply_if_finite(subject: Subject) -> None:
    """A rejected step leaves no trace."""
    params, guarded = weights(), optax.apply_if_finite(subject.make(), 5)
    state, update = guarded.init(params), jax.jit(guarded.update)
    gradients = gradients_at(0, params)
    broken = jax.tree.map(lambda g: g * jnp.nan, gradients)
    updates, state = update(broken, state, params, value=jnp.nan)
    assert_equal(updates, zeros_of(params), "the rejected update")
    updates, _ = update(gradients, state, params, value=loss_at(0))
    assert_close(updates, after(subject.make(), gradients, params, loss_at(0)), what="the update after it")


def _fits(leaf: Any, p: Any) -> bool:
    """Return whether a leaf of a state is like a leaf of params, maybe with axes behind, or broadcasts to it."""
    shape = jnp.shape(leaf)
    return shape[: p.ndim] == p.shape or all(a in (1, b) for a, b in zip(shape[::-1], p.shape[::-1], strict=False))


@check()
def params_shaped_state_is_found_by_optax(subject: Subject) -> None:
    """`map_params` runs `init` on a placeholder tree; it must meet params-like leaves, maybe with axes behind."""
    optimizer, params = subject.make(), weights()
    is_flat: Callable[[Any], bool] = lambda leaf: jnp.ndim(leaf) < 2  # noqa: E731
    state = optimizer.init(params)
    found = optax.tree.map_params(optimizer, _fits, state, params, transform_non_params=is_flat)
    expect(all(jax.tree.leaves(found)), f"leaves of the state that Optax takes for params, or not: {found}")
