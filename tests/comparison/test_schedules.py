"""Schedules are what their table says; in one program each member has the one that is its own."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from adaptax.comparison import schedules
from adaptax.comparison.errors import InputError
from tests.comparison.test_own import own_compare

STEPS, PEAK = 40, 0.3


def warm(t: int, after: float) -> float:
    return PEAK * (t + 1) / 2 if t < 2 else after


TWINS = {  # of step t, in plain numbers: T = 40, W = 2
    "constant": lambda t: PEAK,
    "linear": lambda t: PEAK * (1 - t / 40),
    "cosine": lambda t: PEAK * (1 + np.cos(np.pi * t / 40)) / 2,
    "warmup_constant": lambda t: warm(t, PEAK),
    "warmup_linear": lambda t: warm(t, PEAK * (1 - (t - 2) / 38)),
    "warmup_cosine": lambda t: warm(t, PEAK * (1 + np.cos(np.pi * (t - 2) / 38)) / 2),
}


def test_every_schedule_has_its_twin():
    assert TWINS.keys() == schedules.SCHEDULES.keys()


@pytest.mark.parametrize("name", TWINS)
def test_schedule_is_its_formula_at_every_step(name: str):
    made = schedules.SCHEDULES[name](jnp.float32(PEAK), STEPS)
    ours = [made(jnp.int32(t)) if callable(made) else made for t in range(STEPS)]
    np.testing.assert_allclose(ours, [TWINS[name](t) for t in range(STEPS)], rtol=2e-6, atol=1e-8)


def test_side_by_side_each_has_its_own_schedule_and_peak():
    chosen = schedules.choose(["cosine", "constant", lambda peak, steps: optax.constant_schedule(peak / steps)])
    assert list(chosen) == ["cosine", "constant", "<lambda>"]
    known = tuple(chosen.values())

    def rates(number: jax.Array, peak: jax.Array) -> jax.Array:
        of_count = schedules.learning_rate(known, number, peak, STEPS)
        return jnp.stack([of_count(jnp.int32(t)) for t in (0, 7, 39)])

    ours = jax.vmap(rates)(jnp.array([0, 1, 2, 0]), jnp.array([PEAK, PEAK, PEAK, 2 * PEAK]))
    cosine = np.array([TWINS["cosine"](t) for t in (0, 7, 39)])
    np.testing.assert_allclose(ours, [cosine, [PEAK] * 3, [PEAK / STEPS] * 3, 2 * cosine], rtol=2e-6, atol=2e-8)


def test_a_constant_rate_alone_stays_a_number():
    """So a method that takes no schedule can be compared, and the state of one that does is what it was."""
    assert schedules.learning_rate([schedules.SCHEDULES["constant"]], jnp.int32(0), 0.5, STEPS) == 0.5


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (["cosin"], r"^There is no schedule 'cosin'; the nearest is 'cosine'\.$"),
        (["cosine", "cosine"], r"^schedules must have different names, got 'cosine' twice\.$"),
        ([0.1], r"^schedules must be names or functions of \(peak, steps\), got 0\.1\.$"),
        ([], r"^schedules must name at least one, got none\.$"),
    ],
)
def test_what_is_no_schedule_is_refused(wanted: list, message: str):
    with pytest.raises(InputError, match=message):
        schedules.choose(wanted)


def cut(peak: float, steps: int) -> optax.Schedule:
    del steps  # it is for 100
    return lambda count: peak * (1 - jnp.minimum(jnp.float32(count) / 100, 1))


def test_a_schedule_longer_than_the_run_is_refused():
    message = r"^The schedule 'cut' ends after 100 steps, but the run has 50\.$"
    with pytest.raises(InputError, match=message):
        schedules.check_length({"cut": cut}, 50)
    schedules.check_length({"cut": cut}, 100)


@pytest.mark.parametrize("steps", [1, 2, 40, 333])
def test_schedules_that_fit_or_never_end_are_accepted(steps: int):
    forever = {
        "exponential": lambda peak, steps: lambda count: peak * jnp.float32(0.9) ** (jnp.float32(count) / steps),
        "root": lambda peak, steps: lambda count: peak * jax.lax.rsqrt(jnp.float32(count) + 1),
        "number": lambda peak, steps: peak,
    }
    schedules.check_length(schedules.SCHEDULES | forever, steps)


def test_a_comparison_refuses_it_before_it_trains(tmp_path: Path):
    with pytest.raises(InputError, match="'cut' ends after 100 steps, but the run has 39"):
        own_compare(tmp_path, schedules=(cut,), steps=39)
    assert not list(tmp_path.iterdir())
