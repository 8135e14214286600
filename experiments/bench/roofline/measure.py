"""Measure one optimizer step against a plain `a*x + y` of the same run.

A step must at least read the gradient, and read and write params and state. A rule that needs the norm of a layer
first must read the gradient once more. The main figure is the share of the measured bandwidth that this least traffic
reaches. It depends less on the machine and on other processes than a time does. There are three layouts: one large
leaf, the 161 leaves of ResNet-50, and many small leaves.
"""

import statistics
import time
import timeit
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from adaptax.comparison.record import Line

Shape = tuple[int, ...]
WINDOWS = 9


def resnet50() -> list[Shape]:
    """Return the 161 leaves of ResNet-50: 53 convolutions, a scale and a bias for each, and the classifier."""
    shapes: list[Shape] = []

    def convolution(size: int, into: int, out: int) -> None:
        shapes.extend([(size, size, into, out), (out,), (out,)])

    convolution(7, 3, 64)
    into = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            convolution(1, into, width)
            convolution(3, width, width)
            convolution(1, width, 4 * width)
            if block == 0:
                convolution(1, into, 4 * width)
            into = 4 * width
    return [*shapes, (2048, 1000), (1000,)]


def many(leaves: int) -> list[Shape]:
    """Return small leaves of a few shapes; they show the cost of each leaf in a step and in its compilation."""
    return [((64,), (8, 16), (256,), (16, 16))[k % 4] for k in range(leaves)]


class NothingMeasuredError(RuntimeError):
    """A step did not change the params, so its time means nothing."""


class Step(NamedTuple):
    """A contender on its params, ready to be timed."""

    run: Callable[[], None]  # takes one step and waits for it
    changed: Callable[[], bool]  # whether params differ from those before the first timed step
    state_bytes: int
    xla_bytes: float | None = None  # by XLA's own count; None, like the fields below, if XLA did not compile it
    compile_seconds: float | None = None
    equations: int | None = None  # of the step's jaxpr, inner ones included


Contender = Callable[[list[Shape], str], Step]  # from the shapes of the leaves and their dtype


def median_seconds(run: Callable[[], Any]) -> float:
    """Return the median time of a few windows, after an untimed one."""
    run()
    return statistics.median(timeit.repeat(run, number=1, repeat=WINDOWS))


def bandwidth(params: int, dtype: str) -> float:
    """Return the bytes per second of a*x + y, which reads two arrays and overwrites one."""
    x, y = jnp.ones(params, dtype), jnp.ones(params, dtype)
    step = jax.jit(lambda x, y: jnp.asarray(1e-3, x.dtype) * x + y, donate_argnums=1)

    def run() -> None:
        nonlocal y
        y = jax.block_until_ready(step(x, y))

    return 3 * x.nbytes / median_seconds(run)


def trees(shapes: list[Shape], dtype: str) -> tuple[Any, Any]:
    """Return params and gradients: finite, not constant, of both signs."""

    def leaf(shape: Shape, phase: float) -> jax.Array:
        return jnp.sin(jnp.arange(prod(shape), dtype=jnp.float32) * 1.7 + phase).reshape(shape).astype(dtype)

    return tuple({f"{k:04d}": {"w": leaf(shape, phase)} for k, shape in enumerate(shapes)} for phase in (0.3, 1.1))


def count_equations(jaxpr: Any, seen: set[int] | None = None) -> int:
    """Return the number of equations; an inner jaxpr counts once, however often it is called."""
    seen = set() if seen is None else seen
    seen.add(id(jaxpr))
    count = len(jaxpr.eqns)
    for value in jax.tree.leaves([list(equation.params.values()) for equation in jaxpr.eqns]):
        inner = getattr(value, "jaxpr", value)  # a closed one holds an open one
        if hasattr(inner, "eqns") and id(inner) not in seen:
            count += count_equations(inner, seen)
    return count


def training_step(optimizer: optax.GradientTransformation) -> Callable[..., tuple[Any, Any]]:
    """Return the function from params, state and gradients to new params and state."""
    optimizer = optax.with_extra_args_support(optimizer)

    def step(params: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(gradients, state, params, value=1.0)  # the loss, for optimizers that need one
        return optax.apply_updates(params, updates), state

    return step


def prepare(optimizer: optax.GradientTransformation, shapes: list[Shape], dtype: str) -> Step:
    """Compile the step of an Optax transformation, with params and state donated."""
    params, gradients = trees(shapes, dtype)
    state = jax.jit(optimizer.init)(params)
    jitted = jax.jit(training_step(optimizer), donate_argnums=(0, 1))
    start = time.perf_counter()
    traced = jitted.trace(params, state, gradients)
    compiled = traced.lower().compile()
    seconds, equations = time.perf_counter() - start, count_equations(traced.jaxpr.jaxpr)
    first = jax.tree.leaves(params)[0].copy()
    state_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    carry = [params, state]

    def run() -> None:
        carry[:] = compiled(*carry, gradients)
        jax.block_until_ready(carry)

    def changed() -> bool:
        return bool(jnp.any(jax.tree.leaves(carry[0])[0] != first))

    return Step(run, changed, state_bytes, compiled.cost_analysis()["bytes accessed"], seconds, equations)


def measure(name: str, contender: Contender, layout: str, shapes: list[Shape], dtype: str) -> Line:
    """Measure one contender on one layout, with the bandwidth measured before and after it; bytes are per weight."""
    step, n = contender(shapes, dtype), sum(map(prod, shapes))
    best = best_bytes(name, dtype, step.state_bytes / n)
    before = bandwidth(n, dtype)
    seconds = median_seconds(step.run)
    limit = (before + bandwidth(n, dtype)) / 2
    if not step.changed():
        raise NothingMeasuredError(f"{name}: params did not change in the timed steps, so nothing was measured.")
    return {
        "contender": name,
        "layout": layout,
        "leaves": len(shapes),
        "best_bytes": round(best, 2),
        "xla_bytes": step.xla_bytes and round(step.xla_bytes / n, 2),
        "state_bytes": round(step.state_bytes / n, 2),
        "milliseconds": round(1e3 * seconds, 3),  # per step, median of WINDOWS
        "share": round(best * n / seconds / limit, 3),  # of the bandwidth of a*x+y, at best_bytes
        "compile_seconds": step.compile_seconds and round(step.compile_seconds, 2),
        "equations": step.equations,
    }


# How many arrays of the params' size a step must move once more, because it needs a number of the whole layer first.
# Norms: the gradient. Distances: the gradient and the params. Comparisons with the direction: the direction is written
# and read, and the other array is read. Observation: every observed array is read again for each leaf's numbers.
AGAIN = {"lsalr": 1, "adagc": 1, "adam_mini": 1, "dog": 2, "observed": 6}
AGAIN |= dict.fromkeys("lamb lars cautious trust_ratio update_floor alignment hypergradient".split(), 3)


def best_bytes(name: str, dtype: str, state_bytes: float) -> float:
    """Return a perfect pass's bytes per weight: read gradient, params and state, write params and state, and AGAIN."""
    again = max((number for word, number in AGAIN.items() if word in name), default=0)
    return (3 + again) * jnp.dtype(dtype).itemsize + 2 * state_bytes
