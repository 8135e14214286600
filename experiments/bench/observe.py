"""The cost of observing every twentieth training step: a net of 6.3 M weights in 24 leaves, batches of 64."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

import adaptax
from adaptax.comparison.record import Record
from adaptax.comparison.report.markup import Section
from adaptax.comparison.step import take_step
from adaptax.live import History
from experiments.bench import frame
from experiments.engine.places import RESULTS, Out, Overwrite

LAYERS, WIDTH, BATCH, EVERY, ROUNDS = 12, 724, 64, 20, 25
OPTIMIZER = adaptax.adam(1e-3)


def loss(params: Any, x: jax.Array) -> jax.Array:
    """Return the mean squared error of a net of ReLU layers that should reproduce its input."""
    y = x
    for layer in params:
        y = jax.nn.relu(y @ layer["kernel"] + layer["bias"][None])
    return ((y - x) ** 2).mean()


def step(params: Any, state: Any, x: jax.Array) -> tuple:
    """Take a step."""
    return take_step(loss, OPTIMIZER, params, state, x)[:2]


def observed_step(params: Any, state: Any, x: jax.Array) -> tuple:
    """Take the same step, and observe it."""
    updates, state, seen = adaptax.observe(OPTIMIZER, jax.grad(loss)(params, x), state, params)
    return optax.apply_updates(params, updates), state, seen


def windows() -> dict[str, Callable[[], None]]:
    """Return two windows of twenty steps: without observation, and with the first step observed."""
    keys = jax.random.split(jax.random.key(0), LAYERS + 1)
    kernels = [jax.random.normal(key, (WIDTH, WIDTH)) * (2 / WIDTH) ** 0.5 for key in keys[1:]]
    params, x = [{"kernel": k, "bias": jnp.zeros(WIDTH)} for k in kernels], jax.random.normal(keys[0], (BATCH, WIDTH))
    carry, history = [params, OPTIMIZER.init(params)], History()
    plain, observed = (jax.jit(of, donate_argnums=(0, 1)) for of in (step, observed_step))

    def window(first: Callable[..., tuple]) -> None:
        for of in [first, *[plain] * (EVERY - 1)]:
            carry[0], carry[1], *seen = of(*carry, x)
            for one in seen:
                history.add(one)
        jax.block_until_ready(carry)

    return {"plain": partial(window, plain), f"every {EVERY}th observed": partial(window, observed)}


def run(out: Out = RESULTS, overwrite: Overwrite = False) -> None:
    """Time training steps with and without observation; write record and table to OUT/observe_speed/DEVICE."""
    folder = out / "observe_speed" / jax.default_backend()
    config = {"layers": LAYERS, "width": WIDTH, "batch": BATCH, "every": EVERY, "rounds": ROUNDS}
    meta, others = frame.begin(folder, config, overwrite), frame.watch_others()
    rows = frame.alternate(windows(), ROUNDS, EVERY)
    frame.keep(folder, Record(config, meta | {"cores_of_others": others()}, {"rows": rows}), sections)


def sections(of: Record) -> Iterator[Section]:
    """Write the conditions, then a row for each kind of window."""
    config, others = of.config, of.meta["cores_of_others"]
    conditions = (
        f"Measured on {frame.machine(of.meta)}; other processes kept {others} cores busy. "
        f"{config['layers']} layers of {config['width']} units, batch {config['batch']}, adam. Times are medians of "
        f"{config['rounds']} rounds; each round times a window of {config['every']} steps of both kinds."
    )
    header = ("steps", "ms/step", "fastest and slowest window", "ratio to plain", "lowest and highest ratio")
    yield Section("", [conditions], frame.table(header, frame.compared(of.lines["rows"]).values()))
