"""The protocol: one grid for all, extended at its edges, a choice on validation alone, then new seeds."""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from adaptax.comparison.curve import Curve
from adaptax.comparison.errors import InputError
from adaptax.comparison.protocol import (
    Grid,
    Group,
    Plan,
    Protocol,
    Result,
    best_rate,
    is_at_edge,
    missing_rates,
    next_group,
    parse_grid,
)
from adaptax.comparison.task import check_splits
from adaptax.comparison.trials import at_rates
from tests.comparison.test_program import LINE

DECADES = Grid(0.01, 1.0, 3)
NEW = (1000, 1001)


def curve(rate: float, seed: int, end: float | None, test: float | None = None) -> Curve:
    """Give a curve that ends at a validation score, after a start that says the contrary; None diverges."""
    diverged_at = 7 if end is None else None
    return Curve(rate, seed, (0.0,), (5.0,) if end is None else (-end, end), test, diverged_at)


def play(
    end: Callable[[float, int], float | None], default: float | None = None, seeds: int = 2, **settings
) -> tuple[list[Group], list[Result]]:
    """Train every group that is asked for, with ends that a function of rate and seed gives."""
    protocol = Protocol(**({"rates": DECADES, "final_seeds": 2} | settings))
    groups, done = [], []
    while group := next_group(protocol, seeds, Plan(protocol.rates, default=default), iter(done)):
        groups.append(group)
        done += [Result(group.phase, curve(t.rate, s, end(t.rate, s))) for s in group.seeds for t in group.trials]
        assert len(groups) < 20, groups
    return groups, done


def rates_of(group: Group) -> tuple[float, ...]:
    return tuple(trial.rate for trial in group.trials)


def bowl(best: float) -> Callable[[float, int], float]:
    return lambda rate, seed: abs(math.log10(rate / best)) + 0.001 * seed


def tuned(done: list[Result]) -> list[Curve]:
    return [result.curve for result in done if result.phase == "tune"]


def test_first_the_grid_then_the_best_rate_then_the_default_one():
    assert play(bowl(0.1), default=0.02)[0] == [
        Group("tune", tuple(at_rates((0.01, 0.1, 1.0))), (0, 1)),
        Group("final", tuple(at_rates((0.1,))), NEW),
        Group("default", tuple(at_rates((0.02,))), NEW),
    ]
    assert [group.phase for group in play(bowl(0.1))[0]] == ["tune", "final"]
    assert play(bowl(0.1), default=0.02, only_tunes=True)[0] == [
        Group("tune", tuple(at_rates((0.01, 0.1, 1.0))), (0, 1))
    ]


def test_tuning_seeds_are_as_many_as_asked_for_and_new_seeds_are_none_of_them():
    groups, _ = play(bowl(0.1), default=0.1, seeds=5, final_seeds=3)
    assert [group.seeds for group in groups] == [(0, 1, 2, 3, 4), (1000, 1001, 1002), (1000, 1001, 1002)]
    most = Protocol(tuning_seeds=1000)
    assert set(range(most.tuning_seeds)).isdisjoint(play(bowl(0.1))[0][-1].seeds)


@pytest.mark.parametrize(
    ("best", "extensions", "at_edge"),
    [
        (0.001, [(0.0001, 0.001)], False),
        (0.0001, [(0.0001, 0.001), (1e-6, 1e-5)], False),
        (10.0, [(10.0, 100.0)], False),
        (1e9, [(10.0, 100.0), (1e3, 1e4), (1e5, 1e6)], True),
        (1e-9, [(0.0001, 0.001), (1e-6, 1e-5), (1e-8, 1e-7)], True),
        (0.04, [], False),
    ],
)
def test_where_the_best_rate_is_at_an_edge_two_beyond_it_are_tried_up_to_a_limit(best, extensions, at_edge):
    groups, done = play(bowl(best))
    assert [rates_of(group) for group in groups if group.phase == "tune"] == [(0.01, 0.1, 1.0), *extensions]
    assert all(group.seeds == (0, 1) for group in groups[:-1])
    (final,) = rates_of(groups[-1])
    assert final == min(sorted({c.rate for c in tuned(done)}), key=lambda rate: bowl(best)(rate, 0))
    assert is_at_edge(tuned(done)) == at_edge


