"""What the records say, by hand; and the report says that: every figure, in Markdown and on a page by itself."""

import collections
import html.parser
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from matplotlib.figure import Figure
from rich.console import Console

from adaptax.comparison import analysis, profiles, report
from adaptax.comparison.curve import Curve
from adaptax.comparison.describe import describe
from adaptax.comparison.errors import InputError
from adaptax.comparison.methods import shown
from adaptax.comparison.protocol import Grid, Protocol, Result
from adaptax.comparison.record import rounded
from adaptax.comparison.report import pictures, show, tables
from adaptax.comparison.report.conditions import CONDITIONS, conditions
from adaptax.comparison.report.markup import Cell, Section, Table, to_markdown
from adaptax.comparison.report.page import to_html_table
from adaptax.comparison.results import TaskRecord, Writer
from adaptax.comparison.statistics import Estimate
from experiments.engine import finder

T_975 = {1: 12.706205, 2: 4.302653}  # Student's t by degrees of freedom, from a printed table
EVERY = 10
META = {"processor": "A processor", "cores": 2, "device": "cpu", "versions": {"jax": "0.1"}}


def member(phase: str, seed: int, *validation: float, rate: float = 0.1, test: float | None = None) -> Result:
    """Give a member that ended; of four evaluations, where fewer are told it is the last one that counts."""
    return Result(phase, Curve(rate, seed, validation, validation, test, None))


def lost(phase: str, seed: int, *validation: float, rate: float = 0.1) -> Result:
    """Give a member that diverged after these evaluations."""
    return Result(phase, Curve(rate, seed, validation, validation, None, EVERY * len(validation) + 3))


def final(*tests: float | None) -> list[Result]:
    """Give the reruns with these test scores; None diverged."""
    seeds = enumerate(tests, 1000)
    return [lost("final", seed) if test is None else member("final", seed, 1.0, test=test) for seed, test in seeds]


def judged(slug: str = "task", title: str = "A task", per_step: dict[str, int] | None = None, **results: list[Result]):
    """Make a task's record; members of four evaluations, every tenth step."""
    task = {"title": title, "scored": "error, %", "steps": 4 * EVERY, "evaluate_every": EVERY, "batch_size": None}
    protocol = Protocol(rates=Grid(0.01, 1.0, 3), final_seeds=3)
    config = {"task": task, "protocol": describe(protocol), "layout": "vmap", "contenders": dict.fromkeys(results)}
    timings = {
        name: {
            "compile_seconds": 1.25 + number,
            "microseconds_per_member_step": 32.1 + number,
            "gradients_per_step": (per_step or {}).get(name, 1),
        }
        for number, name in enumerate(results)
    }
    return TaskRecord(slug, config, META | {"timings": timings}, results, {})


def test_ends_are_means_with_intervals_and_diverged_seeds_are_in_none():
    of = analysis.ends(judged(a=[*final(1.0, None, 4.0), member("tune", 0, 1.0), *final(2.0)[:0]]), "a")
    assert (of.scores, of.diverged) == ({1000: 1.0, 1002: 4.0}, (1001,))
    assert of.estimate.mean == 2.5
    np.testing.assert_allclose(of.estimate.half_width, T_975[1] * 1.5, rtol=1e-6)  # 3 / √2 is the spread
    np.testing.assert_allclose(of.spread, 3 / np.sqrt(2))
    assert np.isnan(analysis.ends(judged(a=final(1.0)), "a").spread)
    assert analysis.ends(judged(a=final(1.0)), "a", "default").scores == {}


def test_the_best_rate_and_the_edge_are_those_of_tuning():
    tuned = [member("tune", 0, end, rate=rate) for rate, end in ((0.01, 3.0), (0.1, 1.0), (1.0, 2.0))]
    of = judged(a=[*tuned, member("final", 1000, 0.0, rate=0.1)], b=tuned[:2], c=[lost("tune", 0)])
    assert [analysis.rate_of(of, name) for name in "abc"] == [0.1, 0.1, None]
    assert [analysis.at_edge(of, name) for name in "abc"] == [False, True, False]


def test_sensitivity_is_the_last_validation_score_by_rate_and_nothing_where_a_seed_diverged():
    of = judged(
        a=[
            *(member("tune", seed, 9.0, end, rate=0.1) for seed, end in enumerate((1.0, 4.0))),
            *(member("tune", 0, 9.0, 2.0, rate=0.01), member("tune", 1, 9.0, 2.0, rate=0.01)),
            *(member("tune", 0, 0.5, rate=1.0), lost("tune", 1, 0.5, rate=1.0)),
            member("final", 1000, 7.0, rate=0.1),
        ]
    )
    found = analysis.sensitivity(of, "a")
    assert list(found) == [0.01, 0.1, 1.0]
    assert (found[0.01].mean, found[0.1].mean, found[1.0]) == (2.0, 2.5, None)
    np.testing.assert_allclose(found[0.1].half_width, T_975[1] * 1.5, rtol=1e-6)


BASE = [member("final", 1000, 8, 6, 4, 2), member("final", 1001, 6, 4, 2, 0), lost("final", 1002, 9, 9)]


