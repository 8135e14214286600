"""The confirmation judges as the preregistration says: by new seeds against three rivals, and by the range of rates."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from adaptax.comparison import around
from adaptax.comparison.protocol import Grid
from adaptax.comparison.report.pairs import BENEATH
from experiments.decade import confirming, searching
from experiments.decade.rates import good_rates
from experiments.engine.places import RECORDS
from tests.comparison.test_report import final, judged, member

TEXT = (Path(__file__).parents[2] / "docs" / "preregistration.md").read_text()
BASE, BELOW, EQUAL, ABOVE = [10.0, 20.0, 30.0], [9.0, 18.9, 29.1], [11.0, 18.0, 30.0], [11.0, 21.1, 30.9]
RIVALS = searching.RIVALS


def records(*ends: list, rivals: tuple[list, ...] = (BASE, BASE, BASE)):
    """Give a task for each list of the candidate's scores."""
    return [
        judged(f"task{k}", ours=final(*of), **{n: final(*r) for n, r in zip(RIVALS, rivals, strict=True)})
        for k, of in enumerate(ends)
    ]


def test_it_is_the_confirmation_of_the_preregistration():
    assert set(confirming.TASKS) == set(re.findall(r"^\| `(\w+)`", TEXT, re.M))
    assert "at most ten" in TEXT
    assert len((confirming.FROZEN, *RIVALS, *confirming.OTHERS)) <= 10
    narrow, wide = confirming.NARROW, confirming.WIDE
    assert (narrow.rates.low, narrow.rates.high, narrow.rates.count) == (0.001, 1.0, 7)
    assert (narrow.tuning_seeds, narrow.final_seeds, narrow.extensions) == (1, 8, 1)
    assert "Rates: 7 from 0.001 to 1, tuned with 1 seed, at most one extension of two rates" in TEXT
    assert "then 8 new seeds" in TEXT
    half_decades = [wide.rates.rate(k) for k in range(wide.rates.count)]
    assert half_decades[:3] == [1e-5, 3.16e-5, 1e-4]
    assert half_decades[-1] == 10
    assert {narrow.rates.rate(k) for k in range(7)} <= set(half_decades)
    assert (wide.tuning_seeds, wide.only_tunes) == (1, True)
    assert narrow.schedules == wide.schedules == (searching.SCHEDULE,)


@pytest.mark.parametrize(
    ("ends", "holds"),
    [
        ([BELOW] * 5, True),
        ([BELOW] * 4 + [EQUAL], True),
        ([BELOW] * 3 + [EQUAL] * 2, False),  # on three only
        ([BELOW] * 4 + [ABOVE], False),  # higher on one
        ([BELOW] * 4 + [[None, 18.0, 29.0]], False),  # a seed that diverged counts as higher
        ([BELOW] * 4 + [[None, None, None]], False),
        ([BELOW] * 3 + [EQUAL] + [[None, 18.0, 29.0]], False),
    ],
)
def test_it_must_be_below_all_rivals_on_four_tasks_and_above_none(ends, holds):
    assert confirming.ends_lower(confirming.duels(records(*ends), "ours")) is holds


def test_below_two_of_three_rivals_is_not_below_all():
    found = confirming.duels(records(*[BELOW] * 5, rivals=(BASE, BASE, [8.0, 19.0, 30.0])), "ours")
    assert not confirming.ends_lower(found)


def test_a_rival_without_two_seeds_counts_as_higher_and_one_seed_less_does_not():
    lost, one_less = [10.0, None, None], [10.0, 20.1, None]
    found = confirming.duels(records(BELOW, rivals=(BASE, lost, one_less)), "ours")
    assert [duel.verdict for duel in found] == ["lower", "lower", "none shown"]
    assert [duel.found is None for duel in found] == [False, True, False]
    assert confirming.said(found[1], 1.0) == "the rival diverged"
    (found, *_) = confirming.duels(records([None, 18.0, 29.0], rivals=(lost, BASE, BASE)), "ours")
    assert found.verdict == "higher"
    assert confirming.said(found, 1.0) == "a seed of the candidate diverged"


def test_the_correction_is_for_all_fifteen_differences():
    """One task without an interval leaves the number as it is: twelve others, three of p = 1."""
    found = confirming.duels(records(*[BELOW] * 4, [None, 18.0, 29.0]), "ours")
    smallest = min(duel.found.p for duel in found if duel.found)
    assert min(confirming.adjusted(found)) == pytest.approx(15 * smallest)
    assert confirming.adjusted(found)[-3:] == [1.0] * 3


