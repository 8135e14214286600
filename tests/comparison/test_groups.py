"""Methods under schedules are told of apart from those at constant rates, and first."""

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.report import groups, tables
from adaptax.comparison.report.markup import to_markdown
from adaptax.comparison.report.pairs import pairs_among
from tests.comparison.test_report import at, final, judged


def done(level: float) -> list:
    return [*at(0.1, 1.0, 1.0), *final(level, level + 1.0, level + 2.1)]


BOTH = judged(
    "both",
    "Both",
    adam=done(5.0),
    optax_momentum=done(6.0),
    **{"adam@warmup_linear": done(4.0), "cautious_adam@warmup_linear": done(3.0)},
)
TWICE = judged(
    "twice", "Two schedules", **{"adam@cosine": done(2.0), "adam@linear": done(1.0), "lsalr@linear": done(3.0)}
)
HELD = judged("held", "Constant alone", adam=done(5.0), lsalr=done(4.0))


def test_a_method_under_a_schedule_goes_by_its_own_name_among_its_like():
    (scheduled,) = groups.scheduled([BOTH, HELD])
    assert list(scheduled.results) == ["adam", "cautious_adam"]
    assert analysis.ends(scheduled, "adam").scores == analysis.ends(BOTH, "adam@warmup_linear").scores
    assert list(scheduled.timings) == list(scheduled.config["contenders"]) == ["adam", "cautious_adam"]
    constant = groups.constant([BOTH, HELD])
    assert [list(record.results) for record in constant] == [["adam", "optax_momentum"], ["adam", "lsalr"]]
    assert analysis.ends(constant[0], "adam").scores == analysis.ends(BOTH, "adam").scores


def test_a_method_under_two_schedules_keeps_both_names():
    (scheduled,) = groups.scheduled([TWICE])
    assert list(scheduled.results) == ["adam@cosine", "adam@linear", "lsalr"]


def test_what_a_schedule_is_worth_is_the_difference_to_the_method_at_a_constant_rate():
    (section,) = groups.worth([BOTH, HELD])
    assert [cell.text for cell in section.table.rows[0]] == ["adam, warmup_linear", "-1", "–"]
    assert len(section.table.rows) == 1  # cautious Adam was not tried at a constant rate
    assert groups.worth([TWICE]) == []


def test_the_report_opens_with_schedules():
    text = to_markdown(tables.sections([BOTH, HELD]))
    first = text.split("\n## ")[0]
    assert first.index("*Under a schedule of the learning rate*: `rescale(scale_by_moments(), cautious_rate())` leads")
    assert "*At a constant learning rate*: No method leads everywhere" not in first.split("\n\n")[1]
    assert "*At a constant learning rate*: " in first
    alone = to_markdown(tables.sections([HELD, HELD._replace(slug="again")]))
    assert "Under a schedule" not in alone


def test_rates_are_compared_with_their_directions_without_a_list():
    record = judged(adam=done(1.0), optax_muon=done(1.0), cautious_adam=done(1.0), lsalr_adam=done(1.0),
                    **{"cautious+lsalr_muon": done(1.0), "cautious_momentum": done(1.0)})  # fmt: skip
    assert pairs_among([record]) == [
        ("lsalr_adam", "adam"),
        ("cautious_adam", "adam"),
        ("cautious+lsalr_muon", "optax_muon"),
    ]
    assert np.isclose(analysis.difference(record, "cautious_adam", "adam").estimate.mean, 0)