def test_the_target_is_the_best_baselines_mean_after_half_of_the_steps():
    """Of four evaluations the second, (6 + 4) / 2; of five the third; a seed that diverged is in no mean."""
    low, high = [member("final", 1000, 1, 1, 1, 1)], [member("final", 1000, 9, 9, 9, 9)]
    assert analysis.target(judged(a=low, optax_momentum=BASE)) == (5.0, "optax_momentum")
    assert analysis.target(judged(b=BASE, a=low)) == (5.0, "b")
    assert analysis.target(judged(a=[member("final", 1000, 9, 8, 7, 6, 5)])) == (7.0, "a")
    assert analysis.target(judged(a=[lost("final", 1000, 1.0)])) is None
    assert analysis.target(judged(a=[member("tune", 0, 1.0)])) is None
    # The best of momentum and Adam sets it, one of which may have diverged.
    assert analysis.target(judged(a=low, optax_momentum=BASE, adam=high)) == (5.0, "optax_momentum")
    assert analysis.target(judged(optax_momentum=high, optax_adam=BASE)) == (5.0, "optax_adam")
    assert analysis.target(judged(optax_momentum=[lost("final", 1000, 1.0)], adam=BASE)) == (5.0, "adam")


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        ([(9, 5, 9, 9)], 20),  # equal to the target is at it; the first time counts
        ([(9, 9, 9, 4.9)], 40),
        ([(5.1, 5.1, 5.1, 5.1)], np.inf),
        ([(9, 5, 9, 9), (9, 9, 9, 9), (4, 9, 9, 9)], 20),  # the median of 2, ∞ and 1
        ([(9, 5, 9, 9), (9, 9, 9, 9), (9, 9, 9, 9)], np.inf),
        ([(9, 5, 9, 9), (4, 9, 9, 9)], 15),
        ([(9, 5, 9, 9), (9, 9, 9, 9)], np.inf),  # the mean of 2 and ∞
        ([], np.inf),
    ],
)
def test_gradients_to_target_are_a_median_over_the_seeds_and_a_miss_is_infinite(curves: list, expected: float):
    results = [member("final", 1000 + seed, *curve) for seed, curve in enumerate(curves)]
    assert analysis.gradients_to_target(judged(optax_momentum=BASE, a=results), "a") == expected
    # A method that takes three gradients a step pays for them.
    thrice = judged(optax_momentum=BASE, a=results, per_step={"a": 3})
    assert analysis.gradients_to_target(thrice, "a") == 3 * expected
    assert analysis.gradients_to_target(thrice, "optax_momentum") == 30  # of 30, 20 and a miss


@pytest.mark.parametrize("score", [9, 1])
def test_a_seed_that_diverged_has_missed_the_target_even_where_it_had_been_there(score: float):
    of = judged(optax_momentum=BASE[:2], a=[lost("final", k, score, score) for k in (1000, 1001)] + [BASE[0]])
    assert analysis.gradients_to_target(of, "a") == np.inf
    assert analysis.gradients_to_target(judged(a=[lost("final", 1000, 1.0)]), "a") == np.inf  # there is no target


def reaches(**evaluations: int | None) -> dict[str, list[Result]]:
    """Let each method reach the target of 5 at an evaluation of four."""
    return {
        name: [member("final", 1000, *(4.0 if at and k >= at else 9.0 for k in range(1, 5)))]
        for name, at in evaluations.items()
    }


FAST = judged("fast", **reaches(optax_momentum=2, a=4, b=None))  # 20, 40, ∞ gradients
SLOW = judged("slow", **reaches(optax_momentum=2, a=1))  # 20, 10


def test_a_profile_is_the_share_of_tasks_done_with_so_many_times_the_fewest_gradients():
    taus = np.array([1.0, 1.9, 2.0, 4.0])
    found = profiles.shares([FAST, SLOW], taus)
    assert list(found) == ["optax_momentum", "a", "b"]
    np.testing.assert_array_equal(found["optax_momentum"], [0.5, 0.5, 1.0, 1.0])  # 1 and 2 times
    np.testing.assert_array_equal(found["a"], [0.5, 0.5, 1.0, 1.0])  # 2 times and 1
    np.testing.assert_array_equal(found["b"], [0, 0, 0, 0])  # it missed one, and took no part in the other
    hopeless = judged("hopeless", **reaches(optax_momentum=None, a=None))
    hopeless.results["optax_momentum"][:] = [lost("final", 1000)]
    assert profiles.shares([hopeless], taus)["a"].max() == 0


