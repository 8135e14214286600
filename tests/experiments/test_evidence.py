"""Verdicts on published claims, against differences made by hand, and a page that is what its records say."""

import re
from pathlib import Path

import pytest

from experiments.engine import claims, finder
from experiments.engine.claims import FAILS, HOLDS, Claim, judge
from experiments.engine.loop import Row
from experiments.engine.places import DOCS, RECORDS
from experiments.engine.records import Record

CLAIM = Claim(says="b beats a", source="nobody", trial="t", baseline="a", contender="b")


def rows(contender, errors, step=0, split="test", losses=None):
    """One evaluation of each seed; None is a seed that diverged."""
    for seed, (error, loss) in enumerate(zip(errors, losses or errors, strict=True)):
        yield Row("t", contender, seed, step, split, loss=loss, error=error, diverged=error is None)


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
        ([10.5, 19.9, 30.1], "no higher", HOLDS),
        ([11.0, 21.1, 30.9], "no higher", FAILS),
        ([9.0, 18.9, None], "no higher", FAILS),
    ],
)
def test_a_claim_holds_where_the_interval_lies_on_its_side(b, expects, verdict):
    assert finding([10.0, 20.0, 30.0], b, expects=expects).verdict == verdict


def test_one_seed_proves_nothing():
    assert finding([10.0], [1.0]).verdict == FAILS


def test_a_claim_can_be_of_a_step_before_the_end():
    found = [*rows("a", [10.0, 20.0], step=1), *rows("b", [8.0, 18.1], step=1)]
    found += [*rows("a", [1.0, 2.0], step=5), *rows("b", [1.0, 2.0], step=5)]
    early, late = (judge(Claim(**vars(CLAIM) | {"step": step}), Record({}, {}, found)) for step in (1, None))
    assert early.difference.mean == pytest.approx(-1.95)
    assert (early.verdict, late.verdict) == (HOLDS, FAILS)


def test_a_claim_can_be_of_the_training_loss():
    """Its unit is not per cent: 1e-5 against 3e-5 is not 0.00 against 0.00. Every other measure says the contrary."""
    found = []
    for name, losses, others in (("a", [3e-5, 3.6e-5], [1.0, 1.1]), ("b", [1e-5, 1.4e-5], [5.0, 6.0])):
        found += [*rows(name, others, split="train", losses=losses), *rows(name, others, losses=others)]
    claim = Claim(**vars(CLAIM) | {"of": "training loss"})
    judged = judge(claim, Record({}, {}, found))
    assert judged.difference.mean == pytest.approx(-2.1e-5)
    assert judged.verdict == HOLDS
    cells = claims._cells(claim, Record({}, {}, found))
    assert cells[2:5] == ["3.3e-05 ± 3.8e-05", "1.2e-05 ± 2.5e-05", "-2.1e-05 ± 1.3e-05"]
    assert judge(CLAIM, Record({}, {}, found)).verdict == FAILS


def test_a_published_figure_can_stand_for_the_baseline():
    found = finding([], [9.0, 9.1, 9.2], baseline=10.0)
    assert (found.difference.mean, found.baseline.mean) == pytest.approx((-0.9, 10.0))
    assert found.verdict == HOLDS
    assert finding([], [9.9, 10.4, 9.8], baseline=10.0).verdict == FAILS  # 10 lies in the interval


def test_of_several_the_best_on_validation_is_taken_and_named():
    """The lowest on the test split, b2, is not it, nor is b3, of which a seed diverged."""
    found = [*rows("a", [10.0, 20.0])]
    for name, validation, test in (("b1", [5.0, 6.0], [9.0, 18.9]), ("b2", [6.0, 7.0], [1.0, 2.0])):
        found += [*rows(name, validation, split="validation"), *rows(name, test)]
    found += [*rows("b3", [1.0, None], split="validation"), *rows("b3", [1.0, None])]
    judged = judge(Claim(**vars(CLAIM) | {"contender": ("b1", "b2", "b3")}), Record({}, {}, found))
    assert judged.chosen == "a against b1"
    assert judged.contender.mean == pytest.approx(13.95)


def test_every_claim_names_a_trial_and_contenders_that_exist():
    for slug, experiment in finder.papers().items():
        for claim in finder.find_all(finder.PAPERS, "CLAIMS").get(slug, ()):
            if claim.trial is not None:
                sides = [(side,) if isinstance(side, str) else side for side in (claim.baseline, claim.contender)]
                named = {name for side in sides if isinstance(side, tuple) for name in side}
                assert named <= set(experiment.trials[claim.trial].contenders), claim
                assert claim.step is None or claim.step in experiment.evaluate_at


def test_a_calibration_alone_is_no_record(tmp_path: Path):
    (tmp_path / "eve_digits").mkdir()
    (tmp_path / "eve_digits/calibration.md").touch()
    assert "`python -m experiments run eve_digits` has not been run yet." in claims.page(tmp_path)


def test_the_page_is_what_the_records_say():
    """After a change: python -m experiments evidence."""
    page = claims.page(RECORDS)
    assert Path(DOCS / "evidence.md").read_text(encoding="utf-8") == page
    pictures = claims.pictures(RECORDS)
    assert list(pictures) == re.findall(r"\((layers_\w+\.svg)\)", page)
    assert {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("layers_*.svg")} == pictures
