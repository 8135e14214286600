"""Verdicts on published claims, against differences made by hand, and a page that is what its records say."""

from pathlib import Path

import pytest

from experiments import evidence, registry
from experiments.claims import FAILS, HOLDS, Claim, judge
from experiments.command_line import EVIDENCE, RECORDS
from experiments.loop import Row
from experiments.records import Record

CLAIM = Claim(says="b beats a", source="nobody", trial="t", baseline="a", contender="b")


def rows(contender, errors):
    """One evaluation of each seed; None is a seed that diverged."""
    for seed, error in enumerate(errors):
        row = {field: 0 for field in Row._fields} | {
            "trial": "t",
            "contender": contender,
            "seed": seed,
            "split": "test",
        }
        yield Row(**row | {"loss": error, "error": error, "diverged": error is None})


def finding(a, b, **settings):
    return judge(Claim(**vars(CLAIM) | settings), Record({}, {}, [*rows("a", a), *rows("b", b)]))


def test_differences_are_taken_seed_by_seed():
    """Differences 1, 2, 3: mean 2, standard error .577, t 4.303."""
    found = finding([1.0, 20.0, 300.0], [2.0, 22.0, 303.0])
    assert found.difference.mean == pytest.approx(2.0)
    assert found.difference.half_width == pytest.approx(4.303 / 3**0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("b", "expects", "verdict"),
    [
        ([9.0, 18.9, 29.1], "lower", HOLDS),
        ([9.0, 18.9, 29.1], "higher", FAILS),
        ([11.0, 21.1, 30.9], "higher", HOLDS),
        ([11.0, 18.0, 30.0], "lower", FAILS),  # no difference shown
        ([9.0, 18.9, None], "lower", FAILS),  # the better one must not diverge
    ],
)
def test_a_claim_holds_where_the_interval_lies_on_its_side(b, expects, verdict):
    assert finding([10.0, 20.0, 30.0], b, expects=expects).verdict == verdict


def test_one_seed_proves_nothing():
    assert finding([10.0], [1.0]).verdict == FAILS


def test_every_claim_names_a_trial_and_contenders_that_exist():
    for slug, experiment in registry.find_all().items():
        for claim in evidence.claims_of(slug):
            if claim.trial is not None:
                assert {claim.baseline, claim.contender} <= set(experiment.trials[claim.trial].contenders), claim


def test_the_page_is_what_the_records_say():
    """After a change: python -m experiments evidence."""
    assert Path(EVIDENCE).read_text(encoding="utf-8") == evidence.to_markdown(RECORDS)