def test_profile_scores_are_means_over_tau_the_best_first():
    scores = profiles.scores([FAST, judged("slow", **reaches(b=1, optax_momentum=2, a=1))])
    # τ goes from 1 to 4 in steps of .01: 100 of the 301 are below 2.
    expected = {"optax_momentum": (100 * 0.5 + 201) / 301, "a": (100 * 0.5 + 201) / 301, "b": 0.5}
    assert list(scores)[-1] == "b"
    assert scores == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mine", "others", "verdict"),
    [
        ((1.0, 2.0, 3.0), (2.0, 4.0, 4.0), "none shown"),  # -1, -2, -1: -1.33 ± 1.43
        ((1.0, 2.0, 3.0), (2.0, 3.1, 3.9), "lower"),  # -1, -1.1, -.9: -1 ± .25
        ((2.0, 3.1, 3.9), (1.0, 2.0, 3.0), "higher"),
        ((1.0, 2.0, 3.0, None), (2.0, 3.1, 3.9, 9.0), "none shown"),  # lower, but it can diverge
        ((1.0, 2.0, 3.0, 0.0), (2.0, 3.1, 3.9, None), "lower"),
        ((2.0, 3.1, 3.9, 0.0), (1.0, 2.0, 3.0, None), "none shown"),  # the better one can diverge
        ((2.0, 3.1, 3.9, None), (1.0, 2.0, 3.0, 9.0), "higher"),
        ((1.0,), (2.0,), "none shown"),  # no interval of one
    ],
)
def test_a_difference_is_taken_seed_by_seed_and_a_verdict_needs_seeds_that_end(mine, others, verdict):
    found = analysis.difference(judged(a=final(*mine), b=final(*others)[::-1]), "a", "b")
    pairs = [(m, o) for m, o in zip(mine, others, strict=True) if m is not None and o is not None]
    differences = np.array([m - o for m, o in pairs])
    np.testing.assert_allclose(found.estimate.mean, differences.mean())
    if len(pairs) == 3:
        half_width = T_975[2] * np.std(differences, ddof=1) / np.sqrt(3)
        np.testing.assert_allclose(found.estimate.half_width, half_width, rtol=1e-6)
    assert found.verdict == verdict


def test_there_is_no_difference_without_a_common_seed():
    assert analysis.difference(judged(a=final(1.0, None), b=final(None, 1.0)), "a", "b") is None


def test_an_untuned_contender_is_compared_with_a_tuned_one():
    untuned = [member("default", seed, 4.0, 2.0, 2.0, 0.5, test=seed - 990.0) for seed in (1000, 1001)]
    both = judged(a=[*final(0.0, 0.0), *untuned], b=[*final(9.0, 10.1), *untuned])
    assert analysis.difference(both, "a", "b").verdict == "lower"
    assert analysis.difference(both, "a", "b", "default").estimate.mean == pytest.approx(10.5 - 9.55)
    assert analysis.share_of_steps(judged(a=untuned, b=final(9.0)), "a", "b", "default") == 1.0
    assert analysis.share_of_steps(judged(a=untuned, b=final(9.0)), "a", "b") is None


@pytest.mark.parametrize(
    ("mine", "others"),
    [((1.0, 2.0, 3.0), (2.0, 4.0, 4.0)), ((2.0, 3.1, 3.9, None), (1.0, 2.0, 3.0, 9.0)), ((1.0,), (2.0,))],
)
def test_a_difference_has_the_p_value_of_its_common_seeds(mine, others):
    found = analysis.difference(judged(a=final(*mine), b=final(*others)), "a", "b")
    common = [(m, o) for m, o in zip(mine, others, strict=True) if m is not None]
    expected = scipy.stats.ttest_rel(*zip(*common, strict=True)).pvalue if len(common) > 1 else np.nan
    assert found.p == pytest.approx(expected, nan_ok=True)


MINE = {
    "at the end": ((9, 9, 9, 1), 1.0),  # equal to the base's 1 is as low; the last of four evaluations
    "half way": ((9, 1, 9, 9), 0.5),  # the first time counts
    "at once": ((0.5, 9, 9, 9), 0.25),
    "never": ((9, 9, 9, 1.1), None),
}


@pytest.mark.parametrize("case", MINE)
def test_steps_are_saved_from_the_first_time_that_the_mean_is_as_low_as_the_base_at_the_end(case: str):
    curve, share = MINE[case]
    base = [member("final", 1000, 0, 0, 0, 2), member("final", 1001, 0, 0, 0, 0)]  # only the end counts: 1
    mine = [member("final", 1000 + seed, *(np.array(curve) + sign)) for seed, sign in enumerate((-0.5, 0.5))]
    of = judged(a=mine, base=[*base, member("tune", 0, 0, 0, 0, -9)])
    assert analysis.share_of_steps(of, "a", "base") == share
    # Three gradients a step cost three times as much; of a base that takes two, half of that.
    dear = judged(a=mine, base=base, per_step={"a": 3, "base": 2})
    assert analysis.share_of_steps(dear, "a", "base") == (None if share is None else 1.5 * share)


def test_no_steps_are_saved_where_a_seed_diverged_or_none_was_rerun():
    low, high = [member("final", 1000, 1, 1, 1, 1)], [member("final", 1000, 9, 9, 9, 9)]
    assert analysis.share_of_steps(judged(a=low, b=high), "a", "b") == 0.25
    diverged = [lost("final", 1001, 0.0)]
    assert analysis.share_of_steps(judged(a=[*low, *diverged], b=high), "a", "b") is None
    assert analysis.share_of_steps(judged(a=low, b=[*high, *diverged]), "a", "b") is None
    assert analysis.share_of_steps(judged(a=low, b=at(0.1, 9.0)), "a", "b") is None
    assert analysis.share_of_steps(judged(a=at(0.1, 1.0), b=high), "a", "b") is None


def at(rate: float, *ends: float | None) -> list[Result]:
    """Tune at a rate; None diverges."""
    return [lost("tune", s, rate=rate) if e is None else member("tune", s, 5, e, rate=rate) for s, e in enumerate(ends)]


