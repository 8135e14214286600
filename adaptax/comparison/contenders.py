"""The methods that meet: every one of adaptax, found, rates around its directions, and Optax's.

A contender is a function of its learning rate, which may be traced; its other settings are its paper's, or Optax's
defaults. `default` is the learning rate that its paper or reference implementation gives, for those who tune nothing.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import optax
from jax.typing import ArrayLike

import adaptax
import adaptax.methods
from adaptax.comparison.errors import InputError, nearest

Rule = Callable[..., optax.GradientTransformation]
MOMENTUM = 0.9  # of those that have it and no default for it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contender:
    """A method and what is known of its learning rate."""

    make: Rule  # called with `learning_rate`
    default: float | None = None  # None: its source gives none
    judged_at: Callable[[Any, Any], Any] | None = None  # from state and params; None: at the params
    needs_matrix: bool = False  # whether without a leaf of two axes it would be another method
    most_weights: int | None = None  # beyond which it would take longer than all others together


def find_all() -> dict[str, Contender]:
    """Return every contender by name."""
    return _ours() | _around() | _optax()


def choose(names: Iterable[str]) -> dict[str, Contender]:
    """Return some, in the order asked for; nobody asked for nobody means all."""
    known = find_all()
    names = list(names) or list(known)
    for name in names:
        if name not in known:
            raise InputError(f"There is no method {name!r}; {nearest(name, known)}.")
    return {name: known[name] for name in names}


def _ours() -> dict[str, Contender]:
    found = {module.name: _found(module.name) for module in pkgutil.iter_modules(adaptax.methods.__path__)}
    learned = partial(adaptax.learned_lstm, weights="mnist")  # of its nets the one that was trained on a net
    return found | {"learned_lstm": dataclasses.replace(found["learned_lstm"], make=learned, most_weights=100_000)}


def _found(slug: str) -> Contender:
    method = getattr(importlib.import_module(f"adaptax.methods.{slug}"), slug)
    parameters = inspect.signature(method).parameters
    needs_momentum = "momentum" in parameters and parameters["momentum"].default is inspect.Parameter.empty
    rate = parameters["learning_rate"].default
    return Contender(
        make=partial(method, **({"momentum": MOMENTUM} if needs_momentum else {})),
        default=None if rate is inspect.Parameter.empty else rate,
    )


def _around() -> dict[str, Contender]:
    """Put a rate per layer and gains per weight around three directions; around plain descent they are methods."""
    rates = {"lsalr": adaptax.lsalr_rate, "local_gains": adaptax.local_gains_rate}
    around = {
        "nag": inside_nesterov,
        "adagrad": partial(outside, direction=partial(adaptax.scale_by_history, initial=0.0)),
        "adam": partial(outside, direction=adaptax.scale_by_moments),
    }
    return {
        f"{rate_name}_{name}": Contender(make=partial(place, rate=rate))
        for rate_name, rate in rates.items()
        for name, place in around.items()
    }


def inside_nesterov(learning_rate: ArrayLike, rate: Callable[[], adaptax.Rate]) -> optax.GradientTransformation:
    """Put a rate inside the velocity of true Nesterov, as Caffe's solvers do."""
    return optax.chain(adaptax.scale_by_rate(rate()), adaptax.nesterov(learning_rate, MOMENTUM))


def outside(
    learning_rate: ArrayLike, rate: Callable[[], adaptax.Rate], direction: Rule
) -> optax.GradientTransformation:
    """Put a rate outside a direction that would cancel it inside."""
    return optax.chain(adaptax.rescale(direction(), rate()), optax.scale_by_learning_rate(learning_rate))


def _optax() -> dict[str, Contender]:
    """List Optax's; default rates are those of the papers, of sgd and momentum PyTorch's and Keras' common .01."""
    contrib = optax.contrib
    of = {
        "sgd": Contender(make=partial(optax.sgd), default=0.01),
        "momentum": Contender(make=partial(optax.sgd, momentum=MOMENTUM), default=0.01),
        "adam": Contender(make=partial(optax.adam), default=0.001),
        "adamw": Contender(make=partial(optax.adamw), default=0.001),
        "nadam": Contender(make=partial(optax.nadam), default=0.002),
        "lion": Contender(make=partial(optax.lion), default=0.0001),
        "rmsprop": Contender(make=partial(optax.rmsprop), default=0.001),
        "adagrad": Contender(make=partial(optax.adagrad), default=0.01),
        "lamb": Contender(make=partial(optax.lamb), default=0.001),
        "adabelief": Contender(make=partial(optax.adabelief), default=0.001),
        "prodigy": Contender(make=partial(contrib.prodigy), default=1.0),
        "schedule_free_adamw": Contender(
            make=partial(contrib.schedule_free_adamw),
            default=0.0025,
            judged_at=contrib.schedule_free_eval_params,
        ),
        "muon": Contender(make=partial(contrib.muon), default=0.02, needs_matrix=True),
    }
    return {f"optax_{name}": contender for name, contender in of.items()}


def applies(contender: Contender, params: Any) -> bool:
    """Say whether a contender is itself on these parameters, and bearable."""
    leaves = jax.tree.leaves(params)
    if contender.most_weights is not None and sum(leaf.size for leaf in leaves) > contender.most_weights:
        return False
    return not contender.needs_matrix or any(leaf.ndim == 2 for leaf in leaves)
