"""The page of the search shows what the records say, and the confirmation once a candidate is frozen."""

import itertools
import math

import matplotlib.pyplot as plt
import pytest

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.report.pairs import BENEATH
from adaptax.comparison.results import read_all
from experiments.decade import confirming, outcome, rates, searching
from experiments.engine.places import DOCS, RECORDS
from tests.comparison.test_report import at, final, judged
from tests.experiments.test_confirming import ABOVE, BASE, BELOW, EQUAL, wide

ADAMW, FREE, MUON = searching.RIVALS


def searched(slug: str, **ends: float | None):
    return judged(slug, **{name: at(0.1, *([end, end] if end else [None, 1.0])) for name, end in ends.items()})


RECORD = searched("digits", **{ADAMW: 4.0, FREE: 2.0, "adam": 1.0, "cautious_adam": 1.5, "lsalr": 3.0, "dog_sgd": None})


def test_the_page_is_what_the_records_say():
    assert outcome.page(RECORDS) == (DOCS / "search.md").read_text()
    assert (DOCS / "search.png").stat().st_size < 100_000


def test_no_candidate_comes_near_adamw_where_decay_leads_to_the_minimum():
    (quadratic,) = [record for record in read_all(RECORDS / "search") if record.slug == "quadratic"]
    assert searching.validation_end(quadratic, ADAMW) < 1e-20
    assert min(outcome.ratio(quadratic, name) or math.inf for name in outcome.candidates([quadratic])) > 100


def test_rivals_and_bare_directions_are_no_candidates():
    assert outcome.candidates([RECORD]) == ["cautious_adam", "lsalr", "dog_sgd"]


def test_a_ratio_is_to_the_lowest_rival():
    assert outcome.ratio(RECORD, "cautious_adam") == pytest.approx(0.75)
    assert outcome.ratio(RECORD, "lsalr") == pytest.approx(1.5)
    assert outcome.ratio(RECORD, "dog_sgd") is None  # every rate diverged
    assert outcome.ratio(RECORD, "absent") is None


def test_the_best_come_first_and_what_is_lower_than_all_rivals_is_bold():
    table = outcome._order([RECORD], outcome.candidates([RECORD]), 2)
    assert table.rows[0][1:] == [outcome.Cell("1"), outcome.Cell("0.75", "best")]
    assert table.rows[1][1:] == [outcome.Cell("0"), outcome.Cell("1.50", "")]
    assert len(table.rows) == 2


def test_every_candidate_is_a_dot_of_its_direction():
    figure = outcome.picture([RECORD])
    (axes,) = figure.axes
    dots = {of.get_label(): of.get_offsets().tolist() for of in axes.collections}
    plt.close(figure)
    assert len(dots) == len(BENEATH)
    assert [x for x, _ in dots["around Adam"]] == pytest.approx([0.75])
    assert [x for x, _ in dots["around SGD"]] == pytest.approx([1.5])
    assert outcome._direction("eve+hypergradient_muon, hypergradient.beta=0.08") == "muon"