def test_at_a_tenth_both_have_a_tenth_of_the_bases_best_rate():
    base = [*at(0.00316, 4.0, 5.0, 6.0), *at(0.0316, 1.0, 1.0, 1.0), *at(0.316, 2.0, 2.0, 2.0)]
    mine = [*at(0.00316, 3.0, 4.1, 4.9), *at(0.0316, 0.5, 0.5, 0.5), *at(0.316, 0.1, 0.1, 0.1)]
    found = analysis.difference_at(judged(mine=mine, base=base), "mine", "base", 0.1)
    np.testing.assert_allclose(found.estimate.mean, -1.0)
    np.testing.assert_allclose(found.estimate.half_width, T_975[2] * 0.1 / np.sqrt(3), rtol=1e-6)
    assert found.verdict == "lower"
    lowest = at(0.00316, 0.1, 0.1, 0.1)
    untried = judged(mine=mine, base=lowest)
    assert analysis.difference_at(untried, "mine", "base", 0.1) is None
    worse = [*at(0.00316, 5.0, 6.1, 6.9), *base[3:]]
    assert analysis.difference_at(judged(a=worse, base=base), "a", "base", 0.1).verdict == "higher"
    near = [*at(0.00316, 4.0, 5.1, 5.8), *base[3:]]
    assert analysis.difference_at(judged(a=near, base=base), "a", "base", 0.1).verdict == "none shown"


def test_at_a_tenth_a_seed_that_diverged_is_in_no_difference():
    base = [*at(0.01, 4.0, 5.0, 6.0), *at(0.1, 1.0, 1.0, 1.0), *at(1.0, None, None, None)]
    mine = [*at(0.01, 3.0, None, 4.9), *at(0.1, 1.0, 1.0, 1.0)]
    found = analysis.difference_at(judged(mine=mine, base=base), "mine", "base", 0.1)
    np.testing.assert_allclose(found.estimate.mean, (-1.0 - 1.1) / 2)
    all_lost = judged(mine=at(0.01, None, None, None), base=base)
    assert analysis.difference_at(all_lost, "mine", "base", 0.1) is None
    no_best = judged(mine=mine, base=at(0.1, None, None, None))
    assert analysis.difference_at(no_best, "mine", "base", 0.1) is None


# The report, of two tasks with all that can happen.

TITLES = {"first": 'Lines <b>& "curves"</b>', "second": "Another | task"}


def tuning(best: float, seed: int) -> list[Result]:
    """Tune with three rates and two seeds; the highest rate diverges with one of them."""
    random = np.random.default_rng(seed)
    ends = {0.001: 9.0, 0.01: 4.0, 0.1: best}
    tuned = [r for rate, end in ends.items() for r in at(rate, *(end + random.uniform(0, 0.5, 2)).tolist())]
    return [*tuned, *at(1.0, 1.0, None)]


def reruns(phase: str, level: float, seed: int) -> list[Result]:
    random = np.random.default_rng(seed)
    start = np.array([8.0, 5.0, 3.0, 2.0])
    return [
        member(phase, 1000 + s, *(level * start * random.uniform(0.9, 1.1, 4)), test=level + random.uniform(0, 0.3))
        for s in range(3)
    ]


def method(level: float, seed: int) -> list[Result]:
    return [*tuning(level, seed), *reruns("final", level, seed), *reruns("default", level + 3, seed + 50)]


