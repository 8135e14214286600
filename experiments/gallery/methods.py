"""The methods of the gallery: their looks, their settings, how they are built, and their inner quantities.

Settings are plain numbers that may be traced, so one scan runs many of them side by side. On signals they are article
003's: learning rate 0.25 (Adagrad's is 2.5) and three values of one setting. On surfaces, methods of one family share
the article's rate: 0.01 for those that step by the gradient itself, 0.25 for those that divide by its size. All other
settings are the library's defaults. Eve is left out, since it needs a loss and a signal has none; on a surface every
method gets the height as its loss.

The article's five methods have Okabe and Ito's colors, the others Paul Tol's muted ones; both suit every kind of color
vision. Where all share a picture, markers and dashes differ too. On surfaces the five are computed as in Lasagne, from
our primitives:

Nesterov  v = μ v - η g, p += μ v - η g, with the gradient at p: these params are the look-ahead points of the true
          method; `adaptax.nesterov` keeps its weights x instead.
Adam      a_t = η √(1 - β₂^t) / (1 - β₁^t), p -= a_t m / (√v + ε): ε is added before the correction, not after it.
Others    as in the library: Adadelta accumulates the step before η = 100 scales it, RMSProp and Adagrad have ε inside
          the root.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

import adaptax

DASHED, SHORT, DOTTED = (0, (5, 1.2)), (0, (2.5, 1)), (0, (1, 1))
DASH_DOT, LONG_DOT = (0, (4, 1, 1, 1)), (0, (7, 1.5, 1, 1.5))
Settings = Mapping[str, ArrayLike]
SYMBOLS = {"learning_rate": "η", "eps": "ε", "initial": "D₀", "b2": "β₂", "kappa": "κ", "phi": "φ"}
SYMBOLS |= {"bonus": "b", "penalty": "p", "momentum": "μ", "decay": "ρ", "rho": "ρ", "b1": "β₁", "theta": "θ"}


class Style(NamedTuple):
    """A method's label, and how it is drawn."""

    label: str
    color: str
    marker: str
    line: str | tuple

    def plot(self) -> dict:
        """Return the keywords for `Axes.plot`."""
        return {"label": self.label, "color": self.color, "linestyle": self.line}


INK = "#222222"  # text, axes and everything that belongs to no method


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """One method with its settings in the gallery."""

    style: Style
    build: Callable[..., optax.GradientTransformation]  # of keyword settings
    inner: Callable[[Any, optax.OptState, Settings], dict[str, jax.Array]]  # as `adaptax._inner` has it
    swept: str  # the setting whose three values the pictures of signals compare
    values: tuple[float, float, float]
    on_signals: Settings  # without the swept one
    on_surfaces: Settings
    looks_ahead: bool = False  # whether gradients are taken at `adaptax.lookahead_points`

    @property
    def symbol(self) -> str:
        """Return the symbol of the swept setting."""
        return SYMBOLS[self.swept]

    @property
    def middle(self) -> Settings:
        """Return the settings on signals, with the middle one of the three values."""
        return {**self.on_signals, self.swept: self.values[1]}


def momentum(learning_rate: ArrayLike, momentum: ArrayLike, nesterov: bool = False) -> optax.GradientTransformation:
    """Classical momentum: v = momentum · v - learning_rate · g, and the step is v (article, eqs. 4-5)."""
    return optax.chain(optax.scale_by_learning_rate(learning_rate), optax.trace(momentum, nesterov=nesterov))


def local_gains(learning_rate: ArrayLike, bonus: ArrayLike) -> optax.GradientTransformation:
    """Hinton's gains with penalty = 1 - bonus, which keeps gains near 1 if signs are random."""
    return adaptax.local_gains(learning_rate, bonus, 1 - bonus)


def nothing(gradients: Any, state: optax.OptState, settings: Settings) -> dict[str, jax.Array]:
    """Return no inner quantities: classical momentum keeps only its velocity, which is the step."""
    return {}


def at(learning_rate: float, **others: float) -> Settings:
    """Return settings."""
    return {"learning_rate": learning_rate, **others}


