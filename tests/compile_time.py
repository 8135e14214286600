"""How much longer a step compiles with each rate around Adam's direction, at 1,000 leaves (`make compile-time`).

A ratio of CPU seconds, the least of some turns in each of which all are compiled once: wall-clock time depends on how
many cores are free. Leaves are small, as where compiling takes longer than running.
"""

import time

import jax
import jax.numpy as jnp
import optax
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

import adaptax
from tests.core.test_conformance import RATES, required

LAYERS, TURNS = 500, 3
PARAMS = {f"layer_{n}": {"kernel": jnp.ones((16, 16)), "bias": jnp.ones(16)} for n in range(LAYERS)}
DIRECTION = adaptax.scale_by_moments()


def seconds(optimizer: optax.GradientTransformation) -> float:
    """Return the CPU seconds in which XLA compiles an update, which JAX is made to forget if it has done so before."""
    jax.clear_caches()
    lowered = jax.jit(optimizer.update).lower(PARAMS, optimizer.init(PARAMS), PARAMS)
    before = time.process_time()
    lowered.compile()
    return time.process_time() - before


def main() -> None:
    """Compile all in turns, and print each one's least seconds over the direction's."""
    contenders = {"the direction alone": DIRECTION}
    rates = RATES | {"lsalr_rate": adaptax.lsalr_rate}
    contenders |= {name: adaptax.rescale(DIRECTION, make(**required(make))) for name, make in rates.items()}
    turns = [(name, optimizer) for _ in range(TURNS) for name, optimizer in contenders.items()]
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for name, optimizer in track(turns, "compiling"):
        measured[name].append(seconds(optimizer))
    table = Table("", Column("CPU seconds", justify="right"), Column("times the direction's", justify="right"))
    alone = min(measured["the direction alone"])
    for name, values in measured.items():
        table.add_row(name, f"{min(values):.1f}", f"{min(values) / alone:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