@pytest.mark.parametrize("extensions", [0, 1])
def test_the_limit_is_that_of_each_direction(extensions: int):
    for best, beyond in ((1e-9, (0.0001, 0.001)), (1e9, (10.0, 100.0))):
        groups, _ = play(bowl(best), extensions=extensions)
        assert [rates_of(group) for group in groups[1:-1]] == [beyond] * extensions


def test_both_edges_are_followed_where_the_best_rate_moves_from_one_to_the_other():
    """All of the grid diverges, so lower rates are tried; of these the grid's neighbor is best, and not an edge."""
    groups, done = play(lambda rate, seed: None if rate > 0.005 else -rate)
    assert [rates_of(group) for group in groups] == [(0.01, 0.1, 1.0), (0.0001, 0.001), (0.001,)]
    assert not is_at_edge(tuned(done))
    # A best rate at the low edge first, at the high one once lower rates are known to be worse: nothing is tried twice.
    both = missing_rates(
        Protocol(rates=DECADES), DECADES, [curve(r, 0, 1 / r) for r in (0.0001, 0.001, 0.01, 0.1, 1.0)]
    )
    assert both == (10.0, 100.0)


def test_where_every_rate_diverges_lower_ones_are_tried_and_then_nothing_is_chosen():
    groups, done = play(lambda rate, seed: None, default=0.02)
    assert [rates_of(group) for group in groups] == [
        (0.01, 0.1, 1.0),
        (0.0001, 0.001),
        (1e-6, 1e-5),
        (1e-8, 1e-7),
        (0.02,),
    ]
    assert [group.phase for group in groups[-2:]] == ["tune", "default"]
    assert best_rate(tuned(done)) is None
    assert not is_at_edge(tuned(done))


def test_a_rate_with_which_one_seed_diverged_is_out():
    """Whichever seed it is, and however good the others are."""
    for wild in range(3):
        groups, _ = play(lambda rate, seed: None if (rate, seed) == (0.1, wild) else bowl(0.1)(rate, 0), seeds=3)  # noqa: B023
        assert groups[-1] == Group("final", tuple(at_rates((0.01,))), NEW)


def test_the_mean_over_the_seeds_at_the_end_decides_and_no_single_seed_and_no_point_on_the_way():
    ends = {0.01: (3.0, 3.0), 0.1: (0.0, 4.0), 1.0: (1.0, 5.0)}  # means 3, 2, 3; the starts say the contrary
    assert best_rate([curve(rate, seed, end) for rate, of in ends.items() for seed, end in enumerate(of)]) == 0.1


def test_of_rates_that_are_equal_the_lowest_is_chosen():
    """In whatever order they were trained: an extension comes after the grid."""
    for order in itertools.permutations((0.01, 0.1, 1.0)):
        assert best_rate([curve(rate, seed, 2.0) for seed in (0, 1) for rate in order]) == 0.01


def test_the_test_score_chooses_nothing():
    best = {0.01: (2.0, 0.1), 0.1: (1.0, 9.0), 1.0: (3.0, 0.2)}  # validation, test
    of = [curve(rate, 0, validation, test) for rate, (validation, test) in best.items()]
    assert best_rate(of) == 0.1
    assert missing_rates(Protocol(rates=DECADES), DECADES, of) == ()


def test_what_was_done_is_not_asked_for_again():
    """An interruption leaves whole groups; from each beginning the rest is what an uninterrupted run would train."""
    groups, done = play(bowl(1e-3), default=0.5)
    members = [len(group.trials) * len(group.seeds) for group in groups]
    protocol = Protocol(rates=DECADES, final_seeds=2)
    for number, group in enumerate(groups):
        assert next_group(protocol, 2, Plan(DECADES, default=0.5), done[: sum(members[:number])]) == group
    assert next_group(protocol, 2, Plan(DECADES, default=0.5), done) is None


