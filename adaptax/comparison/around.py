"""Methods that put a rate around a direction: every rate around four directions, and products of rates.

Every public `x_rate` is found. It stands outside the direction, unless its file says otherwise by `PLACE`: "before", on
the gradient that the direction averages, or "alone", around the gradient itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, partial

import optax
from jax.typing import ArrayLike

import adaptax
from adaptax.comparison.method import Method, Rule

Make = Callable[[], adaptax.Rate]
MOMENTUM = 0.9  # of rates that have this setting without a default
NUMBERS = {"beta": 0.02}  # of rates that have these settings without defaults
METHODS = ("delta_bar_delta", "local_gains", "lsalr", "rprop")  # around the gradient itself their rates are these


def of_the_evidence() -> dict[str, Method]:
    """Put a rate per layer and gains per weight around three directions; around plain descent they are methods."""
    rates = {"lsalr": adaptax.lsalr_rate, "local_gains": adaptax.local_gains_rate}
    around = {
        "nag": inside_nesterov,
        "adagrad": partial(outside, direction=partial(adaptax.scale_by_history, initial=0.0)),
        "adam": partial(outside, direction=adaptax.scale_by_moments),
    }
    shown = {
        "nag": "chain(scale_by_rate({}_rate()), nesterov())",
        "adagrad": "rescale(scale_by_history(), {}_rate())",
        "adam": "rescale(scale_by_moments(), {}_rate())",
    }
    return {
        f"{rate_name}_{name}": Method(make=partial(place, rate=rate), shown=shown[name].format(rate_name))
        for rate_name, rate in rates.items()
        for name, place in around.items()
    }


@cache  # it takes 50 ms; callers only read it
def combinations() -> dict[str, Method]:
    """Put every rate around descent, momentum, Adam and Muon; each rate's file says where it belongs."""
    found = {}
    for slug, (rate, place) in rates().items():
        for name, (direction, shown) in DIRECTIONS.items():
            if (place == "alone" and name != "sgd") or (name == "sgd" and slug in METHODS):
                continue
            expression = {"before": f"chain(scale_by_rate({slug}_rate()), {shown})"}
            found[f"{slug}_{name}"] = Method(
                make=partial(before if place == "before" else outside, rate=rate, direction=direction),
                default=1.0 if place == "alone" else None,
                needs_matrix=name == "muon",
                shown=expression.get(place, f"rescale({shown}, {slug}_rate())"),
            )
    return found


def product(name: str) -> Method | None:
    """Put several rates around one direction, as `cautious+lsalr_momentum` names them; None for any other name.

    Each rate sees the same gradient and the same direction, never another rate's product, so their order is free.
    """
    joined, _, of = name.rpartition("_")
    slugs, known = joined.split("+"), rates()
    if of not in DIRECTIONS or len(slugs) < 2 or len(set(slugs)) < len(slugs) or not set(slugs) <= known.keys():
        return None
    direction, shown = DIRECTIONS[of]
    first = [slug for slug in slugs if known[slug][1] == "before"]
    others = [slug for slug in slugs if slug not in first]
    if of != "sgd" and any(known[slug][1] == "alone" for slug in others):
        return None
    first_shown, others_shown = (", ".join(f"{slug}_rate()" for slug in of_them) for of_them in (first, others))
    expression = f"rescale({shown}, {others_shown})" if others else shown
    return Method(
        make=partial(
            many,
            first=tuple(known[slug][0] for slug in first),
            rates=tuple(known[slug][0] for slug in others),
            direction=direction,
        ),
        needs_matrix=of == "muon",
        shown=f"chain(scale_by_rate({first_shown}), {expression})" if first else expression,
    )


def direction_of(name: str) -> str | None:
    """Return the direction of a rate, or a product of rates, around one of the four; None for any other method."""
    return name.rpartition("_")[2] if name in combinations() or product(name) else None


@cache
def rates() -> dict[str, tuple[Make, str]]:
    """Find every rate that needs only numbers, and its place, by slug."""
    found = {}
    for name, rate in sorted(vars(adaptax).items()):
        if not name.endswith("_rate") or name.startswith(("_", "scale_by")):
            continue
        required = [p.name for p in inspect.signature(rate).parameters.values() if p.default is p.empty]
        if set(required) <= set(NUMBERS):
            given = partial(rate, **{name: NUMBERS[name] for name in required})
            found[name.removesuffix("_rate")] = given, getattr(inspect.getmodule(rate), "PLACE", "around")
    return found


def inside_nesterov(learning_rate: ArrayLike, rate: Make) -> optax.GradientTransformation:
    """Put a rate inside the velocity of Nesterov's method, as Caffe's solvers do."""
    return optax.chain(adaptax.scale_by_rate(rate()), adaptax.nesterov(learning_rate, MOMENTUM))


def outside(learning_rate: ArrayLike, rate: Make, direction: Rule) -> optax.GradientTransformation:
    """Put a rate outside a direction that would cancel it inside."""
    return optax.chain(adaptax.rescale(direction(), rate()), optax.scale_by_learning_rate(learning_rate))


def before(learning_rate: ArrayLike, rate: Make, direction: Rule) -> optax.GradientTransformation:
    """Put a rate on the gradient, before the direction averages it."""
    scaled = optax.chain(adaptax.scale_by_rate(rate()), direction())
    return optax.chain(scaled, optax.scale_by_learning_rate(learning_rate))


def many(
    learning_rate: ArrayLike, first: tuple[Make, ...], rates: tuple[Make, ...], direction: Rule
) -> optax.GradientTransformation:
    """Put some rates on the gradient, and others outside the direction."""
    limited = [adaptax.scale_by_rate(*(make() for make in first))] if first else []
    scaled = adaptax.rescale(direction(), *(make() for make in rates)) if rates else direction()
    return optax.chain(*limited, scaled, optax.scale_by_learning_rate(learning_rate))


def muon_direction() -> optax.GradientTransformation:
    """Return Optax's Muon without its learning rate, so uphill; it has Adam for all leaves but matrices."""
    return optax.chain(optax.contrib.muon(1.0), optax.scale(-1.0))


# The directions, and the expression of each.
DIRECTIONS = {
    "sgd": (optax.identity, "identity()"),
    "momentum": (partial(optax.trace, MOMENTUM), f"trace({MOMENTUM})"),
    "adam": (adaptax.scale_by_moments, "scale_by_moments()"),
    "muon": (muon_direction, "muon"),
}
