"""A method: an optimizer as a function of its learning rate, and its entry in a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optax

from adaptax.comparison.describe import describe

Rule = Callable[..., optax.GradientTransformation]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """An optimizer as a function of its learning rate, and how it is tried and judged.

    >>> Method(make=optax.contrib.schedule_free_adamw, judged_at=optax.contrib.schedule_free_eval_params)
    Method(make=<function schedule_free_adamw at ...>, ...)
    """

    make: Rule  # called with `learning_rate`, and with the settings that are searched
    default: float | None = None  # the untuned learning rate; None: its source gives none
    judged_at: Callable[[Any, Any], Any] | None = None  # the params to judge, from state and params; None: the params
    search: Mapping[str, Sequence[float]] = dataclasses.field(
        default_factory=dict
    )  # further settings, and their values
    numbers: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )  # methods that differ in these share programs
    schedules: tuple[str, ...] = ()  # names of its own schedules; (): those of the comparison
    needs_matrix: bool = False  # whether it becomes another method without a leaf of two axes
    most_weights: int | None = None  # for more weights it takes longer than all others together
    shown: str = ""  # the expression that makes it


NOT_RECORDED = ("shown",)
ONLY_IF_SET = ("search", "numbers", "schedules")  # older records lack it


def describe_method(method: Method) -> dict[str, Any]:
    """Describe a method for a record."""
    unset = [name for name in ONLY_IF_SET if not getattr(method, name)]
    return {name: value for name, value in describe(method).items() if name not in (*NOT_RECORDED, *unset)}
