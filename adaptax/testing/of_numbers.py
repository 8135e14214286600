"""Extreme numbers: exact zeros, infinity and NaN; and derivatives."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from adaptax._agreement import gains
from adaptax._layers import by_tree
from adaptax.testing.compare import assert_close, assert_equal, assert_finite, expect, zeros_of
from adaptax.testing.of_leaves import FLOATS
from adaptax.testing.registry import check
from adaptax.testing.signals import gradients_at, loss_at, walk, weights, x64
from adaptax.testing.subject import Subject

BAD = ("nan", "inf", "-inf")


def _says(subject: Subject, line: str) -> bool:
    """Return whether a line of the file's docstring begins with this heading and text."""
    module = inspect.getmodule(subject.constructor)
    return f"\n{line}" in (getattr(module, "__doc__", None) or "")


@check(over=FLOATS, is_heavy=True)
def a_zero_gradient_moves_nothing(subject: Subject, dtype: str) -> None:
    """Without decay. If the file's docstring says "Zero gradient  moves", all weights move alike, and by little."""
    optimizer = subject.make(**{"weight_decay": 0.0} if subject.has("weight_decay") else {})
    with x64(dtype == "float64"):
        params = jax.tree.map(lambda p: jnp.asarray(p, dtype), weights())
        zeros = zeros_of(params)
        for updates in walk(optimizer, params, gradients=[zeros] * 3, compiled=True)[0]:
            if not _says(subject, "Zero gradient  moves"):
                assert_equal(updates, zeros, "the update of a zero gradient")
                continue
            step = updates["scale"]
            expect(0 < abs(step) < 0.1, f"a zero gradient moves by {step}")
            alike = jax.tree.map(lambda z, step=step: jnp.broadcast_to(step, z.shape), zeros)
            assert_close(updates, alike, what="the update of a zero gradient")


def _gains(state: PyTree) -> PyTree:
    """Return the gains in a state, an empty tree if there are none."""
    try:
        return gains(state)
    except ValueError:
        return ()


@check(over=BAD)
def no_gradient_leaves_a_nan_in_a_rate(subject: Subject, bad: str) -> None:
    """Neither in stored gains nor in the rates, then or later; and no rate is negative."""
    optimizer, params = subject.make(), weights()
    rate = subject.bare() if subject.is_rate else None
    state, rate_state = optimizer.init(params), rate.init(params) if rate else None
    for step in range(4):
        gradients = gradients_at(step, params)
        if step == 1:
            gradients = jax.tree.map(lambda g: jnp.full_like(g, float(bad)), gradients)
        loss = loss_at(step)
        _, state = optimizer.update(gradients, state, params, value=loss)
        assert_finite(_gains(state), "a gain")
        if rate:
            rates, rate_state = rate.measure(gradients, rate_state, params, direction=gradients, value=loss)
            assert_finite(rates, "a rate")
            for leaf in jax.tree.leaves(rates):
                expect(jnp.all(jnp.asarray(leaf) >= 0), f"a rate is negative: {leaf}")


@check(is_heavy=True)
def no_bad_gradient_reaches_another_layer(subject: Subject) -> None:
    """NaN or infinity in one layer leaves the others as they were, then and later.

    `layer_of` tells which leaves are apart; without it, leaves are apart if finite gradients of one do not reach the
    other. If the file's docstring says "Layers       see each other", the others only have to stay finite.
    """
    optimizer = subject.make()
    compiled = optax.GradientTransformationExtraArgs(optimizer.init, jax.jit(optimizer.update))

    def beside(number: float | None) -> list[PyTree]:
        """Return the updates of one layer, with another gradient of the other layer in the second step."""
        steps = [gradients_at(step, weights()) for step in range(4)]
        if number is not None:
            steps[1] = steps[1] | {"scale": jnp.full_like(steps[1]["scale"], number)}
        return [update["dense"] for update in walk(compiled, gradients=steps)[0]]

    clean, changed = beside(None), beside(-40.0)
    pairs = zip(jax.tree.leaves(clean), jax.tree.leaves(changed), strict=True)
    sees_others = any(not jnp.array_equal(a, b) for a, b in pairs)
    if subject.layer_of is by_tree or (subject.layer_of is None and sees_others):
        return
    for bad in BAD:
        updates, what = beside(float(bad)), f"an update beside a layer whose gradient is {bad}"
        if _says(subject, "Layers       see each other"):
            assert_finite(updates, what)
        else:
            assert_close(updates, clean, what=what)


@check(is_heavy=True)
def derivatives_are_finite(subject: Subject) -> None:
    """By gradients, params and every number, as meta-learning needs them, from exact zeros on."""
    steps = [zeros_of(weights()), *(gradients_at(step, weights()) for step in range(3))]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *steps)

    def moved(gradients: PyTree, params: PyTree, numbers: dict) -> Any:
        optimizer = subject.make(**numbers)

        def step(state: Any, at: tuple) -> tuple:
            return optimizer.update(at[0], state, params, value=loss_at(at[1]))[::-1]

        _, updates = jax.lax.scan(step, optimizer.init(params), (gradients, jnp.arange(4)))
        return sum(
            jnp.sum(leaf * jnp.cos(jnp.arange(leaf.size, dtype=jnp.float32).reshape(leaf.shape) + 3 * k))
            for k, leaf in enumerate(jax.tree.leaves(updates))
        )

    numbers = {name: jnp.float32(value) for name, value in subject.numbers.items()}
    slopes = jax.jit(jax.grad(moved, argnums=(0, 1, 2)))(stacked, weights(), numbers)
    for what, slope in zip(("gradients", "params", "numbers"), slopes, strict=True):
        assert_finite(slope, f"a derivative by the {what}")