def test_rates_are_in_equal_ratios_and_can_be_typed():
    grid = parse_grid("1e-3:1:7")
    rates = [grid.rate(index) for index in range(-2, 9)]
    assert rates == [0.0001, 0.000316, 0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0]
    assert all(float(f"{rate:.3g}") == rate for rate in rates)


@pytest.mark.parametrize("grid", [Grid(0.001, 1.0, 7), Grid(0.03, 0.5, 6), Grid(2e-5, 7.0, 4), Grid(0.1, 0.9, 2)])
def test_a_grid_is_as_far_below_its_middle_as_above(grid: Grid):
    for index in range(-6, grid.count):
        product = grid.rate(index) * grid.rate(grid.count - 1 - index)
        np.testing.assert_allclose(product, grid.low * grid.high, rtol=1e-2)  # of three digits each
    assert (grid.rate(0), grid.rate(grid.count - 1)) == (grid.low, grid.high)
    assert parse_grid(str(grid)) == grid


@pytest.mark.parametrize("text", ["", "1", "0.1:1", "0.1:1:3:4", "a:1:3", "0.1:b:3", "0.1:1:c", "0.1:1:2.5", "0.1;1;3"])
def test_what_is_no_grid_is_refused(text: str):
    with pytest.raises(InputError, match=rf"^rates must be LOW:HIGH:N, as 1e-3:1:7, got '{text}'\.$"):
        parse_grid(text)


@pytest.mark.parametrize(
    "text", ["1:0.1:3", "0:1:3", "-1:1:3", "1:1:3", "0.1:inf:3", "nan:1:3", "0.1:nan:3", "0.1:1:1"]
)
def test_an_impossible_grid_is_refused(text: str):
    with pytest.raises(
        InputError, match=r"^rates must be LOW:HIGH:N with 0 < LOW < HIGH and N at least 2, got [^\n]*\.$"
    ):
        parse_grid(text)


def test_a_grid_with_equal_rates_is_refused():
    with pytest.raises(InputError, match=r"^rates must differ in their first 3 digits, got 1:1\.01:9\.$"):
        parse_grid("1:1.01:9")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"final_seeds": 1}, r"^final_seeds must be at least 2, for an interval, got 1\.$"),
        ({"extensions": -1}, r"^extensions must be at least 0, got -1\.$"),
        ({"tuning_seeds": 0}, r"^tuning_seeds must be from 1 to 1000, got 0\.$"),
        ({"tuning_seeds": 1001}, r"^tuning_seeds must be from 1 to 1000, got 1001\.$"),
    ],
)
def test_an_impossible_protocol_is_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        Protocol(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, r"^batch_size must be at least 1, got 0\.$"),
        ({"steps": 0}, r"^steps must be at least 1, got 0\.$"),
        ({"evaluate_every": 0}, r"^evaluate_every must be at least 1, got 0\.$"),
        ({"tuning_seeds": 0}, r"^tuning_seeds must be at least 1, got 0\.$"),
        ({"train_examples_scored": 0}, r"^train_examples_scored must be at least 1, got 0\.$"),
        ({"evaluate_every": 4}, r"^evaluate_every must divide steps = 9, got 4\.$"),
    ],
)
def test_an_impossible_task_is_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(LINE, **wrong)
    assert LINE.evaluations == (3, 6, 9)


def test_data_that_cannot_be_trained_on_are_refused():
    whole = {"train": {"x": np.ones((4, 2)), "y": np.ones(4)}, "validation": np.ones(3), "test": [np.ones(2)]}
    check_splits(whole)
    for name in whole:
        with pytest.raises(InputError, match=rf"^The data must have a split '{name}', got \[[^\n]*\]\.$"):
            check_splits({other: part for other, part in whole.items() if other != name})
    wrong = {"[2, 3]": {"x": np.ones((3, 2)), "y": np.ones(2)}, "[0]": np.ones((0, 5)), "[]": {}}
    for lengths, part in (*wrong.items(), ("[0]", [1.0, 2.0])):
        with pytest.raises(InputError) as caught:
            check_splits(whole | {"test": part})
        assert str(caught.value) == f"The arrays of the split 'test' must have one length above 0, got {lengths}."
