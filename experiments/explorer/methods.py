"""The methods that the explorer steps: the gallery's, Rprop, and four rates around a direction.

Two of the rates are measured from the weights. A signal has no meaningful weights, so these two run only over surfaces.
The new colors are from Paul Tol's scheme of twelve, and one gray.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

import adaptax
from experiments.gallery.methods import DASH_DOT, DASHED, DOTTED, LONG_DOT, METHODS, SHORT, Method, Settings, Style, at


class Seen(NamedTuple):
    """The state of a rate, with the direction and the rates of the step."""

    own: Any
    direction: jax.Array
    rates: jax.Array


def seen(rate: adaptax.Rate) -> adaptax.Rate:
    """Return the same rate, whose state also keeps what the page shows."""

    def init(params: Any) -> Seen:
        return Seen(rate.init(params), jnp.zeros_like(params), jnp.ones_like(params))

    def measure(gradients: Any, state: Seen, params: Any = None, *, direction: Any, **extra_args: Any) -> tuple:
        rates, own = rate.measure(gradients, state.own, params, direction=direction, **extra_args)
        return rates, Seen(own, direction, jnp.broadcast_to(rates, direction.shape))

    return adaptax.Rate(init, measure)


def inner(gradients: Any, state: optax.OptState, settings: Settings) -> dict[str, jax.Array]:
    """Return the direction and the rate of the step."""
    del gradients, settings
    of = adaptax._inner.find(state, Seen)
    return {"direction u": of.direction, "rate r": of.rates}


def around(
    rate: adaptax.Rate, learning_rate: ArrayLike, momentum: ArrayLike | None = None
) -> optax.GradientTransformation:
    """Return Δw = -learning_rate · r · u, where u is the gradient, or u = momentum · u + g."""
    direction = optax.identity() if momentum is None else optax.trace(momentum)
    return optax.chain(adaptax.rescale(direction, seen(rate)), optax.scale_by_learning_rate(learning_rate))


def cautious(learning_rate: ArrayLike, momentum: ArrayLike, opposed: ArrayLike) -> optax.GradientTransformation:
    """Cautious masks around momentum."""
    return around(adaptax.cautious_rate(opposed=opposed), learning_rate, momentum)


def hypergradient(
    learning_rate: ArrayLike, beta: ArrayLike, low: float = 0.01, high: float = 10.0
) -> optax.GradientTransformation:
    """Hypergradient around the gradient; both weights share one factor."""
    return around(adaptax.hypergradient_rate(beta, low=low, high=high), learning_rate)


def trust_ratio(learning_rate: ArrayLike, momentum: ArrayLike) -> optax.GradientTransformation:
    """Trust ratio around momentum: the learning rate is the length of the step, relative to the weights."""
    return around(adaptax.trust_ratio_rate(), learning_rate, momentum)


def update_floor(learning_rate: ArrayLike, momentum: ArrayLike, floor: ArrayLike) -> optax.GradientTransformation:
    """Update floor around momentum."""
    return around(adaptax.update_floor_rate(floor), learning_rate, momentum)


def _rate(style: Style, build: Callable, swept: str, usual: float, **on_surfaces: float) -> Method:
    others = {"momentum": 0.9} if swept != "beta" else {}
    return Method(
        style=style,
        build=build,
        inner=inner,
        swept=swept,
        values=(usual,) * 3,  # the pictures of signals have no rates
        on_signals=at(0.25, **others),
        on_surfaces=at(**{"learning_rate": 0.01, swept: usual} | others | on_surfaces),
    )


EXPLORED: dict[str, Method] = METHODS | {
    "rprop": Method(
        style=Style("Rprop", "#DDCC77", "p", SHORT),
        build=adaptax.rprop,
        inner=adaptax.methods.rprop.inner,
        swept="increase",
        values=(1.05, 1.2, 1.5),
        on_signals=at(0.01, decrease=0.5),
        on_surfaces=at(0.1),
    ),
    "cautious_momentum": _rate(Style("cautious momentum", "#661100", "h", DOTTED), cautious, "opposed", 0.0),
    "hypergradient": _rate(Style("hypergradient", "#6699CC", "8", LONG_DOT), hypergradient, "beta", 0.05),
    "trust_ratio": _rate(
        Style("trust ratio", "#AA4466", "H", DASHED), trust_ratio, "momentum", 0.9, learning_rate=0.05
    ),
    "update_floor": _rate(Style("update floor", "#555555", "p", DASH_DOT), update_floor, "floor", 1.0),
}
RATES = {
    "cautious_momentum": adaptax.cautious_rate,
    "hypergradient": adaptax.hypergradient_rate,
    "trust_ratio": adaptax.trust_ratio_rate,
    "update_floor": adaptax.update_floor_rate,
}
"""The functions in whose modules their words and equations are."""
OF_THE_WEIGHTS = ("trust_ratio", "update_floor")