RECORDS = [
    judged(
        "first",
        TITLES["first"],
        optax_momentum=method(2.0, 1),
        nesterov=method(1.0, 2),
        optax_sgd=method(2.05, 3),
        adam=[*at(0.01, 1.0, 1.0), *at(0.1, 2.0, 2.0), *reruns("final", 3.0, 4)[:2], lost("final", 1002, 2.0)],
        rmsprop=at(0.01, None, None) + [lost("default", seed) for seed in (1000, 1001, 1002)],
        per_step={"nesterov": 4},
    ),
    judged("second", TITLES["second"], optax_momentum=method(1.0, 5), optax_sgd=method(4.0, 6)),
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Markdown and page of the records, by way of the disk."""
    out = tmp_path_factory.mktemp("compared")
    for each in RECORDS:
        writer = Writer(out / each.slug, each.config, each.meta, resume=False)
        for name, results in each.results.items():
            writer.write(name, results, each.timings[name])
    page = report.write(out, out, Console())
    return (out / "report.md").read_text(), page.read_text()


@pytest.fixture(scope="module")
def read(reports) -> list[TaskRecord]:
    """The records as the disk keeps them, in six digits."""
    return [
        each._replace(results={n: [Result(r.phase, rounded(r.curve)) for r in of] for n, of in each.results.items()})
        for each in RECORDS
    ]


QUESTION = "Which method for which task?"
MOMENTUM = "optax.sgd(momentum=0.9)"


def by_shown(expression: str) -> str:
    """Return the name by which the records of the report know an expression."""
    (name,) = {name for of in RECORDS for name in of.results if shown(name) == expression}
    return name


def sections(markdown: str) -> dict[str, list[list[str]]]:
    """Read the tables, lines of cells, by the title above them, after that of the task if they are within one."""
    found, above = {}, ""
    for marks, part in re.findall(r"^(#+) (.*?)(?=^#|\Z)", markdown, flags=re.MULTILINE | re.DOTALL):
        lines = [line for line in part.splitlines() if line.startswith("| ")]
        title = part.splitlines()[0]
        above = title if len(marks) < 3 else above
        found[title if len(marks) < 3 else f"{above}: {title}"] = [
            [c.replace(r"\|", "|") for c in re.split(r" (?<!\\)\| ", x[2:-2])] for x in lines
        ]
    return found


def says(cell: str, value: float, half_width: float | None = None) -> bool:
    """Compare a figure with what it stands for, to its last digit."""
    figures = cell.strip("*").split(" ± ")
    for text, number in zip(figures, (value, half_width), strict=False):
        unit = 10.0 ** -len(re.sub(r"e.*", "", text).partition(".")[2]) * float("1e" + (text.partition("e")[2] or "0"))
        if abs(float(text) - number) > 0.501 * unit:
            return False
    return len(figures) == (1 if half_width is None else 2)


def test_the_leaderboard_says_what_the_analysis_says(reports, read: list[TaskRecord]):
    table = sections(reports[0])["All methods"]
    assert table[0] == ["method", "profile", "lowest on", *(f"{title} (error, %)" for title in TITLES.values())]
    scores = profiles.scores(read)
    assert [row[0] for row in table[2:]] == list(map(shown, scores))
    assert len(set(scores.values())) >= 3
    best = [analysis.best_of(of) for of in read]
    for name, (_, profile, lowest, *cells) in zip(scores, table[2:], strict=True):
        assert lowest.strip("*") == str(sum(name in of for of in best))
        assert says(profile, scores[name])
        assert ("**" in profile) == (scores[name] == max(scores.values()))
        for cell, of in zip(cells, read, strict=True):
            ends = analysis.ends(of, name) if name in of.results else analysis.Ends({}, ())
            if not ends.scores:
                assert cell == "–"
                continue
            figure, _, diverged = cell.partition(", ")
            assert says(figure, ends.estimate.mean, ends.estimate.half_width)
            assert diverged == ("1 of 3 diverged" if ends.diverged else "")
    bold = [[row[0] for row in table[2:] if row[column].startswith("**")] for column in (2, 3, 4)]
    assert bold == [[MOMENTUM, "nesterov"], ["nesterov"], [MOMENTUM]]


def test_bold_are_the_lowest_mean_and_those_that_cannot_be_told_from_it():
    of = judged(a=final(1.0, 2.0, 3.0), b=final(1.1, 1.9, 3.2), c=final(2.0, 3.1, 3.9), d=final(0.5, 0.5, None))
    assert analysis.best_of(of) == ["a", "b"]
    ties = judged(c=final(1.2, 1.9, 3.4), b=final(1.1, 1.9, 3.2), a=final(1.0, 2.0, 3.0))
    assert analysis.best_of(ties) == ["a", "b", "c"]  # the lowest mean first
    assert analysis.best_of(judged(a=final(None, None), b=at(0.1, 1.0))) == []


def test_wins_losses_and_divergences_are_those_against_tuned_momentum(reports, read: list[TaskRecord]):
    table = sections(reports[0])["Where each wins, and where it loses"]
    found = {by_shown(name): cells for name, *cells in table[2:]}
    expected: dict[str, list[list[str]]] = {name: [[], [], []] for name in found}
    for name in found:
        for of in (of for of in read if name in of.results):
            if analysis.ends(of, name).diverged:
                expected[name][2].append(of.slug)
            elif (difference := analysis.difference(of, name, "optax_momentum")) and difference.verdict != "none shown":
                expected[name][difference.verdict == "higher"].append(of.slug)
    assert found == {name: [", ".join(slugs) or "–" for slugs in of] for name, of in expected.items()}
    assert found["nesterov"] == ["first", "–", "–"]
    assert found["optax_sgd"] == ["–", "second", "–"]
    assert found["adam"] == ["–", "–", "first"]


@pytest.mark.parametrize(
    ("title", "compare"),
    [
        ("What is gained over the base method", analysis.difference),
        ("What is gained at a rate ten times too small", partial(analysis.difference_at, times=0.1)),
    ],
)
def test_pairs_are_compared_on_every_task_on_which_both_took_part(title, compare, reports, read: list[TaskRecord]):
    table = {row[0]: row[1:] for row in sections(reports[0])[title][2:]}
    assert set(table) == {f"nesterov – {MOMENTUM}"}
    told = 0
    for row, cells in table.items():
        pair = [by_shown(name) for name in row.split(" – ")]
        for cell, of in zip(cells, read, strict=True):
            found = compare(of, *pair) if set(pair) <= of.results.keys() else None
            figure, _, share = cell.strip("*").partition(", ")
            assert figure == "–" if found is None else says(figure, *found.estimate)
            told += found is not None
            assert found is None or figure[0] in "+-"
            assert share == ""  # nesterov takes four gradients a step there
    assert told == 1


def test_each_task_has_its_rates_costs_and_targets(reports, read: list[TaskRecord]):
    markdown = reports[0]
    for of in read:
        table = sections(markdown)[TITLES[of.slug]]
        means = {name: analysis.ends(of, name) for name in of.results}
        order = sorted(means, key=lambda name: float(means[name].estimate.mean) if means[name].scores else np.inf)
        assert table[0] == ["method", "test score", "best rate", "spread", "untuned", *(["trials"] * (of is read[0]))]
        costs = sections(markdown)[f"{TITLES[of.slug]}: What it cost"]
        assert [row[0] for row in table[2:]] == [row[0] for row in costs[2:]] == list(map(shown, order))
        for name, (_, test, rate, spread, untuned, *trials), (_, needed, compile_s, microseconds) in zip(
            order, table[2:], costs[2:], strict=True
        ):
            assert trials in ([], [str(len({r.curve.rate for r in of.results[name] if r.phase == "tune"}))])
            best, gradients = analysis.rate_of(of, name), analysis.gradients_to_target(of, name)
            assert rate == ("none" if best is None else f"{best:g}{' ↔' if analysis.at_edge(of, name) else ''}")
            if means[name].scores:
                figure = test.partition(", ")[0]
                assert says(figure, means[name].estimate.mean, means[name].estimate.half_width)
                assert says(spread, means[name].spread)
            else:
                assert (test, spread) == ("–", "–")
            default = analysis.ends(of, name, "default")
            if default.scores:
                assert says(untuned, default.estimate.mean, default.estimate.half_width)
            else:
                assert untuned == ("3 of 3 diverged" if name == "rmsprop" else "–")
            assert needed == ("missed" if np.isinf(gradients) else f"{gradients:.0f}")
            assert says(compile_s, of.timings[name]["compile_seconds"])
            assert says(microseconds, of.timings[name]["microseconds_per_member_step"])
        target = analysis.target(of).score
        assert f"Target: {target:.4g} on validation, {MOMENTUM}'s mean after half of the steps." in markdown
    rows = {row[0]: row for row in sections(markdown)[TITLES["first"]][2:]}
    assert rows["adam"][2] == "0.01 ↔"
    assert rows["rmsprop"][2] == "none"
    costs = {row[0]: row for row in sections(markdown)[f"{TITLES['first']}: What it cost"][2:]}
    assert int(costs["nesterov"][1]) % 40 == 0  # four gradients a step


def test_each_task_says_how_much_the_rate_matters(reports, read: list[TaskRecord]):
    for of in read:
        header, _, *rows = sections(reports[0])[f"{TITLES[of.slug]}: How much the rate matters"]
        rates = [float(text) for text in header[1:]]
        assert rates == sorted({r.curve.rate for results in of.results.values() for r in results if r.phase == "tune"})
        assert {row[0] for row in rows} == set(map(shown, of.results))
        for name, *cells in rows:
            name = by_shown(name)
            found = analysis.sensitivity(of, name)
            for rate, cell in zip(rates, cells, strict=True):
                assert ("**" in cell) == (rate == analysis.rate_of(of, name))
                if rate not in found:
                    assert cell == ""
                elif found[rate] is None:
                    assert cell == "×"
                else:
                    assert says(cell, found[rate].mean)


class Page(html.parser.HTMLParser):
    """What a browser would read: elements, their attributes, and the words outside of pictures and styles."""

    def __init__(self, text: str) -> None:
        """Read it all."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "wbr", "path", "use", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"svg", "style"} & set(self.open):
            self.words.append(data)


def test_the_page_needs_nothing_from_elsewhere(reports):
    """No script, no file, no address: only names of parts of itself. It is wide as the screen, also of a telephone."""
    page = Page(reports[1])
    assert not page.open
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "image", "iframe", "object", "embed", "video", "base", "form"}
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # of languages; nobody goes there
    assert set(re.findall(r"\w+://[^\"'\s<>]*", reports[1])) <= names
    assert set(re.findall(r"url\((.)", reports[1])) <= {"#"}
    assert "@import" not in reports[1]
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements
    assert ("meta", {"charset": "utf-8"}) in page.elements
    assert "a" not in tags


