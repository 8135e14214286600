"""In tables of many differences those are bold that hold after Holm's correction; beside them is what they save."""

import numpy as np
import scipy.stats

from adaptax.comparison import analysis
from adaptax.comparison.report import groups, tables
from adaptax.comparison.report.differences import by_task, corrected
from adaptax.comparison.report.markup import Section, to_markdown
from adaptax.comparison.report.page import to_html_table
from adaptax.comparison.report.pairs import pairs
from adaptax.comparison.results import TaskRecord
from tests.comparison.test_conclusion import at_combination
from tests.comparison.test_report import at, final, judged, lost, member

BASE = (2.0, 3.0, 4.0)
CLEAR, JUST, WORSE = (1.0, 2.01, 3.0), (1.0, 2.2, 2.9), (3.0, 3.8, 5.1)
BELOW = scipy.stats.ttest_rel(JUST, BASE).pvalue


def record_of(slug: str = "x", **tests: tuple[float, ...]) -> TaskRecord:
    return judged(slug, slug, adam=final(*BASE), **{name: final(*of) for name, of in tests.items()})


def compared(**tests: tuple[float, ...]) -> tuple[list[list[str]], str]:
    """Compare with Adam, on two tasks that are alike; return the kinds of the cells, and the rule."""
    records = [record_of("x", **tests), record_of("y", **tests)]
    table, rule = by_task(records, {name: (name, "adam") for name in tests}, analysis.difference)
    return [[cell.kind for cell in row[1:]] for row in table.rows], rule


def test_bold_is_what_holds_after_the_correction_for_all_of_the_table():
    """A p-value of .0082, six times: 6 · .0082 is below .05. Eight times: 8 · .0082 is not."""
    assert 6 * BELOW < 0.05 < 8 * BELOW
    assert compared(a=JUST, b=JUST, c=WORSE)[0] == [["better"] * 2, ["better"] * 2, ["worse"] * 2]
    kinds, rule = compared(clear=CLEAR, a=JUST, b=JUST, c=WORSE, d=JUST)
    assert kinds == [["better"] * 2, *[["", ""]] * 4]
    assert rule == (
        "Bold: significant at the 5 % level after Holm's correction for all 10 differences of this table. The "
        "intervals are not corrected."
    )


def test_what_has_no_interval_is_not_counted():
    records = [
        record_of("x", a=JUST),
        judged("y", "y", adam=final(2.0), a=final(1.0)),
        judged("z", "z", a=final(*JUST)),
    ]
    table, rule = by_task(records, {"a": ("a", "adam"), "b": ("b", "adam")}, analysis.difference)
    assert [[cell.text for cell in row] for row in table.rows] == [["a", "-0.97 ± 0.38", "-1", "–"]]  # b is left out
    assert [cell.kind for cell in table.rows[0]] == ["", "better", "", ""]
    assert rule == "Bold: significant at the 5 % level. The intervals are not corrected."


def test_a_method_with_a_diverged_seed_is_not_lower_after_the_correction_either():
    of = record_of(a=CLEAR)
    of.results["a"].append(lost("final", 1003, 1.0))
    (held,) = corrected([analysis.difference(of, "a", "adam")])
    assert held.p < 0.001
    assert held.verdict == "none shown"


def test_a_better_method_says_in_which_share_of_the_steps_it_is_as_low():
    """Two of four evaluations; not of one that is higher, never is as low or only at the end."""
    ends = {"eve": (9, 1, 1, 1), "nadam": (9, 9, 9, 1), "lamb": (9, 9, 9, 9), "adam_mini": (1, 1, 1, 1)}
    tests = {"eve": CLEAR, "nadam": CLEAR, "lamb": CLEAR, "adam_mini": WORSE, "adam": BASE}
    results = {
        name: [member("final", 1000 + k, *ends.get(name, (9, 9, 9, 1)), test=test) for k, test in enumerate(of)]
        for name, of in tests.items()
    }
    (section,) = pairs([judged("x", **results)])
    saved = {row[0].text.partition(" – ")[0]: row[1].text.partition(", ")[2] for row in section.table.rows}
    assert saved == {"nadam": "", "eve": "in 50 %", "adam_mini": "", "lamb": ""}
    assert "this underestimates what is saved" in section.paragraphs[0]
    assert "Holm's correction for all 4 differences of this table." in section.paragraphs[0]


