"""The arguments with which a subject is tested: its defaults, and another value of every number and choice."""

import math
from collections.abc import Iterator
from inspect import Parameter
from typing import Any, get_args

import optax

from adaptax._layers import by_leaf, by_parent, by_tree
from adaptax.testing.subject import Subject, parameters_of

NUMBER = 0.8  # for an argument that is None, but may be a number


def moved(number: float) -> float:
    """Return another number of its kind: fractions stay fractions, factors above 1 stay above it."""
    if number < 0.01:
        return 0.01
    if number < 1:
        return number / 2
    if math.isinf(number):
        return 4.0
    return (1 + number) / 2 if 1 < number < 2 else 2 * number


def _may_be_a_number(parameter: Parameter) -> bool:
    return float in get_args(parameter.annotation) or parameter.annotation == optax.ScalarOrSchedule


def _numbers(parameter: Parameter) -> list[Any]:
    """Return another value of a number than its default, as a list; empty for other arguments."""
    default = parameter.default
    if isinstance(default, bool | str):
        return []
    if isinstance(default, int):
        return [default + 1]
    if isinstance(default, float):
        return [moved(default)]
    return [NUMBER] if default is None and _may_be_a_number(parameter) else []


def _choices(parameter: Parameter) -> list[Any]:
    """Return the other choices of an argument: the other boolean, other literals, other layers, None for a number."""
    default = parameter.default
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, str):
        return [choice for choice in get_args(parameter.annotation) if choice != default]
    if parameter.name == "layer_of":
        return [layer_of for layer_of in (by_leaf, by_parent, by_tree) if layer_of is not (default or by_leaf)]
    is_optional = isinstance(default, float) and type(None) in get_args(parameter.annotation)
    return [None] if is_optional else []


def variants(subject: Subject) -> Iterator[dict[str, Any]]:
    """Yield settings: none, then other values of all numbers together with other values of all choices.

    There is one such setting for each other value of the argument with the most choices. So each value is tried, and a
    new argument adds no tests.
    """
    yield {}
    parameters = [p for p in parameters_of(subject.constructor) if p.name not in subject.given]
    numbers = {p.name: away[0] for p in parameters if (away := _numbers(p))}
    arguments = subject.arguments | numbers
    if subject.has("low") and subject.has("high") and arguments["low"] > arguments["high"]:
        numbers.pop("low", None)  # bounds stay in order
    others = {p.name: choices for p in parameters if (choices := _choices(p))}
    for turn in range(max([bool(numbers), *map(len, others.values())])):
        yield numbers | {name: choices[turn] for name, choices in others.items() if turn < len(choices)}


def named(settings: dict[str, Any]) -> str:
    """Return the values that are not defaults, as the end of a test's name."""
    shown = {name: getattr(value, "__name__", value) for name, value in settings.items()}
    return "".join(f"-{name}={value}" for name, value in shown.items())