def _method(slug: str, style: Style, swept: str, on_signals: Settings, on_surfaces: Settings) -> Method:
    name = slug.removesuffix("_big_start")
    return Method(
        style=style,
        build={"momentum": momentum, "local_gains": local_gains}.get(name) or getattr(adaptax, name),
        inner=getattr(getattr(adaptax.methods, name, None), "inner", nothing),
        swept=swept,
        values={"eps": (1e-7, 0.1, 10.0), "bonus": (0.005, 0.05, 0.2)}.get(swept, (0.25, 0.9, 0.975)),
        on_signals=on_signals,
        on_surfaces=on_surfaces,
        looks_ahead=name in ("nesterov", "smoothed_nesterov"),
    )


MOMENTUM, ADADELTA = at(0.01, momentum=0.9), at(100.0, rho=0.95, eps=1e-6)  # on surfaces
# By slug, which is made of the label's words: smoothed_nesterov, delta_bar_delta, adadelta_big_start.
ON_SIGNALS: dict[str, Method] = {
    (slug := re.sub(r"\W+", "_", label.lower())): _method(slug, Style(label, *look), swept, on_signals, on_surfaces)
    for label, *look, swept, on_signals, on_surfaces in (
        ("momentum", "#88CCEE", "o", "-", "momentum", at(0.25), MOMENTUM),
        ("Nesterov", "#0072B2", "o", "-", "momentum", at(0.25), MOMENTUM),
        ("smoothed Nesterov", "#332288", "v", DASHED, "momentum", at(0.25), MOMENTUM),
        ("Adagrad", "#E69F00", "D", DASH_DOT, "eps", at(2.5), at(1.0, eps=1e-6)),
        ("RMSProp", "#CC79A7", "s", DASHED, "decay", at(0.25, eps=1e-5), at(0.25, decay=0.9, eps=1e-6)),
        ("Adadelta", "#009E73", "^", SHORT, "rho", at(1.0, eps=1e-3, initial=0.0), ADADELTA),
        ("Adadelta, big start", "#009E73", "^", DOTTED, "rho", at(1.0, eps=1e-3, initial=50.0), ADADELTA),
        ("Adam", "#D55E00", "X", "-", "b1", at(0.25, b2=0.999, eps=1e-7), at(0.25, b1=0.9, b2=0.999, eps=1e-8)),
        ("AdaMax", "#CC6677", "P", DOTTED, "b1", at(0.25, b2=0.999), at(0.25, b1=0.9, b2=0.999)),
        ("Nadam", "#AA4499", "*", LONG_DOT, "b1", at(0.25, b2=0.999, eps=1e-7), at(0.25, b1=0.9, b2=0.999, eps=1e-8)),
        ("local gains", "#882255", "s", SHORT, "bonus", at(0.25), at(0.01, bonus=0.05)),
        ("delta-bar-delta", "#117733", "<", DASH_DOT, "theta", at(0.25, kappa=0.05, phi=0.2), at(0.01, theta=0.5)),
        ("velocity gains", "#999933", ">", SHORT, "momentum", at(0.25, bonus=0.05, penalty=0.95), MOMENTUM),
        ("LSALR", "#44AA99", "d", DASHED, "momentum", at(0.25), MOMENTUM),
    )
}
METHODS = {slug: method for slug, method in ON_SIGNALS.items() if slug != "adadelta_big_start"}
"""Each method once: the article's second Adadelta, whose D starts at 50, runs only along signals."""


def lasagne_adam(
    learning_rate: ArrayLike, b1: ArrayLike, b2: ArrayLike, eps: ArrayLike
) -> optax.GradientTransformation:
    """Lasagne's `adam`."""

    def corrected_rate(count: ArrayLike) -> ArrayLike:
        t = jnp.asarray(count + 1, jnp.result_type(float))
        return learning_rate * jnp.sqrt(1 - b2**t) / (1 - b1**t)

    return optax.chain(
        adaptax.scale_by_moments(b1, b2, eps, bias_correction=False), optax.scale_by_learning_rate(corrected_rate)
    )


# In the order of the article's pictures.
ARTICLE: dict[str, Method] = {slug: METHODS[slug] for slug in ("nesterov", "rmsprop", "adadelta", "adagrad", "adam")}
ARTICLE["nesterov"] = dataclasses.replace(
    ARTICLE["nesterov"], build=partial(momentum, nesterov=True), inner=nothing, looks_ahead=False
)
ARTICLE["adam"] = dataclasses.replace(ARTICLE["adam"], build=lasagne_adam)
OURS: dict[str, Method] = {slug: method for slug, method in METHODS.items() if slug not in ARTICLE}
ON_SURFACES: dict[str, Method] = {**ARTICLE, **OURS}  # every method, with its settings on surfaces