def test_titles_are_text_on_the_page_and_cells_in_markdown(reports):
    """Angle brackets make no element, a bar makes no column."""
    markdown, text = reports
    page = Page(text)
    assert "b" not in {tag for tag, _ in page.elements}
    for title in TITLES.values():
        assert title in page.words
        assert f"## {title}\n" in markdown
        assert f"{title} (error, %)" in page.words
    assert "Profile" in page.words
    assert {len(row) for row in sections(markdown)["All methods"]} == {5}
    cells = to_markdown([Section("", [], Table(["a | b"], [[Cell("c | d", "best")]]))])
    assert cells.splitlines()[-3:] == [r"| a \| b |", "| --- |", r"| **c \| d** |"]


def numbers(text: str) -> collections.Counter:
    return collections.Counter(re.findall(r"[+-]?\d[\d.]*(?:e[+-]?\d+)?", text))


def test_every_number_in_markdown_is_on_the_page_as_often(reports):
    markdown, page = reports[0], reports[1].replace("<wbr>", "").replace("<br>", "")
    said = numbers(re.sub(r"^#+ .*$", "", markdown, flags=re.MULTILINE))
    shown = numbers(" ".join(Page(page).words))
    assert len(said) > 60
    assert said <= shown, said - shown
    for section, rows in sections(markdown).items():
        for row in rows[2:]:
            cells = "".join(f'<td class="[a-z ]*">{re.escape(html.escape(cell.strip("*")))}</td>' for cell in row)
            assert re.search(f"<tr>{cells}</tr>", page), (section, row)


def test_better_and_worse_are_seen_on_the_page(reports):
    page = reports[1].replace("<wbr>", "")
    gained = page.partition("over the base method</h2>")[2]
    pair = re.escape(f"nesterov – {MOMENTUM}")
    assert re.search(rf'<td class="">{pair}</td><td class="(\w+)">-', gained)[1] == "better"
    lost_at = re.search(r'<td class="">optax\.sgd</td><td class="">–</td><td class="(\w+)">second</td>', page)
    assert lost_at[1] == "worse"
    assert '<td class="best">' in reports[1]


