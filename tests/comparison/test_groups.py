"""Methods under schedules are told of apart from those at constant rates, and first."""

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.protocol import Result
from adaptax.comparison.report import groups, tables
from adaptax.comparison.report.judged import how_judged
from adaptax.comparison.report.markup import to_markdown
from adaptax.comparison.report.pairs import pairs_among
from adaptax.comparison.report.use import what_to_use
from tests.comparison.test_conclusion import at_combination
from tests.comparison.test_report import at, final, judged


def done(level: float, *schedules: str) -> list[Result]:
    """Give a method that was tried at a constant rate, or under these schedules, of which the first is best."""
    tuned = [r for k, of in enumerate(schedules or ["constant"]) for r in at_combination(at(0.1, 1.0 + k, 1.0 + k), of)]
    return [*tuned, *final(level, level + 1.0, level + 2.1)]


BOTH = judged(
    "both",
    "Both",
    adam=done(5.0),
    optax_momentum=done(6.0),
    **{"adam@warmup_linear": done(4.0, "warmup_linear"), "cautious_adam@warmup_linear": done(3.0, "warmup_linear")},
)
TWICE = judged(
    "twice",
    "Two schedules",
    **{"adam@cosine": done(2.0, "cosine"), "adam@linear": done(1.0, "linear"), "lsalr@linear": done(3.0, "linear")},
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


def test_methods_are_grouped_by_what_was_tried_and_not_by_their_names():
    """A user's own methods carry no schedule in their names."""
    own = judged("own", mine=done(1.0, "linear", "cosine"), held=done(2.0), both=done(3.0, "linear", "constant"))
    assert [[*of.results] for group in groups.split([own]) for of in group] == [["mine"], ["held", "both"]]
    assert [groups.where(group) for group in groups.split([own])] == ["under a schedule", "at the best schedule"]
    assert [groups.where(group) for group in groups.split([HELD])] == ["at a constant rate"]
    assert groups.split([]) == []


def answers(*of) -> dict[str, list[str]]:
    table = what_to_use(of)
    assert table.of_words
    return {"": list(table.header)} | {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_what_to_use_is_answered_for_each_task_and_group():
    found = answers(BOTH, HELD)
    assert found[""] == ["task", "under a schedule (warmup_linear)", "at a constant rate"]
    assert found["Both (error, %)"] == [
        "rescale(scale_by_moments(), cautious_rate()): 4.0 ± 2.6; ties: 0 of 1",
        "adam: 6.0 ± 2.6; ties: 0 of 1",
    ]
    assert found["Constant alone (error, %)"] == ["–", "lsalr: 5.0 ± 2.6; ties: 0 of 1"]
    assert answers(TWICE)[""] == ["task", "under a schedule (cosine, linear)"]
    assert answers(TWICE)["Two schedules (error, %)"] == ["adam, linear: 2.0 ± 2.6; ties: 0 of 2"]


def test_the_methods_that_tie_are_counted():
    """Only e is higher."""
    tied = {
        "d": (1.2, 2.0, 3.4),
        "c": (1.2, 1.9, 3.1),
        "b": (1.1, 1.9, 3.1),
        "a": (1.0, 2.0, 3.0),
        "e": (9.0, 10.0, 11.1),
    }
    every = {name: [*at(0.1, 1.0), *final(*tests)] for name, tests in tied.items()}
    assert answers(judged(**every))["A task (error, %)"] == ["a: 2.0 ± 2.5; ties: 3 of 4"]
    few = {name: every[name] for name in "cab"}
    assert answers(judged(**few))["A task (error, %)"] == ["a: 2.0 ± 2.5; ties: 2 of 2"]
    assert answers(judged(a=every["a"], b=every["b"]))["A task (error, %)"] == ["a: 2.0 ± 2.5; ties: 1 of 1"]
    assert answers(judged(a=every["a"]))["A task (error, %)"] == ["a: 2.0 ± 2.5"]


def test_what_to_use_holds_whatever_happened():
    chosen = judged(a=done(1.0, "linear", "constant"), b=done(2.0, "constant", "linear"))
    assert answers(chosen)[""] == ["task", "at the best schedule (linear, constant)"]
    assert answers(chosen)["A task (error, %)"] == ["a under linear: 2.0 ± 2.6; ties: 0 of 1"]
    assert answers(judged(a=at(0.1, 1.0)))["A task (error, %)"] == ["no test score yet"]
    lost = judged(a=[*at(0.1, 1.0), *final(1.0, None)])
    assert answers(lost)["A task (error, %)"] == ["each method has a diverged seed"]


def test_the_report_opens_with_what_to_use():
    first, *others = tables.sections([BOTH, HELD])
    assert first.paragraphs == [
        "Of 2 methods under a schedule, `rescale(scale_by_moments(), cautious_rate())` leads on the only task; of 3 "
        "methods at a constant rate, `adam` and `lsalr` each lead on 1 of 2 tasks, more than any other (3 seeds each; "
        "a method leads if its test score is the lowest, or not significantly different from it by the 95 % interval)."
    ]
    assert first.table == what_to_use([BOTH, HELD])
    assert "Two methods *tie* if the 95 % interval of their difference contains 0" in first.notes[0]
    assert [part.title for part in others[:3]] == [tables.UNDER, "How it was judged", tables.AT]
    assert [part.is_folded for part in others[:3]] == [False, True, True]
    alone = to_markdown(tables.sections([HELD, HELD._replace(slug="again")]))
    assert "Under a schedule" not in alone
    assert alone.count("Two methods *tie*") == 1


def test_how_it_was_judged_tells_of_each_methods_schedule_and_of_tasks_with_other_seeds():
    fewer = HELD._replace(slug="fewer", config={**HELD.config, "protocol": {**HELD.config["protocol"]}})
    fewer.config["protocol"]["final_seeds"] = 2
    text = " ".join(how_judged([BOTH, HELD, fewer], True).paragraphs)
    assert " Each is tried as the peak of its method's schedule, one of these: constant, warmup_linear." in text
    assert "with 3 new seeds (1000, …); `fewer`: 2. The test set" in text
    every = judged(a=done(1.0, "linear", "constant"), b=done(2.0, "constant", "linear"))
    assert " Each is tried as the peak of every schedule: linear, constant." in how_judged([every], True).paragraphs[0]
    assert "peak" not in how_judged([HELD], True).paragraphs[0]


def test_of_one_task_with_two_groups_the_table_comes_before_the_chart():
    first, second, *_ = tables.sections([BOTH])
    assert first.title == "Both"
    assert first.table == what_to_use([BOTH])
    assert first.pictures is None
    assert first.paragraphs[0].startswith("`rescale(scale_by_moments(), cautious_rate()), warmup_linear` is best: ")
    assert (second.title, second.paragraphs) == (tables.ALL, ())
    assert second.pictures is not None
    assert not second.is_folded


def test_rates_are_compared_with_their_directions_without_a_list():
    record = judged(adam=done(1.0), optax_muon=done(1.0), cautious_adam=done(1.0), lsalr_adam=done(1.0),
                    **{"cautious+lsalr_muon": done(1.0), "cautious_momentum": done(1.0)})  # fmt: skip
    assert pairs_among([record]) == [
        ("lsalr_adam", "adam"),
        ("cautious_adam", "adam"),
        ("cautious+lsalr_muon", "optax_muon"),
    ]
    assert np.isclose(analysis.difference(record, "cautious_adam", "adam").estimate.mean, 0)
