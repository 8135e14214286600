"""p-values are SciPy's; Holm's correction rejects what his step-down procedure rejects."""

import numpy as np
import pytest
import scipy.stats

from adaptax.comparison.statistics import holm, p_value, paired

LEVELS = np.linspace(0.001, 0.999, 499)


def stepped_down(p_values: list[float], level: float) -> set[int]:
    """Reject as Holm (1979) defines it: the lowest p against α / m, the next against α / (m - 1), until one fails."""
    rejected, left = set(), {number for number, p in enumerate(p_values) if p == p}
    while left:
        lowest = min(left, key=lambda number: p_values[number])
        if p_values[lowest] > level / len(left):
            break
        rejected.add(lowest)
        left.remove(lowest)
    return rejected


def by_seed(values) -> dict[int, float]:
    return dict(enumerate(values, 1000))


@pytest.mark.parametrize("count", [2, 3, 10])
def test_a_p_value_is_that_of_scipys_paired_test_on_both_sides(count: int):
    random = np.random.default_rng(count)
    for shift in (-1.0, 0.1, 1.0):
        a, b = random.normal(shift, 1, count), random.normal(0, 1, count)
        expected = scipy.stats.ttest_rel(a, b).pvalue
        assert p_value(by_seed(a), by_seed(b)) == pytest.approx(expected, rel=1e-9)
        assert p_value(by_seed(b), by_seed(a)) == pytest.approx(expected, rel=1e-9)


def test_a_p_value_is_below_five_per_cent_where_the_interval_excludes_0():
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        a, b = by_seed(random.normal(1, 1, 5)), by_seed(random.normal(0, 1, 5))
        of = paired(a, b)
        assert (p_value(a, b) < 0.05) == (abs(of.mean) > of.half_width)
        seen.add(p_value(a, b) < 0.05)
    assert seen == {True, False}


def test_only_seeds_that_both_have_are_compared():
    """Differences 1, 2 and 3 of the common seeds: t = 2 / (1 / √3), two degrees of freedom."""
    mine, others = {1: 2.0, 2: 4.0, 3: 6.0, 4: 99.0}, {3: 3.0, 2: 2.0, 1: 1.0, 5: -99.0}
    t = 2 * np.sqrt(3)
    assert p_value(mine, others) == pytest.approx(1 - t / np.sqrt(2 + t**2))  # Student's distribution in closed form
    assert np.isnan(p_value({1: 2.0, 2: 1.0}, {1: 1.0, 3: 2.0}))
    assert np.isnan(p_value({}, {}))


def test_differences_without_spread_are_certain():
    assert p_value({1: 2.0, 2: 3.0}, {1: 2.0, 2: 3.0}) == 1
    assert p_value({1: 2.0, 2: 3.0}, {1: 1.0, 2: 2.0}) == 0


def test_holm_by_hand():
    """4 · .005, 3 · .01, 2 · .03, and .04 is not below the one before it."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])  # at most 1
    np.testing.assert_allclose(holm([0.02]), [0.02])
    assert len(holm([])) == 0


def test_holm_does_not_count_what_has_no_p_value():
    np.testing.assert_allclose(holm([np.nan, 0.02, np.nan, 0.01]), [np.nan, 0.02, np.nan, 0.02])


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_holm_rejects_at_every_level_what_the_procedure_rejects(count: int):
    random = np.random.default_rng(count)
    p_values = [*(random.uniform(0, 1, count) ** 3), float("nan")]
    corrected = holm(p_values)
    ordered = corrected[np.argsort(p_values)][:count]
    assert np.all(np.diff(ordered) >= 0)
    assert np.all((p_values[:-1] <= corrected[:-1]) & (corrected[:-1] <= 1))
    for level in LEVELS:
        assert set(np.flatnonzero(corrected <= level)) == stepped_down(p_values, level)