def kept(monkeypatch: pytest.MonkeyPatch, most: int = pictures.MOST) -> dict[str, Figure]:
    """Keep what would be written down, by what is said of it; draw no more than so many lines in a panel."""
    drawn: dict[str, Figure] = {}

    def keep(picture: Figure, says: str) -> str:
        assert says not in drawn
        drawn[says] = picture
        return "<svg></svg>"

    monkeypatch.setattr(pictures, "to_svg", keep)
    monkeypatch.setattr(pictures, "MOST", most)
    return drawn


@pytest.mark.parametrize(
    ("most", "count"), [(8, 3), (4, 6)]
)  # all methods together, or a panel for each of two families
def test_pictures_draw_what_the_analysis_says(most, count, read: list[TaskRecord], monkeypatch: pytest.MonkeyPatch):
    """Of each method: profile, sensitivity by rate, mean curve over the seeds that ended."""
    drawn = kept(monkeypatch, most)
    pictures.profile(read)
    pictures.rates(read[0])
    pictures.steps(read[0])
    assert len(drawn) == count
    taus = np.linspace(1, 4, 301)
    seen = collections.Counter()
    for says, picture in drawn.items():
        for line in picture.axes[0].lines:
            name = by_shown(str(line.get_label()).removesuffix(": diverged"))
            seen[name] += 1
            if "by learning rate" in says:
                found = analysis.sensitivity(read[0], name)
                expected = [(rate, value.mean) for rate, value in found.items() if value is not None]
            elif "by step" in says:
                ended = [c.validation for c in analysis.curves(read[0], name, "final") if c.diverged_at is None]
                expected = [(EVERY * (k + 1), value) for k, value in enumerate(np.mean(ended, axis=0) if ended else [])]
            else:
                expected = list(zip(taus, profiles.shares(read, taus)[name], strict=True))
            np.testing.assert_allclose(line.get_xydata(), np.array(expected).reshape(-1, 2))
            assert str(line.get_label()).endswith(": diverged") == (not expected)
    assert seen.keys() == read[0].results.keys()
    assert min(seen.values()) == 3


@pytest.mark.parametrize(
    ("low", "high", "start", "scale", "limits"),
    [
        (2.0, 1e30, 50.0, "log", (2 / 1.15, 50 * 1.15)),  # worse than all that is met on the way is not shown
        (2.0, 1e30, 12.0, "linear", (2 / 1.15, 12 * 1.15)),  # a log axis of less than a decade has a number or none
        (2.0, 90.0, 1e30, "log", (2 / 1.15, 2e7 * 1.15)),  # nor is what blew up on the way
        (2.0, 90.0, None, "log", (2 / 1.15, 90 * 1.15)),  # a sweep, without reruns
        (3.0, 3.0, 3.0, "linear", (3 / 1.15, 3 * 1.15)),
        (-1.0, 3.0, 50.0, "linear", (-1 - 0.15 * 51, 50 + 0.15 * 51)),
    ],
)
def test_all_panels_of_a_task_show_the_same_scores(low, high, start, scale, limits, monkeypatch: pytest.MonkeyPatch):
    drawn = kept(monkeypatch, 3)
    reruns = [] if start is None else [member("final", 1000, start, 3.0, 3.0, 3.0)]
    base = [*at(0.01, high), *at(0.1, 3.0), *reruns]
    of = judged(optax_sgd=base, lsalr=[*at(0.1, low)], nesterov=base, optax_momentum=base)
    pictures.rates(of)
    pictures.steps(of)
    assert len(drawn) == (2 if start is None else 4)
    for picture in drawn.values():
        assert picture.axes[0].get_yscale() == scale
        assert picture.axes[0].get_ylim() == pytest.approx(limits)


def test_every_method_is_in_a_picture_and_none_is_alone():
    names = ["optax_sgd", "lsalr", "nesterov", "mine", "eve"]
    found = dict(pictures.families(names))
    assert set(names) == {name for members in found.values() for name in members}
    assert found["rates per layer"] == ["optax_sgd", "lsalr"]
    assert found["others"] == ["mine", "eve"]


def test_the_report_is_made_of_the_records_alone_and_is_the_same_every_time(reports, read: list[TaskRecord]):
    markdown, page = reports
    assert to_markdown(tables.sections(read)) == markdown
    drawn = pictures.profile(read)
    assert len(drawn) == 1
    assert all(picture in page for picture in drawn)


def test_a_sweep_has_no_test_score_and_an_interrupted_comparison_a_report_as_far_as_it_went():
    swept = judged(a=tuning(1.0, 1))
    swept.config["protocol"]["only_tunes"] = True
    assert [section.title for section in tables.sections([swept])] == [
        "A task",
        "How it was judged",
        "How much the rate matters",
        "What it cost",
    ]
    assert tables.sections([swept])[0].table.header == ["method", "validation score", "best rate"]
    assert [part.title for part in tables.sections([swept, swept])] == [
        QUESTION,
        "How it was judged",
        "A task",
        "A task",
    ]
    begun = {section.title: section.table for section in tables.sections([judged(a=tuning(1.0, 1))])}
    assert begun["A task"].header == ["method", "test score", "best rate", "spread"]
    assert [cell.text for cell in begun["A task"].rows[0]] == ["a", "–", "0.1", "–"]
    assert begun["What it cost"].rows[0][1].text == "missed"