@pytest.mark.parametrize(
    ("ends", "answer", "below", "above"),
    [
        ([BELOW] * 5, "Yes", 5, 0),
        ([BELOW] * 3 + [EQUAL] * 2, "No", 3, 0),
        ([BELOW] + [ABOVE] * 2 + [EQUAL] * 2, "No", 1, 2),
    ],
)
def test_the_confirmation_says_both_verdicts_with_every_score_difference_and_width(ends, answer, below, above):
    rivals = {name: final(*BASE) for name in searching.RIVALS}
    narrow = [judged(f"task{k}", lsalr=final(*of), **rivals) for k, of in enumerate(ends)]
    of_rivals = {name: {0.1: 1.0, 1.0: 9.0} for name in searching.RIVALS}
    swept = [wide(lsalr={0.01: 1.0, 0.1: 1.0, 1.0: 9.0}, **of_rivals)]
    assert outcome.answer(narrow, swept, "lsalr") == (
        f"**{answer}.** The search ended with `lsalr`. It must end lower than all three rivals on at least 4 of the 5 "
        f"tasks, and higher on none. It ends lower on {below}, and higher than at least one rival on {above}. "
        "Its range of good rates must be at least 10 times as wide as theirs. It is."
    )
    first, scores, second = outcome.confirmation(narrow, swept, "lsalr")
    assert [row[0].text for row in scores.table.rows] == ["`lsalr`", *(f"`{shown(name)}`" for name in searching.RIVALS)]
    assert scores.table.rows[1][-1].text == "20 ± 25"
    assert scores.table.rows[0][1].kind == "best"  # BELOW on the first task
    assert scores.table.rows[1][1].kind == ""
    assert [len(row) for row in first.table.rows] == [4] * 5
    assert first.table.rows[0][1].text.startswith("-1.00 ± 0.25, p ")
    assert first.table.rows[0][1].kind == "best"
    assert first.table.rows[4][1].kind == ("best" if answer == "Yes" else "")
    assert [row[1].text for row in second.table.rows] == ["10", "1", "1", "1"]
    assert [row[2].text for row in second.table.rows] == ["1", "10", "10", "10"]
    assert [row[3].text for row in second.table.rows] == ["0.01 to 0.1", *["0.1 to 0.1"] * 3]
    narrower = outcome.answer(narrow, [wide(lsalr={0.1: 1.0}, **of_rivals)], "lsalr")
    assert narrower.startswith("**No.**")
    assert narrower.endswith("It is not.")


def test_what_the_page_of_measurements_says_of_the_confirmation_is_what_the_records_say():
    """Of docs/measured.md on the product, sentence by sentence."""
    records = {record.slug: record for record in read_all(RECORDS / "confirmation" / "new_seeds")}
    verdicts = {
        slug: {duel.rival: duel.verdict for duel in confirming.duels([record], confirming.FROZEN)}
        for slug, record in records.items()
    }
    lower = {slug for slug, of in verdicts.items() if set(of.values()) == {"lower"}}
    assert lower == {"cifar10_transformer", "cifar10_denoising"}
    assert {slug for slug, of in verdicts.items() if of[FREE] == "higher"} == set(confirming.TASKS) - lower
    words = records["text_words"]
    above = analysis.difference(words, "adam", ADAMW)
    assert above.estimate.mean == pytest.approx(0, abs=0.001)  # Optax's weight decay is nearly none
    assert "adam" in analysis.best_of(words)
    for one, other in itertools.pairwise(("adam", MUON, "update_floor_muon", confirming.FROZEN)):
        assert analysis.difference(words, other, one).verdict == "higher"
    assert analysis.by_mean(words)[-1] == confirming.FROZEN


def test_what_the_page_says_of_the_widths_is_what_the_records_say():
    """Of `WIDTHS`: chance is 90 % of ten classes, and 6 log 2 of a neighbor and five drawn words."""
    near_chance = set()
    for record in read_all(RECORDS / "confirmation" / "wide"):
        good = {name: rates.good_rates(rates.losses(record, name)) for name in (confirming.FROZEN, *searching.RIVALS)}
        widths = {name: high / low for name, (low, high) in good.items()}
        assert widths[confirming.FROZEN] <= 1.001 * max(of for name, of in widths.items() if name != confirming.FROZEN)
        chance = {"cifar10_transformer": 90, "cifar10_residual": 90, "text_words": 6 * math.log(2)}.get(record.slug)
        for name, (low, high) in good.items():
            scores = [score for rate, score in rates.losses(record, name).items() if low <= rate <= high]
            near_chance |= {record.slug} if chance and max(scores) > 0.95 * chance else set()
    assert near_chance == {"cifar10_transformer", "text_words"}


def test_a_seed_that_diverged_is_named():
    rivals = {name: final(*BASE) for name in searching.RIVALS}
    swept = wide(lsalr={0.1: 1.0}, **{name: {0.1: 1.0} for name in searching.RIVALS})
    first, *_ = outcome.confirmation([judged("task", lsalr=final(None, 18.0, 29.0), **rivals)], [swept], "lsalr")
    assert first.table.rows[0][1].text == "a seed of the candidate diverged"
