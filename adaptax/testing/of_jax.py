"""The needs of JAX's transformations: one trace, a stable state, no Python numbers, `init` from shapes alone."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax.testing.compare import assert_close, assert_finite, assert_same_types, expect
from adaptax.testing.registry import check
from adaptax.testing.signals import after, gradients_at, loss_at, slices_of, walk, weights
from adaptax.testing.subject import Subject
from adaptax.testing.variants import moved


@check(is_heavy=True)
def jit_is_eager(subject: Subject) -> None:
    """In updates and state."""
    optimizer = subject.make()
    jitted = optax.GradientTransformationExtraArgs(jax.jit(optimizer.init), jax.jit(optimizer.update))
    (eager, state), (compiled, other) = walk(optimizer), walk(jitted)
    assert_close(compiled, eager, what="an update under jit")
    assert_close(other, state, what="the state under jit")


@check(is_heavy=True)
def second_call_does_not_trace_again(subject: Subject) -> None:
    """A type or shape that changes costs a compilation per step."""
    optimizer, params, traces = subject.make(), weights(), 0

    @jax.jit
    def update(gradients: Any, state: Any, loss: Any) -> tuple:
        nonlocal traces
        traces += 1
        return optimizer.update(gradients, state, params, value=loss)

    state = jax.jit(optimizer.init)(params)
    for step in range(3):
        _, state = update(gradients_at(step, params), state, loss_at(step))
    expect(traces == 1, f"three updates were traced {traces} times")


@check(is_heavy=True)
def state_is_stable_in_scan(subject: Subject) -> None:
    """Same structure, shape, dtype and weak type from `init` on; a scan accepts nothing else."""
    optimizer, params = subject.make(), weights()
    state = optimizer.init(params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        at = f"the state at {jax.tree_util.keystr(path)!r}"
        expect(hasattr(leaf, "dtype"), f"{at} is a Python number, which becomes an array of a weak type")
        expect(not getattr(leaf, "weak_type", False), f"{at} has a weak type: give its dtype")
    steps = [(gradients_at(step, params), loss_at(step)) for step in range(4)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *steps)

    def step(state: Any, at: tuple) -> tuple:
        return optimizer.update(at[0], state, params, value=at[1])[::-1]

    last, updates = jax.lax.scan(step, state, stacked)
    expected, state_by_steps = walk(optimizer)
    assert_close(jax.tree.map(lambda u: u[3], updates), expected[3], what="the update in a scan")
    assert_close(last, state_by_steps, what="the state of a scan")


def _two_of_each(subject: Subject) -> list[dict[str, float]]:
    """Return all numbers twice: as they are, and moved; a learning rate 0.01 and 0.2."""
    there = {name: moved(value) for name, value in subject.numbers.items()}
    if there.get("low", 0) > there.get("high", np.inf):
        del there["low"]
    of_rate = {"learning_rate": 0.01}, {"learning_rate": 0.2}
    return [
        {name: values[name] for name in there} | (rate if subject.descends else {})
        for values, rate in zip((subject.numbers, there), of_rate, strict=True)
    ]


def has_numbers(subject: Subject) -> bool:
    """Return whether a subject has an argument that may be traced."""
    return bool(subject.numbers)


@check(when=has_numbers, is_heavy=True)
def vmap_over_numbers(subject: Subject) -> None:
    """All numbers at once: a sweep in one program."""

    def second_update(numbers: dict) -> Any:
        return walk(subject.make(**numbers), steps=2)[0][1]

    each = _two_of_each(subject)
    stacked = {name: jnp.array([numbers[name] for numbers in each]) for name in each[0]}
    together = jax.jit(jax.vmap(second_update))(stacked)
    for alone, numbers in zip(slices_of(together, 2), each, strict=True):
        assert_close(alone, second_update(numbers), what=f"an update with {numbers}")


@check(when=has_numbers)
def a_sweep_compiles_once(subject: Subject) -> None:
    """A number is an argument like any other: build the optimizer inside the jitted function."""
    traces, params = 0, weights()

    @jax.jit
    def first_update(numbers: dict) -> Any:
        nonlocal traces
        traces += 1
        return after(subject.make(**numbers), gradients_at(1, params), params, loss_at(1))

    if subject.descends:
        sweep = [{"learning_rate": rate} for rate in np.geomspace(1e-4, 1.0, 20)]
    else:
        sweep = [
            {n: (1 - k) * v + k * moved(v) for n, v in subject.numbers.items() if np.isfinite(v)} for k in (0, 0.5, 1)
        ]
    updates = [first_update(numbers) for numbers in sweep]
    expect(traces == 1, f"a sweep of {len(sweep)} was traced {traces} times")
    assert_finite(updates, "an update")
    if subject.descends:
        lowest, highest = abs(updates[0]["scale"]), abs(updates[-1]["scale"])
        expect(highest > 100 * lowest > 0, f"rates 1e-4 and 1 give steps of {lowest} and {highest}")


@check(is_heavy=True)
def vmap_over_a_stack_is_each_alone(subject: Subject) -> None:
    """Nothing of one member reaches another."""
    optimizer, params = subject.make(), weights()
    stack = jax.tree.map(lambda g, h: jnp.stack([g, 3 * h]), gradients_at(1, params), gradients_at(2, params))
    weights_of = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), params)
    losses = jnp.stack([loss_at(1), loss_at(2)])
    state = jax.vmap(optimizer.init)(weights_of)

    @jax.jit
    @jax.vmap
    def together(g: Any, s: Any, p: Any, f: Any) -> Any:
        return optimizer.update(g, s, p, value=f)[0]

    updates = together(stack, state, weights_of, losses)
    for got, g, p, f in zip(*(slices_of(x, 2) for x in (updates, stack, weights_of, losses)), strict=True):
        assert_close(got, after(optimizer, g, p, f), what="an update in a stack")


@check(is_heavy=True)
def params_and_state_may_be_donated(subject: Subject) -> None:
    """No array of one is part of the other."""
    optimizer = subject.make()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, state: Any, gradients: Any) -> tuple:
        updates, state = optimizer.update(gradients, state, params, value=loss_at(0))
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.copy, weights())
    state = optimizer.init(params)
    for k in range(2):
        params, state = step(params, state, gradients_at(k, weights()))
    assert_finite(params, "the params")


@check(over=("cpu", "cuda", "rocm", "tpu"), is_heavy=True)
def exports_with_symbolic_shapes(subject: Subject, platform: str) -> None:
    """Once for every size of a leaf, to platforms that this machine lacks."""
    optimizer, dense = subject.make(), weights()["dense"]
    (rows,) = jax.export.symbolic_shape("b")
    params = {"dense": {"kernel": jax.ShapeDtypeStruct((rows, 3), "float32"), "bias": dense["bias"]}}
    state = jax.eval_shape(optimizer.init, params)
    update = jax.jit(lambda g, s, p, f: optimizer.update(g, s, p, value=f))
    exported = jax.export.export(update, platforms=[platform])(params, state, params, jnp.float32(2.0))
    expect(exported.platforms == (platform,), f"exported to {exported.platforms}, not {platform}")
    if platform == "cpu" == jax.default_backend():
        gradients, params = {"dense": gradients_at(1, dense)}, {"dense": dense}
        arguments = gradients, optimizer.init(params), params, loss_at(1)
        assert_close(exported.call(*arguments), update(*arguments), what="the exported update")


@check()
def init_needs_only_shapes(subject: Subject) -> None:
    """So `jax.eval_shape` can describe the state before there are params."""
    shapes = jax.eval_shape(weights)
    assert_same_types(subject.make().init(shapes), subject.make().init(weights()))
