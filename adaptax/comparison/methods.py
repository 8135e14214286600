"""The methods that can be compared: those of adaptax, rates around directions, Optax's, and a user's own.

A method is a function of its learning rate, which may be traced; its other settings are its paper's, or Optax's
defaults. `default` is the untuned learning rate: that of its paper or reference implementation.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import optax
from jax.typing import ArrayLike

import adaptax
import adaptax.methods
from adaptax.comparison import around, schedules
from adaptax.comparison.around import MOMENTUM
from adaptax.comparison.errors import InputError, nearest
from adaptax.comparison.method import Method, Rule
from adaptax.comparison.method import describe_method as describe_method
from adaptax.comparison.record import rounded


def shown(name: str) -> str:
    """Return the expression that makes a known method; a user's own method keeps the name that the user gave it."""
    base, at, schedule = name.partition("@")
    expression = _SHOWN.get(base) or getattr(around.product(base), "shown", base)
    return f"{expression}, {schedule}" if at else expression


def own(name: str, make: Any, search: Mapping[str, Sequence[Any]] | None = None) -> Method:
    """Return a method from a function of a rate, a known method's name, or a `Method`."""
    method = choose([make])[make] if isinstance(make, str) else make
    if not isinstance(method, Method):
        if not callable(method):
            raise InputError(
                f"The method {name!r} must be a function of a learning rate or a known name, got {make!r}."
            )
        method = _from_function(method)
    return dataclasses.replace(method, search=_checked(name, method, search)) if search else method


def _from_function(make: Rule) -> Method:
    """Take the numbers out of a `functools.partial`, so that it shares its program with others of the same function."""
    if not isinstance(make, partial):
        return Method(make=make)
    numbers = {name: value for name, value in make.keywords.items() if type(value) is float}
    others = {name: value for name, value in make.keywords.items() if name not in numbers}
    return Method(make=partial(make.func, *make.args, **others), numbers=numbers)


def _checked(name: str, method: Method, search: Mapping[str, Sequence[Any]]) -> dict[str, tuple[float, ...]]:
    """Return the settings to search; every value is a number."""
    known = inspect.signature(method.make).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
        for setting in search:
            if setting not in known:
                raise InputError(f"The method {name!r} has no setting {setting!r}; {nearest(setting, known)}.")
    for setting, values in search.items():
        if not values or not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            raise InputError(f"search must give numbers for {setting!r} of {name!r}, got {values!r}.")
    return {setting: rounded(tuple(map(float, values))) for setting, values in search.items()}


def find_all() -> dict[str, Method]:
    """Return every known method by name, combinations of rates and directions last."""
    standing = _standing()
    return standing | {name: method for name, method in around.combinations().items() if name not in standing}


def _standing() -> dict[str, Method]:
    return _ours() | around.of_the_evidence() | _optax()


def choose(names: Iterable[str]) -> dict[str, Method]:
    """Return the named methods, in the given order; without names, all except the combinations."""
    return {name: _named(name) for name in list(names) or list(_standing())}


def _named(name: str) -> Method:
    """Find a method; `NAME@SCHEDULE` puts it under a schedule, `RATE+RATE_DIRECTION` is a product of rates."""
    base, at, schedule = name.partition("@")
    known = find_all()
    method = known.get(base) or around.product(base)
    if method is None:
        raise InputError(f"There is no method {base!r}; {nearest(base, known)}.")
    # A paper's untuned rate is a constant one.
    return dataclasses.replace(method, schedules=tuple(schedules.choose([schedule])), default=None) if at else method


def _ours() -> dict[str, Method]:
    found = {module.name: _found(module.name) for module in pkgutil.iter_modules(adaptax.methods.__path__)}
    learned = partial(adaptax.learned_lstm, weights="mnist")  # the one that was trained on a net
    shown = "learned_lstm(weights='mnist')"
    of_net = dataclasses.replace(found["learned_lstm"], make=learned, most_weights=100_000, shown=shown)
    dog = Method(
        make=_l_dog,
        default=1.0,
        judged_at=adaptax.averaged_params,
        shown="chain(scale_by_rate(dog_rate()), scale_by_learning_rate(1.0), average_params())",
    )
    return found | {"learned_lstm": of_net, "dog": dog}


def _l_dog(learning_rate: ArrayLike) -> optax.GradientTransformation:
    """Return L-DoG as its authors run it: around the gradient itself, judged by the average of its params."""
    scaled = optax.chain(adaptax.scale_by_rate(adaptax.dog_rate()), optax.scale_by_learning_rate(learning_rate))
    return optax.chain(scaled, adaptax.average_params())


def _found(slug: str) -> Method:
    method = getattr(importlib.import_module(f"adaptax.methods.{slug}"), slug)
    parameters = inspect.signature(method).parameters
    needs_momentum = "momentum" in parameters and parameters["momentum"].default is inspect.Parameter.empty
    rate = parameters["learning_rate"].default
    return Method(
        make=partial(method, **({"momentum": MOMENTUM} if needs_momentum else {})),
        default=None if rate is inspect.Parameter.empty else rate,
        shown=f"{slug}(momentum={MOMENTUM})" if needs_momentum else slug,
    )


def _optax() -> dict[str, Method]:
    """List Optax's methods; default rates are the papers', for sgd and momentum 0.01, as in PyTorch and Keras."""
    contrib = optax.contrib
    of = {
        "sgd": Method(make=partial(optax.sgd), default=0.01),
        "momentum": Method(make=partial(optax.sgd, momentum=MOMENTUM), default=0.01),
        "adam": Method(make=partial(optax.adam), default=0.001),
        "adamw": Method(make=partial(optax.adamw), default=0.001),
        "nadam": Method(make=partial(optax.nadam), default=0.002),
        "lion": Method(make=partial(optax.lion), default=0.0001),
        "rmsprop": Method(make=partial(optax.rmsprop), default=0.001),
        "adagrad": Method(make=partial(optax.adagrad), default=0.01),
        "lamb": Method(make=partial(optax.lamb), default=0.001),
        "adabelief": Method(make=partial(optax.adabelief), default=0.001),
        "ademamix": Method(make=partial(contrib.ademamix)),
        "prodigy": Method(make=partial(contrib.prodigy), default=1.0),
        "schedule_free_adamw": Method(
            make=partial(contrib.schedule_free_adamw),
            default=0.0025,
            judged_at=contrib.schedule_free_eval_params,
        ),
        "muon": Method(make=partial(contrib.muon), default=0.02, needs_matrix=True),
    }
    shown = {name: f"optax.{'contrib.' if hasattr(contrib, name) else ''}{name}" for name in of}
    shown["momentum"] = f"optax.sgd(momentum={MOMENTUM})"
    return {f"optax_{name}": dataclasses.replace(method, shown=shown[name]) for name, method in of.items()}


def applies(method: Method, params: Any) -> bool:
    """Return whether a method applies to these params, and is not too slow for them."""
    leaves = jax.tree.leaves(params)
    if method.most_weights is not None and sum(leaf.size for leaf in leaves) > method.most_weights:
        return False
    return not method.needs_matrix or any(leaf.ndim == 2 for leaf in leaves)


_SHOWN = {name: method.shown or name for name, method in find_all().items()}