def test_a_verdict_needs_all_tasks_all_new_seeds_and_all_rates(monkeypatch):
    monkeypatch.setattr(confirming, "TASKS", ("task0", "task1"))
    monkeypatch.setattr(confirming, "NARROW", dataclasses.replace(confirming.NARROW, final_seeds=3))
    monkeypatch.setattr(confirming, "WIDE", dataclasses.replace(confirming.WIDE, rates=Grid(0.01, 0.1, 2)))
    new = records(BELOW, [None, 18.0, 29.0])
    rates = {name: {0.01: 1.0, 0.1: float(k)} for k, name in enumerate(("ours", *RIVALS))}
    all_rates = [wide(**rates)._replace(slug=slug) for slug in confirming.TASKS]
    assert confirming.is_complete(new, all_rates, "ours")
    assert not confirming.is_complete(new[:1], all_rates, "ours")
    assert not confirming.is_complete(new, all_rates[:1], "ours")
    assert not confirming.is_complete(records(BELOW, [18.0, 29.0]), all_rates, "ours")
    fewer = wide(**rates | {RIVALS[1]: {0.01: 1.0}})._replace(slug="task1")
    assert not confirming.is_complete(new, [all_rates[0], fewer], "ours")


def wide(**by_method: dict[float, float]):
    """Give each method's validation scores by rate, of one seed."""
    tuned = {name: [member("tune", 0, of[rate], rate=rate) for rate in of] for name, of in by_method.items()}
    return judged("task", **tuned)


def test_the_width_is_a_geometric_mean_over_tasks():
    """Ranges of 100 and of 1 have the mean 10."""
    both = [wide(ours={0.01: 1.2, 0.1: 1.0, 1.0: 1.5}), wide(ours={0.01: 9.0, 0.1: 1.0, 1.0: 9.0})]
    assert confirming.width(both, "ours") == pytest.approx(10.0)


def test_it_forgives_if_ten_times_as_wide_as_every_rival():
    widths = {"ours": 100.0, **dict.fromkeys(RIVALS, 10.0)}
    assert confirming.forgives(widths, "ours")
    assert not confirming.forgives(widths | {RIVALS[2]: 10.1}, "ours")


def test_good_rates_are_the_neighbors_of_the_best_one():
    """10 is as good as many, but a bad rate lies between; one that diverged ends the range."""
    nan = float("nan")
    assert good_rates({0.01: 1.6, 0.03: 1.5, 0.1: 1.0, 0.3: 1.4, 1.0: 5.0, 10.0: 1.1}) == (0.03, 0.3)
    assert good_rates({0.01: 1.1, 0.03: nan, 0.1: 1.0}) == (0.1, 0.1)
    assert good_rates({0.1: 2.0, 0.3: 2.9}) == (0.1, 0.3)
    assert good_rates({0.1: nan, 0.3: nan}) == (0.1, 0.1)


def test_the_report_says_each_difference_each_width_and_both_verdicts():
    rates = {1e-4: 1.0, 1e-3: 1.0, 0.01: 1.0, 0.1: 1.0, 1.0: 1.0}
    narrow = {1e-4: 9.0, 1e-3: 9.0, 0.01: 1.0, 0.1: 9.0, 1.0: 9.0}
    lines = confirming.report(records(*[BELOW] * 5), [wide(ours=rates, **dict.fromkeys(RIVALS, narrow))], "ours")
    assert len([line for line in lines if "candidate - " in line]) == 15
    assert lines[0].startswith(f"task0: candidate - {RIVALS[0]}: -1.00 ± 0.25, p ")
    assert "(a) holds" in lines
    assert "width of ours: 1e+04" in lines
    assert lines[-1] == "(b) holds"


def test_the_candidate_is_the_frozen_one_and_the_search_s_best():
    assert f"`{confirming.FROZEN}`" in TEXT.split("## Frozen")[1]
    order = map(json.loads, (RECORDS / "search" / "order.jsonl").read_text().splitlines())
    assert next(line["candidate"] for line in order if line["tasks"] == 9) == confirming.FROZEN
    direction = around.direction_of(confirming.FROZEN.partition(", ")[0])
    assert BENEATH[direction] in (*RIVALS, *confirming.OTHERS)


def test_a_candidate_with_constants_of_its_own_is_trained_with_them(monkeypatch, tmp_path: Path):
    """On each of the five tasks twice: for new seeds with other contenders, for the widths with the rivals alone."""
    name, trained = "eve+hypergradient_adam, hypergradient.beta=0.08", []
    monkeypatch.setattr(confirming, "FROZEN", name)
    monkeypatch.setattr(confirming, "OTHERS", ("adam",))
    monkeypatch.setattr(confirming, "judge", lambda tasks, methods, *rest, **how: trained.append(methods))
    monkeypatch.setattr(confirming, "report", lambda *of: [])
    confirming.confirm(tmp_path)
    assert [list(of) for of in trained] == [[name, *RIVALS, "adam"]] * 5 + [[name, *RIVALS]] * 5
    assert dict(trained[0][name].numbers) == {"hypergradient.beta": 0.08}
    assert all(method.default is None for of in trained for method in of.values())  # 15 members, none untuned
