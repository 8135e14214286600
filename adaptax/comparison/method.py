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

    Attributes:
        make: called with `learning_rate`, and with the settings that are searched.
        default: the untuned learning rate; None if its source gives none.
        judged_at: a function of state and params that returns the params to judge; None: the params as they are.
        search: further settings, each with the values to try.
        numbers: settings by name; methods that differ only in these share one compiled program.
        schedules: names of schedules of its own; empty: those of the comparison.
        needs_matrix: whether it needs a leaf of two axes, as Muon does; a task without one leaves it out.
        most_weights: it is not tried on larger models, where it takes longer than all other methods together.
        shown: the expression that makes it.

    >>> Method(make=optax.contrib.schedule_free_adamw, judged_at=optax.contrib.schedule_free_eval_params)
    Method(make=<function schedule_free_adamw at ...>, ...)
    """

    make: Rule
    default: float | None = None
    judged_at: Callable[[Any, Any], Any] | None = None
    search: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    schedules: tuple[str, ...] = ()
    needs_matrix: bool = False
    most_weights: int | None = None
    shown: str = ""


NOT_RECORDED = ("shown",)
ONLY_IF_SET = ("search", "numbers", "schedules")  # older records lack it


def describe_method(method: Method) -> dict[str, Any]:
    """Describe a method for a record."""
    unset = [name for name in ONLY_IF_SET if not getattr(method, name)]
    return {name: value for name, value in describe(method).items() if name not in (*NOT_RECORDED, *unset)}
