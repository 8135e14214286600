"""Step 4 of the search: other constants of its best candidate, one constant after another.

`lsalr+cautious_momentum, cautious.opposed=0.5` names a candidate with another constant.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import optax
from jax.typing import ArrayLike

from adaptax.comparison import around
from adaptax.comparison import methods as known_methods
from adaptax.comparison.method import Method

# The constants that may be tried, with two values beside the default; chosen while pairs were still running.
CONSTANTS: Mapping[str, tuple[float, float]] = {
    "alignment.temperature": (1.0, 4.0),
    "delta_bar_delta.kappa": (0.05, 0.8),
    "eve.b3": (0.99, 0.9999),
    "hypergradient.beta": (0.005, 0.08),
    "update_floor.floor": (0.1, 1.0),
}
MOST = 2


def rounds(candidate: str) -> Iterator[list[str]]:
    """Return what to try beside a candidate, a list for each of its constants, at most two.

    >>> list(rounds("hypergradient_adam"))
    [[', hypergradient.beta=0.005', ', hypergradient.beta=0.08']]
    """
    rates = candidate.rpartition("_")[0].split("+")
    known = [constant for constant in CONSTANTS if constant.partition(".")[0] in rates]
    for constant in known[:MOST]:
        yield [f", {constant}={value:g}" for value in CONSTANTS[constant]]


def choose(names: Iterable[str]) -> dict[str, Method]:
    """Return the named methods; those with other constants share the program of their product."""
    return {name: _with_constants(name) if ", " in name else known_methods.choose([name])[name] for name in names}


def shown(name: str) -> str:
    """Return the expression of a method, with its constants.

    >>> shown("alignment+lsalr_momentum, alignment.temperature=4")
    'rescale(trace(0.9), alignment_rate(temperature=4), lsalr_rate())'
    """
    base, *others = name.split(", ")
    expression = known_methods.shown(base)
    for rate, _, constant in (other.partition(".") for other in others):
        expression = expression.replace(f"{rate}_rate()", f"{rate}_rate({constant})")
    return expression


def _with_constants(name: str) -> Method:
    base, *others = name.split(", ")
    numbers = {constant: float(value) for constant, _, value in (other.partition("=") for other in others)}
    method = known_methods.choose([base])[base]
    return Method(make=partial(rule, name=base), numbers=numbers, needs_matrix=method.needs_matrix, shown=shown(name))


def rule(learning_rate: ArrayLike, name: str, **constants: Any) -> optax.GradientTransformation:
    """Make a product of rates around a direction, with other constants than the defaults."""
    joined, _, direction = name.rpartition("_")
    first: list[around.Make] = []
    others: list[around.Make] = []
    for slug in joined.split("+"):
        rate, place = around.rates()[slug]
        given = {key.partition(".")[2]: value for key, value in constants.items() if key.startswith(f"{slug}.")}
        (first if place == "before" else others).append(partial(rate, **given))
    return around.many(learning_rate, tuple(first), tuple(others), around.DIRECTIONS[direction][0])