def test_conditions_count_the_tasks_on_which_a_method_gains_over_the_one_beneath():
    """On the letters gains help, on the bowl they harm; at a tenth of the best rate they help on one that was tried."""
    tuned = {"optax_sgd": [*at(0.01, 4.0, 5.0), *at(0.1, 1.0, 1.0)], "local_gains": at(0.01, 1.0, 2.1)}
    low, high = final(1.0, 1.1, 0.9), final(2.0, 2.2, 2.0)
    letters = judged("letters", optax_sgd=[*high, *tuned["optax_sgd"]], local_gains=[*low, *tuned["local_gains"]])
    one_seed = {"optax_sgd": [*at(0.01, 4.0), *at(0.1, 1.0)], "local_gains": at(0.01, 1.0)}  # gives no interval
    bowl = judged("quadratic", optax_sgd=[*low, *one_seed["optax_sgd"]], local_gains=[*high, *one_seed["local_gains"]])
    own = judged("mine", optax_sgd=low, local_gains=high)
    (section,) = conditions([letters, bowl, own])
    gains = "local_gains over optax.sgd"
    assert [[cell.text for cell in row] for row in section.table.rows] == [
        ["curvatures differ by a factor of 10,000", "quadratic: optax.sgd", "–", f"{gains} (1 of 1)"],
        ["full batches", "letters: local_gains; quadratic: optax.sgd", f"{gains} (1 of 2)", f"{gains} (1 of 2)"],
        ["all tasks, rate tuned", "–", f"{gains} (1 of 3)", f"{gains} (2 of 3)"],
        ["all tasks, rate ten times too small", "–", f"{gains} (1 of 1)", "–"],
    ]
    assert [cell.kind for cell in section.table.rows[1]] == ["", "", "better", "worse"]
    assert "Under which conditions" in {part.title for part in tables.sections([letters, bowl])}
    assert conditions([own]) == []


def test_every_task_stands_for_a_condition():
    assert {slug for slugs in CONDITIONS.values() for slug in slugs} == finder.tasks().keys()


def test_words_are_broken_into_lines_and_figures_are_not(reports):
    rows = [[Cell("name"), Cell("1.2 ± 0.1", "best")]]
    assert "<table>" in to_html_table(Table(["a", "b"], rows))
    assert '<table class="words">' in to_html_table(Table(["a", "b"], rows, of_words=True))
    wins = reports[1].partition("Where each wins, and where it loses</h2>")[2]
    assert wins.partition("<table")[2].startswith(' class="words">')


def test_the_leaders_are_named_before_their_table(reports, read: list[TaskRecord]):
    """Of two tasks momentum and nesterov are the lowest on one each, and no other on any."""
    short = reports[0].partition("## All methods\n")[2].partition("\n| ")[0].strip()
    assert short.startswith(f"These lead on the most of the 2 tasks: `{MOMENTUM}` (1), `nesterov` (1). ")
    scores = [f"`{shown(name)}` ({score:.2f})" for name, score in profiles.scores(read).items() if score]
    assert short.endswith(f"first on every task): {', '.join(scores)}.")


def test_of_ties_for_the_last_place_among_the_leaders_none_is_named():
    alike = {name: final(1.0, 2.0, 3.0) for name in "bcdefg"}
    of = [judged("x", a=final(1.0, 2.0, 3.0), **alike), judged("y", a=final(0.0, 1.0, 2.0), **alike)]
    first, short, *_ = tables.sections(of)
    assert first.paragraphs[0].startswith("Of 7 methods at a constant rate, `a` leads on each of 2 tasks (")
    assert short.paragraphs[0].startswith("These lead on the most of the 2 tasks: `a` (2). ")


def test_there_must_be_something_to_report(tmp_path: Path):
    with pytest.raises(InputError, match=r"^There is no comparison in '[^\n]*'; run it first\.$"):
        report.write(tmp_path, tmp_path / "out", Console())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("mean", "half_width", "signed", "text"),
    [
        (1.2345, 0.123, False, "1.23 ± 0.12"),
        (1.2345, 12.3, False, "1 ± 12"),
        (-0.5, 0.25, True, "-0.50 ± 0.25"),
        (0.5, 0.25, True, "+0.50 ± 0.25"),
        (123.456, 0.00123, False, "123.4560 ± 0.0012"),
        (3.3e-5, 1.2e-6, False, "3.3e-05 ± 1.2e-06"),
        (1.2345, np.nan, False, "1.23"),
        (0.0, 0.0, False, "0"),
        (2.5, 0.0, True, "+2.5"),
        (2.3026, 1.1e-15, False, "2.3"),  # equal scores, added in another order
        (2.3026, 3e-9, False, "2.30260000e+00 ± 3.0e-09"),
        (0.0, 1e-12, False, "0.0e+00 ± 1.0e-12"),  # nothing is rounding of nothing
    ],
)
def test_a_figure_is_written_to_the_second_digit_of_its_half_width(mean, half_width, signed, text):
    assert show.show(Estimate(np.float64(mean), np.float64(half_width)), signed) == text
