"""Every method has as many trials; a schedule or setting is chosen as a rate is, by validation, and extended alone."""

import itertools

import pytest

from adaptax.comparison.curve import Curve
from adaptax.comparison.methods import Method
from adaptax.comparison.protocol import Grid, Group, Plan, Protocol, Result, best_trial, is_at_edge, next_group
from adaptax.comparison.run import plans
from adaptax.comparison.trials import Combination, Trial, combinations, rates_each

GRID = Grid(0.01, 1.0, 3)
DECAYS = (0.0, 0.1)


@pytest.mark.parametrize(("counts", "expected"), [([1], [7]), ([1, 3], [21, 7]), ([2, 3, 1], [21, 14, 42])])
def test_methods_with_fewer_settings_have_more_rates(counts: list[int], expected: list[int]):
    assert rates_each(7, counts) == expected
    assert len({rates * count for rates, count in zip(expected, counts, strict=True)}) == 1


def test_every_schedule_meets_every_setting():
    found = combinations(["constant", "cosine"], {"a": (1.0, 2.0), "b": (3.0,)})
    pairs = itertools.product(["constant", "cosine"], (1.0, 2.0))
    assert found == [Combination(schedule, (("a", a), ("b", 3.0))) for schedule, a in pairs]
    assert list(map(str, found)) == ["a=1, b=3", "a=2, b=3", "cosine, a=1, b=3", "cosine, a=2, b=3"]
    assert combinations(["constant"], {}) == [Combination()]


def test_plans_give_all_methods_as_many_trials_between_the_same_ends():
    methods = {"plain": Method(make=dict), "decayed": Method(make=dict, search={"decay": DECAYS})}
    found = plans(methods, Protocol(rates=GRID, schedules=("constant", "cosine")))
    assert {name: plan.grid.count * len(plan.combinations) for name, plan in found.items()} == {
        "plain": 12,
        "decayed": 12,
    }
    assert {(plan.grid.low, plan.grid.high) for plan in found.values()} == {(0.01, 1.0)}


def test_a_method_may_have_a_schedule_of_its_own():
    methods = {"plain": Method(make=dict), "decayed": Method(make=dict, schedules=("linear",))}
    found = plans(methods, Protocol(rates=GRID))
    assert found["plain"].combinations == (Combination("constant"),)
    assert found["decayed"].combinations == (Combination("linear"),)


def ends(trial: Trial) -> float:
    """Best at .1 with a decay, which beats what is best at 1e-5 without one."""
    decay = dict(trial.combination.settings)["decay"]
    best, floor = (0.1, 1.0) if decay else (1e-5, 2.0)
    return floor + abs(trial.rate - best)


def test_each_setting_is_tuned_and_extended_alone_and_the_best_of_all_is_run_again():
    plan = Plan(GRID, tuple(combinations(["constant"], {"decay": DECAYS})), default=0.5)
    protocol, groups, done = Protocol(rates=GRID, final_seeds=2, extensions=1), [], []
    while group := next_group(protocol, 1, plan, done):
        groups.append(group)
        done += [
            Result(group.phase, Curve(t.rate, seed, (0.0,), (ends(t),), None, None, t.combination))
            for seed in group.seeds
            for t in group.trials
        ]
    without, with_decay = plan.combinations
    grid = tuple(Trial(rate, one) for one in (without, with_decay) for rate in (0.01, 0.1, 1.0))
    assert groups == [
        Group("tune", grid, (0,)),
        Group("tune", (Trial(1e-4, without), Trial(1e-3, without)), (0,)),
        Group("final", (Trial(0.1, with_decay),), (1000, 1001)),
        Group("default", (Trial(0.5, without),), (1000, 1001)),
    ]
    tuned = [result.curve for result in done if result.phase == "tune"]
    assert best_trial(tuned) == Trial(0.1, with_decay)
    assert not is_at_edge(tuned)  # the lowest rate of all is the other setting's
    assert is_at_edge([curve for curve in tuned if curve.combination == without])


def test_a_finer_grid_is_extended_as_far_as_a_coarse_one():
    plan = Plan(GRID.of(9), (Combination(),))
    protocol, done = Protocol(rates=GRID, extensions=1, only_tunes=True), []
    while group := next_group(protocol, 1, plan, done):
        last = group
        done += [Result("tune", Curve(t.rate, 0, (0.0,), (t.rate,), None, None)) for t in group.trials]
    assert min(trial.rate for trial in last.trials) == 1e-4  # two decades, as two rates of the coarse grid
    assert len(last.trials) == 8
