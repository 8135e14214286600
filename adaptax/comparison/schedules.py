"""Schedules of the learning rate: each is a function of the peak and of how many steps there are.

| name | the rate of step t of T, with peak η and warmup W = T / 20 |
| --- | --- |
| constant | η |
| linear | η (1 - t / T) |
| cosine | η (1 + cos(π t / T)) / 2 |
| warmup_constant | η (t + 1) / W up to step W, then η: as the authors of schedule-free methods do |
| warmup_linear | η (t + 1) / W up to step W, then η (1 - (t - W) / (T - W)) |
| warmup_cosine | η (t + 1) / W up to step W, then η (1 + cos(π (t - W) / (T - W))) / 2 |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax.comparison.errors import InputError, nearest

Schedule = Callable[[Any, int], optax.ScalarOrSchedule]  # of (peak, steps)
CONSTANT = "constant"
WARMUP = 0.05  # of the steps
SEEN = 10  # times the steps of the run, in which a schedule's end is looked for


def _constant(peak: Any, steps: int) -> Any:
    del steps
    return peak


def _linear(peak: Any, steps: int) -> Callable[[Any], Any]:
    return lambda count: peak * (1 - _share(count, steps))


def _cosine(peak: Any, steps: int) -> Callable[[Any], Any]:
    return lambda count: peak * (1 + jnp.cos(jnp.pi * _share(count, steps))) / 2


def _share(count: Any, steps: int) -> jax.Array:
    return _number(count) / steps


def _after_warmup(schedule: Schedule) -> Schedule:
    def warm(peak: Any, steps: int) -> Callable[[Any], Any]:
        first = max(1, round(WARMUP * steps))
        then = _of_count(schedule(peak, steps - first))
        return lambda count: jnp.where(count < first, peak * _share(count + 1, first), then(count - first))

    return warm


def _of_count(rate: optax.ScalarOrSchedule) -> Callable[[Any], Any]:
    return rate if callable(rate) else lambda count: rate


SCHEDULES: Mapping[str, Schedule] = {
    CONSTANT: _constant,
    "linear": _linear,
    "cosine": _cosine,
    "warmup_constant": _after_warmup(_constant),
    "warmup_linear": _after_warmup(_linear),
    "warmup_cosine": _after_warmup(_cosine),
}


def choose(wanted: Sequence[Any]) -> dict[str, Schedule]:
    """Return schedules by name; the name of a function is its own."""
    chosen: dict[str, Schedule] = {}
    for one in wanted:
        name = one if isinstance(one, str) else getattr(one, "__name__", str(one))
        if isinstance(one, str) and one not in SCHEDULES:
            raise InputError(f"There is no schedule {one!r}; {nearest(one, SCHEDULES)}.")
        if not isinstance(one, str) and not callable(one):
            raise InputError(f"schedules must be names or functions of (peak, steps), got {one!r}.")
        if name in chosen:
            raise InputError(f"schedules must have different names, got {name!r} twice.")
        chosen[name] = SCHEDULES[one] if isinstance(one, str) else one
    if not chosen:
        raise InputError("schedules must name at least one, got none.")
    return chosen


def check_length(schedules: Mapping[str, Schedule], steps: int) -> None:
    """Refuse a schedule that still changes when the run ends, and becomes constant later; it would be cut off.

    Only nine times the run are looked at: one that is longer cannot be told from a schedule without an end.
    """
    for name, schedule in schedules.items():
        if schedule is SCHEDULES.get(name):
            continue  # these are as long as the run
        made = _of_count(schedule(jnp.ones([]), steps))
        rates = np.asarray(jax.vmap(made)(jnp.arange(steps - 1, SEEN * steps)))
        (changes,) = np.nonzero(rates[1:] != rates[:-1])
        end = steps + int(changes[-1]) if len(changes) else 0
        if steps < end < (SEEN - 1) * steps:
            raise InputError(f"The schedule {name!r} ends after {end} steps, but the run has {steps}.")


def learning_rate(schedules: Sequence[Schedule], number: jax.Array, peak: Any, steps: int) -> optax.ScalarOrSchedule:
    """Return a member's learning rate under a schedule, by number; it is a plain number if no schedule varies it."""
    made = [schedule(peak, steps) for schedule in schedules]
    if not any(map(callable, made)):
        return made[0]
    of_count = list(map(_of_count, made))
    if len(of_count) == 1:
        return of_count[0]
    branches = [lambda count, one=one: _number(one(count)) for one in of_count]
    return lambda count: jax.lax.switch(number, branches, count)


def _number(rate: Any) -> jax.Array:
    return jnp.asarray(rate, jnp.result_type(float))