def test_at_a_tenth_of_the_rate_the_correction_is_for_that_table():
    """Three tuning seeds; the rows of the two tables are counted apart."""
    tuned = {"adam": [*at(0.01, *BASE), *at(0.1, 1.0, 1.0, 1.0)], "eve": [*at(0.01, *JUST), *at(0.1, 1.0, 1.0, 1.0)]}
    both = judged("x", adam=[*tuned["adam"], *final(*BASE)], eve=[*tuned["eve"], *final(*CLEAR)])
    tuned_alone = judged("y", adam=[*at(0.1, 1.0), *final(*BASE)], eve=[*at(0.1, 1.0), *final(*JUST)])
    first, second = pairs([both, tuned_alone])
    assert "for all 2 differences" in first.paragraphs[0]
    assert second.paragraphs[0].endswith(
        "no interval. Bold: significant at the 5 % level. The intervals are not corrected."
    )
    assert [cell.kind for cell in second.table.rows[0]] == ["", "better", ""]


def section_of(parts: list[Section], title: str) -> Section:
    (found,) = [part for part in parts if part.title.startswith(title)]
    return found


def test_wins_and_the_worth_of_schedules_are_corrected_too():
    """Seven methods on one task: 7 · .0082 is above .05, so only the clear one wins; alone, each wins."""
    assert 7 * BELOW > 0.05

    def wins(**tests: tuple[float, ...]) -> dict[str, str]:
        results = {"optax_momentum": final(*BASE)} | {name: final(*of) for name, of in tests.items()}
        of = [judged("x", **results), judged("y", optax_momentum=final(*BASE))]
        table = section_of(tables.sections(of), "Where each wins").table
        return {row[0].text: row[1].text for row in table.rows}

    assert wins(a=JUST) == {"a": "x"}
    assert wins(**dict.fromkeys("abcdefg", JUST), h=CLEAR) == dict.fromkeys("abcdefg", "–") | {"h": "x"}
    at_linear = at_combination([*at(0.1, 1.0), *final(*JUST)], "linear")
    many = {f"{name}@linear": at_linear for name in "abcdefg"} | {name: final(*BASE) for name in "abcdefg"}
    (worth,) = groups.worth([judged("x", **many)])
    assert {row[1].kind for row in worth.table.rows} == {""}
    assert "for all 7 differences" in worth.paragraphs[0]


def test_against_the_lowest_the_verdict_is_plain_and_bold_is_corrected():
    tests = dict.fromkeys("abcdefg", tuple(2 * b - j for b, j in zip(BASE, JUST, strict=True)))
    of = judged(
        adam=final(*BASE), clear=final(*(2 * np.array(BASE) - CLEAR)), **{n: final(*t) for n, t in tests.items()}
    )
    against = section_of(tables.sections([of]), "Against the lowest")
    assert list(against.table.header) == ["method", "difference", "steps", "verdict"]
    rows = {row[0].text: row[1:] for row in against.table.rows}
    assert {cells[2].text for cells in rows.values()} == {"higher"}
    assert {name for name, cells in rows.items() if cells[0].kind == "worse"} == {"clear"}
    assert {cells[1].text for cells in rows.values()} == {"100 %"}  # all have one evaluation, and the same
    assert "for all 8 differences" in against.paragraphs[0]


def test_bold_is_the_same_in_markdown_and_on_the_page():
    records = [record_of("x", eve=CLEAR, nadam=BASE), record_of("y", eve=WORSE, nadam=BASE)]
    (section,) = pairs(records)
    markdown = to_markdown([section])
    assert "| eve – adam | **-0.997 ± 0.014** | **+0.97 ± 0.38** |" in markdown
    assert "| nadam – adam | +0 | +0 |" in markdown
    page = to_html_table(section.table)
    assert page.count('<td class="better">') == page.count('<td class="worse">') == 1
