"""Measure one optimizer step against a plain `a*x + y` of the same run.

The limit of a step is its traffic at best: read the gradient, read and write params and state, and for a rule that
needs the norm of a layer first, read the gradient once more. What share of the measured bandwidth that traffic reaches
is the figure that counts; machine and neighbors' noise move it less than they move a time.
"""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.bench.roofline.layouts import Shape, weights

WINDOWS = 9


class NothingMeasuredError(RuntimeError):
    """A step that left params as they were: its time would say nothing."""


class Row(NamedTuple):
    """What was measured of one contender on one layout."""

    contender: str
    layout: str
    leaves: int
    best_bytes: float  # per weight: traffic of a perfect single pass
    xla_bytes: float | None  # per weight: XLA's own count of the compiled step, None if XLA did not compile it
    state_bytes: float  # per weight
    milliseconds: float  # per step, median of WINDOWS
    share: float  # of the bandwidth of a*x+y, at best_bytes
    compile_seconds: float | None
    equations: int | None  # of the step's jaxpr, inner ones included

    @property
    def reachable(self) -> float | None:
        """The share that a step reaches which moves what XLA counts at full bandwidth."""
        return self.xla_bytes and round(self.best_bytes / self.xla_bytes, 2)


class Step(NamedTuple):
    """A contender on its params, ready to be timed."""

    run: Callable[[], None]  # one step, done when it returns
    changed: Callable[[], bool]  # whether params are others than before the first timed step
    state_bytes: int
    xla_bytes: float | None = None
    compile_seconds: float | None = None
    equations: int | None = None


Contender = Callable[[list[Shape], str], Step]  # from the shapes of the leaves and their dtype


def median_seconds(run: Callable[[], Any]) -> float:
    """Return the median time of a few windows, after one that does not count."""
    run()
    windows = []
    for _ in range(WINDOWS):
        start = time.perf_counter()
        run()
        windows.append(time.perf_counter() - start)
    return statistics.median(windows)


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
        size = functools.reduce(int.__mul__, shape, 1)
        return jnp.sin(jnp.arange(size, dtype=jnp.float32) * 1.7 + phase).reshape(shape).astype(dtype)

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
    """Return the function of params, state and gradients that gives new params and state."""
    optimizer = optax.with_extra_args_support(optimizer)

    def step(params: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(gradients, state, params, value=1.0)  # a loss, for those that need it
        return optax.apply_updates(params, updates), state

    return step


def compiled_step(optimizer: optax.GradientTransformation, params: Any, gradients: Any) -> tuple[Any, Any, int, float]:
    """Return the compiled step (params and state donated), the state, the number of equations, compile seconds."""
    state = jax.jit(optimizer.init)(params)
    jitted = jax.jit(training_step(optimizer), donate_argnums=(0, 1))
    start = time.perf_counter()
    traced = jitted.trace(params, state, gradients)
    compiled = traced.lower().compile()
    return compiled, state, count_equations(traced.jaxpr.jaxpr), time.perf_counter() - start


def prepare(optimizer: optax.GradientTransformation, shapes: list[Shape], dtype: str) -> Step:
    """Compile the step of an Optax transformation."""
    params, gradients = trees(shapes, dtype)
    compiled, state, equations, compile_seconds = compiled_step(optimizer, params, gradients)
    first = jax.tree.leaves(params)[0].copy()
    state_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    carry = [params, state]

    def run() -> None:
        carry[:] = compiled(*carry, gradients)
        jax.block_until_ready(carry)

    def changed() -> bool:
        return bool(jnp.any(jax.tree.leaves(carry[0])[0] != first))

    return Step(run, changed, state_bytes, cost(compiled), compile_seconds, equations)


def measure(name: str, contender: Contender, layout: str, shapes: list[Shape], dtype: str) -> Row:
    """Measure one contender on one layout, with the bandwidth measured before and after it."""
    step = contender(shapes, dtype)
    n = weights(shapes)
    best = best_bytes(name, dtype, step.state_bytes / n)
    before = bandwidth(n, dtype)
    seconds = median_seconds(step.run)
    limit = (before + bandwidth(n, dtype)) / 2
    if not step.changed():
        raise NothingMeasuredError(f"{name}: params did not change in the timed steps, so nothing was measured.")
    return Row(
        contender=name,
        layout=layout,
        leaves=len(shapes),
        best_bytes=round(best, 2),
        xla_bytes=None if step.xla_bytes is None else round(step.xla_bytes / n, 2),
        state_bytes=round(step.state_bytes / n, 2),
        milliseconds=round(1e3 * seconds, 3),
        share=round(best * n / seconds / limit, 3),
        compile_seconds=None if step.compile_seconds is None else round(step.compile_seconds, 2),
        equations=step.equations,
    )


def best_bytes(name: str, dtype: str, state_bytes: float) -> float:
    """Return the bytes per weight of a perfect single pass: read gradient, read and write params and state."""
    width = jnp.dtype(dtype).itemsize
    return 3 * width + 2 * state_bytes + (width if needs_a_norm(name) else 0)


def cost(compiled: Any) -> float:
    """Return XLA's count of the bytes a compiled program touches."""
    return compiled.cost_analysis()["bytes accessed"]


def needs_a_norm(name: str) -> bool:
    """Return whether a rule must read the gradient before it can use it (what lamb reads besides is not counted)."""
    return any(word in name for word in ("lsalr", "lamb", "lars"))
