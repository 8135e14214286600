"""A method: an optimizer as a function of its learning rate, and how it is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optax

from adaptax.comparison.describe import describe

Rule = Callable[..., optax.GradientTransformation]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """An optimizer as a function of its learning rate, and how it wants to be tried and judged.

    >>> Method(make=optax.contrib.schedule_free_adamw, judged_at=optax.contrib.schedule_free_eval_params)
    ... # doctest: +ELLIPSIS
    Method(make=<function schedule_free_adamw at ...>, ...)
    """

    make: Rule  # called with `learning_rate`, and by name with what is searched
    default: float | None = None  # the learning rate for those who tune nothing; None: its source gives none
    judged_at: Callable[[Any, Any], Any] | None = None  # the params to judge, from state and params; None: the params
    search: Mapping[str, Sequence[float]] = dataclasses.field(
        default_factory=dict
    )  # further settings, and their values
    numbers: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )  # methods that differ in these share programs
    schedules: tuple[str, ...] = ()  # those of `SCHEDULES` under which it is tried; (): those of the comparison
    needs_matrix: bool = False  # whether without a leaf of two axes it would be another method
    most_weights: int | None = None  # beyond which it would take longer than all others together
    shown: str = ""  # the expression that makes it


NOT_RECORDED = ("shown",)
ONLY_IF_SET = ("search", "numbers", "schedules")  # older records know nothing of them


def describe_method(method: Method) -> dict[str, Any]:
    """Write a method down for a record."""
    unset = [name for name in ONLY_IF_SET if not getattr(method, name)]
    return {name: value for name, value in describe(method).items() if name not in (*NOT_RECORDED, *unset)}
