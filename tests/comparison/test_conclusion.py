"""The sentence that opens a report says what the analysis found, whatever happened: ties, divergence, no reruns."""

import pytest

from adaptax.comparison import analysis
from adaptax.comparison.protocol import Result
from adaptax.comparison.report import conclusion, tables
from adaptax.comparison.report.show import listed
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.trials import Combination
from tests.comparison.test_report import at, final, judged, lost, reruns, tuning

LOW, ALIKE, HIGH = (1.0, 2.0, 3.0), (1.1, 1.9, 3.2), (2.0, 3.1, 3.9)
LOW_IS, HIGHER_BY = "2.0 ± 2.5 (error, %) at learning rate 0.1", "1.00 ± 0.25"


def done(*tests: float | None, rate: float = 0.1) -> list[Result]:
    """Give a method whose best rate is known, rerun with these test scores."""
    return [*at(rate, 1.0, 1.0), *final(*tests)]


def at_combination(results: list[Result], schedule: str, **settings: float) -> list[Result]:
    combination = Combination(schedule, tuple(settings.items()))
    return [Result(r.phase, r.curve._replace(combination=combination)) for r in results]


DIVERGED = at(0.1, None, None)
CASES = {
    "one is best": (
        {"b": done(*HIGH), "a": done(*LOW)},
        f"`a` is best: {LOW_IS}; `b` ends {HIGHER_BY} higher.",
    ),
    "a tie": (
        {"b": done(*ALIKE), "a": done(*LOW)},
        f"`a` is lowest: {LOW_IS}; `b` is not significantly different (95 % interval).",
    ),
    "a tie and two that are higher": (
        {"d": done(3.0, 4.0, 5.1), "b": done(*ALIKE), "c": done(*HIGH), "a": done(*LOW)},
        f"`a` is lowest: {LOW_IS}; `b` is not significantly different (95 % interval); `c` ends {HIGHER_BY} "
        "higher, `d` 2.03 ± 0.14.",
    ),
    "more than can be named": (
        {
            "a": done(*LOW),
            **{name: done(*ALIKE) for name in "bcdef"},
            **{n: done(*HIGH) for n in "gh"},
            "i": done(9.0, 10.0, 11.1),
        },
        f"`a` is lowest: {LOW_IS}; `b`, `c`, `d` and 2 others are not significantly different (95 % interval); 3 "
        f"others end higher, by {HIGHER_BY} (`g`) to 8.03 ± 0.14 (`i`).",
    ),
    "one method": ({"a": done(*LOW)}, f"`a` ends at {LOW_IS}."),
    "equal scores": ({"a": done(2.0, 2.0, 2.0)}, "`a` ends at 2 (error, %) at learning rate 0.1."),
    "a known method is named by its expression": (
        {"lsalr_nag": done(*LOW), "optax_momentum": done(*HIGH)},
        f"`chain(scale_by_rate(lsalr_rate()), nesterov())` is best: {LOW_IS}; `optax.sgd(momentum=0.9)` ends "
        f"{HIGHER_BY} higher.",
    ),
    "one diverged": (
        {"a": done(*LOW), "b": DIVERGED},
        f"`a` is best: {LOW_IS}; `b` diverged at every learning rate.",
    ),
    "a lower one diverged with some seeds": (
        {"a": done(*LOW), "b": done(0.1, None, 0.1)},
        f"`a` is best of the methods without a diverged seed: {LOW_IS}; new seeds diverged: `b` with 1 of 3.",
    ),
    "a higher one diverged with some seeds": (
        {"a": done(*LOW), "b": done(None, 9.0, 9.1), "c": done(None, None, None)},
        f"`a` is best of the methods without a diverged seed: {LOW_IS}; new seeds diverged: `b` with 1 of 3 and "
        "`c` with 3 of 3.",
    ),
    "each diverged with some seeds": (
        {"a": done(5.0, None, 5.0), "b": done(2.0, 2.0, None)},
        "No method finished with every seed; `b` is lowest over the seeds that finished: 2 (error, %) at learning "
        "rate 0.1; new seeds diverged: `a` with 1 of 3 and `b` with 1 of 3.",
    ),
    "all diverged with their new seeds": (
        {"a": done(None, None), "b": done(None, None)},
        "No method finished; new seeds diverged: `a` with 2 of 2 and `b` with 2 of 2.",
    ),
    "all diverged": (
        {"a": DIVERGED, "b": DIVERGED},
        "`a` and `b` diverged at every learning rate: there is no score.",
    ),
    "interrupted": (
        {"a": done(*LOW), "b": at(0.1, 1.0, 1.0), "c": at(0.1, 1.0, 1.0)},
        f"`a` is best so far: {LOW_IS}; `b` and `c` have no test score yet.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_conclusion_reads_well_whatever_happened(case: str):
    results, expected = CASES[case]
    assert conclusion.of_task(judged(**results)) == expected


def only_tuned(**results: list[Result]) -> TaskRecord:
    of = judged(**results)
    of.config["protocol"]["only_tunes"] = True
    return of


def test_of_rates_that_were_only_tuned_nothing_is_said_of_the_test_split():
    told = "Rates were only tuned: the test split was not read."
    found = conclusion.of_task(only_tuned(b=at(0.1, 2.0, 2.0), a=[*at(0.1, 1.0, 3.1), *at(0.01, 1.0, 1.0)], c=DIVERGED))
    lead = "On validation `a` is lowest: 1 (error, %) at learning rate 0.01; `b` comes next with 2"
    assert found == f"{lead}; `c` diverged at every learning rate. {told}"
    assert conclusion.of_task(only_tuned(a=at(0.1, 1.0, 1.0))).startswith("On validation `a` ends at 1 (error, %) at ")
    assert (
        conclusion.of_task(only_tuned(a=DIVERGED)) == f"`a` diverged at every learning rate: there is no score. {told}"
    )
    assert conclusion.of_task(judged(a=at(0.1, 1.0, 1.0))).endswith(" No test score was read yet.")


def test_schedule_and_settings_are_told_where_there_were_any():
    tuned = [*at(0.01, 3.0, 3.0), *at_combination(at(0.1, 1.0, 1.0), "linear", decay=0.01, beta=0.9)]
    found = conclusion.of_task(judged(a=[*tuned, *final(*LOW)]))
    assert found == f"`a` ends at {LOW_IS} under linear with decay = 0.01 and beta = 0.9."
    tuned = [*at(0.1, 1.0, 1.0), *at_combination(at(0.1, 2.0, 2.0), "linear")]
    assert conclusion.of_task(judged(a=[*tuned, *final(*LOW)])) == f"`a` ends at {LOW_IS}, held constant."


def test_a_users_own_method_carries_his_name_though_a_known_one_be_called_so():
    of = judged(optax_momentum=done(*LOW))
    of.config["contenders"] = {"optax_momentum": {"code": "0123"}}
    assert conclusion.of_task(of).startswith("`optax_momentum` ends at")
    assert tables.sections([of])[0].table.rows[0][0].text == "optax_momentum"


def test_the_sentence_to_quote_says_who_leads_on_how_many_tasks():
    def told(*of: TaskRecord) -> str:
        return conclusion.to_quote([of]).partition(" (")[0]

    low, high = judged("x", a=done(*LOW), b=done(*HIGH)), judged("y", a=done(*HIGH), b=done(*LOW))
    tie, of_two = judged("z", a=done(*LOW), b=done(*ALIKE)), "Of 2 methods at a constant rate, "
    assert told(low, high, low) == f"{of_two}`a` leads on 2 of 3 tasks, more than any other"
    assert told(low, high) == f"{of_two}`a` and `b` each lead on 1 of 2 tasks, more than any other"
    assert told(low, tie) == f"{of_two}`a` leads on each of 2 tasks"
    assert told(tie, tie) == f"{of_two}`a` and `b` lead on each of 2 tasks"
    assert told(low) == f"{of_two}`a` leads on the only task"
    lost_all = judged("l", a=DIVERGED, b=DIVERGED)
    assert told(lost_all, lost_all) == f"{of_two}none leads on any task"
    assert conclusion.of_tasks([lost_all, lost_all]).startswith("These lead on the most of the 2 tasks: none. ")


def test_the_sentence_to_quote_tells_of_groups_seeds_and_the_rule():
    few, more = judged("x", a=done(*LOW)), judged("y", a=done(*LOW))
    more.config["protocol"]["final_seeds"] = 10
    rule = (
        "a method leads if its test score is the lowest, or not significantly different from it by the 95 % interval)."
    )
    assert conclusion.to_quote([[few], [few, few]]) == (
        "Of 1 method at a constant rate, `a` leads on the only task; of 1 method at a constant rate, `a` leads on each "
        f"of 2 tasks (3 seeds each; {rule}"
    )
    assert conclusion.to_quote([[more, few]]).endswith(f"(3 to 10 seeds each; {rule}")


def test_the_chart_of_several_tasks_has_the_methods_that_are_named_and_momentum():
    results = {name: [*tuning(level, 1), *reruns("final", level, 2)] for level, name in enumerate("abcdefghij", 1)}
    of = [judged(slug, **results, optax_momentum=[lost("final", 1000, 1.0)]) for slug in "xy"]
    named = conclusion.named(of)
    assert named[-1] == "optax_momentum"
    assert len(named) <= 8
    assert set(named[:-1]) == {name for name in "abcdefghij" if f"`{name}`" in conclusion.of_tasks(of)}
    assert next(iter(analysis.times_lowest(of))) in named


@pytest.mark.parametrize(
    ("words", "text"),
    [("", ""), ("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcde", "a, b, c and 2 others")],
)
def test_a_list_is_written_as_a_sentence_has_it(words: str, text: str):
    assert listed(words) == text
